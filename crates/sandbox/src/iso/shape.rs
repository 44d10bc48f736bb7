//! The fields that the sandbox's banks know (ISO 8583:1987, data element definitions).

use Content::{Binary, Digits, Text, Track};

/// What a field holds. In a [`Message`](super::Message) all of it is text, binary fields in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Decimal digits.
    Digits,
    /// Printable characters.
    Text,
    /// Bytes.
    Binary,
    /// The data of a magnetic stripe.
    Track,
}

/// How long a field is, in digits, characters or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// Always so long.
    Fixed(usize),
    /// As its own length says, in so many digits, and no longer than `max`.
    Counted {
        /// How many digits say it.
        digits: usize,
        /// The longest.
        max: usize,
    },
}

/// A field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) content: Content,
    pub(super) length: Length,
}

const fn fixed(content: Content, length: usize) -> Option<Shape> {
    Some(Shape { content, length: Length::Fixed(length) })
}

const fn ll(content: Content, max: usize) -> Option<Shape> {
    Some(Shape { content, length: Length::Counted { digits: 2, max } })
}

const fn lll(content: Content, max: usize) -> Option<Shape> {
    Some(Shape { content, length: Length::Counted { digits: 3, max } })
}

/// What a field is; `None`: these banks have none of that number.
pub(super) const fn shape(field: u8) -> Option<Shape> {
    match field {
        2 => ll(Digits, 19),
        3 | 11 | 12 | 73 => fixed(Digits, 6),
        4..=6 => fixed(Digits, 12),
        7 => fixed(Digits, 10),
        13..=18 => fixed(Digits, 4),
        19..=24 | 49..=51 | 70 => fixed(Digits, 3),
        25 | 26 => fixed(Digits, 2),
        27 => fixed(Digits, 1),
        32 | 33 | 100 => ll(Digits, 11),
        34 | 102 | 103 => ll(Text, 28),
        35 => ll(Track, 37),
        36 => lll(Track, 104),
        37 => fixed(Text, 12),
        38 => fixed(Text, 6),
        39 => fixed(Text, 2),
        40 => fixed(Text, 3),
        41 => fixed(Text, 8),
        42 => fixed(Text, 15),
        43 => fixed(Text, 40),
        44 => ll(Text, 25),
        45 => ll(Track, 76),
        46..=48 | 56..=63 | 104..=127 => lll(Text, 999),
        52 | 64 | 128 => fixed(Binary, 8),
        54 => lll(Text, 120),
        55 => lll(Binary, 255),
        90 => fixed(Digits, 42),
        95 => fixed(Text, 42),
        _ => None,
    }
}
