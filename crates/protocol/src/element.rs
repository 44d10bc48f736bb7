//! What can stand in an element of a host message: a fact, a constant, or several facts behind tags;
//! each with the shape of its text.

use std::fmt::Write as _;

use tidegate_iso8583::field::{Content, FieldSpec, Padding};
use zeroize::Zeroizing;

use crate::fact::{Fact, Facts, Shape};

/// The meaning of one element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Taken from the payment.
    Fact(Fact),
    /// Always this text.
    Constant(String),
    /// Several facts, each behind a tag of letters and a length of two digits: `CV03123EC0205`.
    /// A fact that is missing is left out; when all are, so is the element.
    Tagged(Vec<(String, Fact)>),
}

/// Room for the text of one element. Wiped on drop; larger than every element with a secret, so
/// that it does not move and leave a copy behind.
pub(crate) struct Scratch(Zeroizing<String>);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(Zeroizing::new(String::with_capacity(TAGGED_MAX)))
    }
}

/// The longest tagged element that a mapping may hold, in characters.
pub(crate) const TAGGED_MAX: usize = 200;

impl Meaning {
    /// The facts that it is made of.
    pub(crate) fn facts(&self) -> impl Iterator<Item = Fact> {
        let (one, many) = match self {
            Self::Fact(fact) => (Some(*fact), [].as_slice()),
            Self::Constant(_) => (None, [].as_slice()),
            Self::Tagged(parts) => (None, parts.as_slice()),
        };
        one.into_iter().chain(many.iter().map(|(_, fact)| *fact))
    }

    /// Every text that it can have.
    pub(crate) fn shape(&self) -> Shape {
        match self {
            Self::Fact(fact) => fact.shape(),
            Self::Constant(text) => {
                Shape { content: Content::Ans, min: text.len(), max: text.len() }
            }
            Self::Tagged(parts) => {
                let shapes = parts.iter().map(|(_, fact)| fact.shape());
                let any = shapes.clone().any(|shape| shape.content == Content::Ans);
                let content = if any { Content::Ans } else { Content::An };
                // Two letters of tag and two digits of length precede each fact.
                let lengths = shapes.map(|shape| shape.max.saturating_add(4));
                Shape { content, min: 5, max: lengths.fold(0, usize::saturating_add) }
            }
        }
    }

    /// The text of the element, without filling; `None` when the payment has no such fact.
    pub(crate) fn text<'a>(
        &'a self,
        facts: &Facts<'a>,
        scratch: &'a mut Scratch,
    ) -> Option<&'a str> {
        let room = &mut scratch.0;
        room.clear();
        match self {
            Self::Constant(text) => Some(text),
            Self::Fact(fact) => fact.text(facts, room),
            Self::Tagged(parts) => {
                for (tag, fact) in parts {
                    let start = room.len();
                    let _infallible = write!(room, "{tag}00");
                    let content = room.len();
                    if !fact.write(facts, room) {
                        room.truncate(start);
                        continue;
                    }
                    let length = room.len().saturating_sub(content);
                    let digits = format!("{length:02}");
                    room.replace_range(content.saturating_sub(2)..content, &digits);
                }
                (!room.is_empty()).then_some(room.as_str())
            }
        }
    }
}

impl Meaning {
    /// Whether a payment may lack it; the element is then left out.
    pub(crate) fn may_be_missing(&self) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Fact(fact) => fact.may_be_missing(),
            Self::Tagged(parts) => parts.iter().all(|(_, fact)| fact.may_be_missing()),
        }
    }
}

/// A text without the filling that the element puts around it: the form in which values are
/// compared and keys are made.
pub(crate) fn unfilled<'v>(spec: &FieldSpec, text: &'v str) -> &'v str {
    match spec.padding {
        Padding::None => text,
        Padding::Left(filling) => text.trim_start_matches(char::from(filling)),
        Padding::Right(filling) => text.trim_end_matches(char::from(filling)),
    }
}
