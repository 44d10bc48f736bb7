//! What people may see of a value: all of it, its ends, its shape, or its length alone.

use alloc::{
    borrow::{Cow, ToOwned},
    string::String,
};

use zeroize::Zeroize;

use crate::field::{Content, Mask};

/// A value, as far as people may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Clear(String),
    /// A card number: its first six and last four digits, the others as `*`.
    Pan(String),
    /// Its shape: every digit as `9`, every letter as `A`.
    Shape(String),
    /// Nothing.
    Hidden,
    /// A composite: its parts follow.
    Parts,
}

/// How much is believed of what was read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// All: the message parses.
    Sound,
    /// All, as it was asked for, though the message does not parse.
    Broken,
    /// All, card data as well.
    Unmasked,
    /// Shapes alone, as the message does not parse.
    Shapes,
}

/// What may be shown of a text.
pub(crate) fn value(mask: Mask, content: Content, text: Cow<'_, str>, view: View) -> Shown {
    let shown = match (mask, view) {
        (_, View::Unmasked) => Shown::Clear(text.as_ref().to_owned()),
        (Mask::Never, _) | (Mask::Pan, View::Shapes) => Shown::Hidden,
        (Mask::Pan, _) => masked_pan(&text).map_or(Shown::Hidden, Shown::Pan),
        (Mask::Clear, View::Shapes) if content == Content::B => Shown::Hidden,
        (Mask::Clear, View::Shapes) => Shown::Shape(text.chars().map(shape).collect()),
        (Mask::Clear, _) => Shown::Clear(text.as_ref().to_owned()),
    };
    if let Cow::Owned(mut text) = text {
        text.zeroize();
    }
    shown
}

/// The first six and the last four digits of what has the length of a card number; `None` otherwise.
fn masked_pan(text: &str) -> Option<String> {
    let digits = text.len();
    if !(13..=19).contains(&digits) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let last = digits.saturating_sub(4);
    let place = |(place, digit)| if (6..last).contains(&place) { '*' } else { digit };
    Some(text.chars().enumerate().map(place).collect())
}

fn shape(character: char) -> char {
    match character {
        '0'..='9' => '9',
        'a'..='z' | 'A'..='Z' => 'A',
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_the_length_of_a_card_number_is_shown_in_part() {
        assert_eq!(masked_pan("4000000000002").unwrap(), "400000***0002");
        assert_eq!(masked_pan("6222020000000000003").unwrap(), "622202*********0003");
        for text in ["", "400000000002", "40000000000000000000", "400000000000000D"] {
            assert_eq!(masked_pan(text), None, "{text}");
        }
    }
}
