//! What may be shown of a message.

use data_encoding::HEXLOWER;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;

/// What may be shown of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The message type.
    pub mti: String,
    /// The fields.
    pub fields: BTreeMap<u8, ShownField>,
    /// The bytes in hexadecimal; of what is hidden each character is `*`, each packed digit `f`.
    pub raw: String,
}

/// What may be shown of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownField {
    /// Its name in the definition.
    pub name: String,
    /// What stands in it.
    #[serde(flatten)]
    pub value: ShownValue,
}

/// What may be shown of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownValue {
    /// All of it; of a card number the first six digits and the last four.
    Value(String),
    /// So many characters.
    Hidden(usize),
}

impl Shown {
    /// A field's text, if it is shown.
    pub fn text(&self, field: u8) -> Option<&str> {
        match &self.fields.get(&field)?.value {
            ShownValue::Value(text) => Some(text),
            ShownValue::Hidden(_) => None,
        }
    }
}

/// The first six digits and the last four (PCI DSS 4.0, requirement 3.4.1); nothing of what is shorter
/// than a card number.
pub(super) fn masked(number: &str) -> String {
    let length = number.len();
    let shown = |at: usize| length >= 13 && (at < 6 || at.saturating_add(4) >= length);
    number.chars().enumerate().map(|(at, c)| if shown(at) { c } else { '*' }).collect()
}

/// Hides a card number that stands across fields, as in a message that begins elsewhere than its reader
/// thinks, in all the fields that it touches (number, place and length of each). Returns those, with their
/// lengths.
pub(super) fn hide_across(
    raw: &mut [u8],
    spans: &[(u8, Range<usize>, usize)],
    cards: &[String],
) -> Vec<(u8, usize)> {
    let mut touched = Vec::new();
    let forms = cards.iter().flat_map(|card| [card.clone(), HEXLOWER.encode(card.as_bytes())]);
    for form in forms {
        while let Some(at) = HEXLOWER.encode(raw).find(&form) {
            let found = at >> 1..at.saturating_add(form.len()).div_ceil(2);
            let hit = spans
                .iter()
                .filter(|(_, span, _)| span.start < found.end && found.start < span.end);
            for (number, span, length) in hit {
                touched.push((*number, *length));
                if let Some(bytes) = raw.get_mut(span.clone()) {
                    bytes.fill(0xff);
                }
            }
            if let Some(bytes) = raw.get_mut(found) {
                bytes.fill(0xff);
            }
        }
    }
    touched
}
