//! The bytes that are still to be read, and their place in the body.

use core::ops::Range;

use nom::{Parser, bytes::complete::take};

use crate::error::{Expected, FieldPath, Found, ParseError};

/// The part of the body that is still to be read.
pub(crate) struct Cursor<'a> {
    body: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Reads a body, which ends where the reading must end, from an offset on.
    pub(crate) fn new(body: &'a [u8], offset: usize) -> Self {
        Self { body, rest: body.get(offset..).unwrap_or_default() }
    }

    #[inline(always)]
    pub(crate) fn offset(&self) -> usize {
        self.body.len().saturating_sub(self.rest.len())
    }

    #[inline(always)]
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// A range of the body that was read from.
    pub(crate) fn of_body(&self, range: Range<usize>) -> &'a [u8] {
        self.body.get(range).unwrap_or_default()
    }

    /// The bytes that are left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[cold]
    pub(crate) fn error(&self, path: FieldPath, found: Found, expected: Expected) -> ParseError {
        ParseError { path, offset: self.offset(), found, expected }
    }

    /// Takes so many bytes; `None` when fewer are left, which then stay.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken: nom::IResult<_, _, ()> = take(count).parse(self.rest);
        let (rest, taken) = taken.ok()?;
        self.rest = rest;
        Some(taken)
    }

    /// The fault that too few bytes are left.
    #[cold]
    pub(crate) fn short(&self, path: FieldPath, expected: Expected) -> ParseError {
        self.error(path, Found::Short { left: self.left() }, expected)
    }
}
