//! Numbered fields: how the body of a record is written. Each field is its number (one byte), its
//! length (two bytes, big-endian) and its value; fields stand in rising order, none twice.
//!
//! Numbers 1 to 127 must be understood: an unknown one is refused, because it may change what the
//! record means. Numbers from 128 are remarks of a newer version, and a reader may pass over them;
//! nothing is lost by that, because stored bytes are copied, never written anew from a decoded record.

/// From this number on a field may be passed over by a reader that does not know it.
const FIRST_REMARK: u8 = 128;

/// Why the body of a record could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("record {record}, field {field} at byte {offset}: {fault}")]
pub struct DecodeError {
    /// The record's name, or its number if it has none.
    pub record: &'static str,
    /// The field's number; 0 when the fault is not in a field.
    pub field: u8,
    /// Where the field begins, in bytes from the start of the record's body.
    pub offset: usize,
    /// What is wrong.
    pub fault: FieldFault,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldFault {
    /// The record needs the field and does not have it.
    #[error("the field is missing")]
    Missing,
    /// The field's number is unknown, out of order or there twice.
    #[error("the field is unknown here, out of order or there twice")]
    Unexpected,
    /// The body ends inside the field.
    #[error("the body ends inside the field")]
    Short,
    /// The value has a length that the field cannot have.
    #[error("the value has {found} bytes, {wanted} expected")]
    Length {
        /// How many bytes there are.
        found: usize,
        /// How many there should be.
        wanted: usize,
    },
    /// The value stands for nothing.
    #[error("the value is not {wanted}")]
    Value {
        /// What was wanted.
        wanted: &'static str,
    },
    /// The kind of record is unknown.
    #[error("the kind {kind} is unknown to this version of the gateway")]
    Kind {
        /// The kind's number.
        kind: u8,
    },
    /// The record was written by a newer version.
    #[error("the record has version {version}, and only version 1 is known")]
    Version {
        /// The version found.
        version: u8,
    },
}

/// A field's value is longer than its length can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("field {field} has {length} bytes; at most 65535 can be written")]
pub struct TooLong {
    /// The field's number.
    pub field: u8,
    /// How many bytes it has.
    pub length: usize,
}

/// Writes fields. The caller keeps the order; the reader checks it.
pub(crate) struct FieldWriter<'a> {
    body: &'a mut Vec<u8>,
    too_long: Option<TooLong>,
}

impl<'a> FieldWriter<'a> {
    /// Writes behind what `body` already holds.
    pub(crate) fn new(body: &'a mut Vec<u8>) -> Self {
        Self { body, too_long: None }
    }

    /// Writes bytes.
    pub(crate) fn bytes(&mut self, field: u8, value: &[u8]) -> &mut Self {
        match u16::try_from(value.len()) {
            Ok(length) => {
                self.body.push(field);
                self.body.extend_from_slice(&length.to_be_bytes());
                self.body.extend_from_slice(value);
            }
            Err(_) => self.too_long = Some(TooLong { field, length: value.len() }),
        }
        self
    }

    /// Writes text (UTF-8).
    pub(crate) fn text(&mut self, field: u8, value: &str) -> &mut Self {
        self.bytes(field, value.as_bytes())
    }

    /// Writes text if there is any.
    pub(crate) fn text_if(&mut self, field: u8, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(field, value);
        }
        self
    }

    /// Writes one byte.
    pub(crate) fn u8(&mut self, field: u8, value: u8) -> &mut Self {
        self.bytes(field, &[value])
    }

    /// Writes two bytes, big-endian.
    pub(crate) fn u16(&mut self, field: u8, value: u16) -> &mut Self {
        self.bytes(field, &value.to_be_bytes())
    }

    /// Writes four bytes, big-endian.
    pub(crate) fn u32(&mut self, field: u8, value: u32) -> &mut Self {
        self.bytes(field, &value.to_be_bytes())
    }

    /// Writes eight bytes, big-endian, two's complement.
    pub(crate) fn i64(&mut self, field: u8, value: i64) -> &mut Self {
        self.bytes(field, &value.to_be_bytes())
    }

    /// Whether all that was written can be read back.
    /// # Errors
    /// [`TooLong`] names a value that did not fit.
    pub(crate) fn end(&self) -> Result<(), TooLong> {
        self.too_long.map_or(Ok(()), Err)
    }
}

/// Reads fields in the order of their numbers.
pub(crate) struct FieldReader<'a> {
    record: &'static str,
    rest: &'a [u8],
    length: usize,
    last: u8,
    last_start: usize,
}

impl<'a> FieldReader<'a> {
    /// Reads `body`, which belongs to the record called `record`.
    pub(crate) fn new(record: &'static str, body: &'a [u8]) -> Self {
        Self { record, rest: body, length: body.len(), last: 0, last_start: 0 }
    }

    /// An error at the field that was just read, or else at the one that comes next.
    pub(crate) fn fault(&self, field: u8, fault: FieldFault) -> DecodeError {
        let offset = if field == self.last { self.last_start } else { self.offset() };
        DecodeError { record: self.record, field, offset, fault }
    }

    /// An error for a value that stands for nothing.
    pub(crate) fn value_fault(&self, field: u8, wanted: &'static str) -> DecodeError {
        self.fault(field, FieldFault::Value { wanted })
    }

    /// The value of `field`, if the record has it.
    pub(crate) fn optional(&mut self, field: u8) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.rest.first() {
            Some(number) if *number == field && field > self.last => {
                let (number, start) = (*number, self.offset());
                let value = self.take(number)?;
                (self.last, self.last_start) = (number, start);
                Ok(Some(value))
            }
            _ => Ok(None),
        }
    }

    /// The value of `field`.
    pub(crate) fn bytes(&mut self, field: u8) -> Result<&'a [u8], DecodeError> {
        match self.optional(field)? {
            Some(value) => Ok(value),
            // A field of a lower number stands where this one should: that one is the fault.
            None => match self.rest.first() {
                Some(number) if *number < field => Err(self.fault(*number, FieldFault::Unexpected)),
                _ => Err(self.fault(field, FieldFault::Missing)),
            },
        }
    }

    /// The value of `field`, of a fixed length.
    pub(crate) fn array<const N: usize>(&mut self, field: u8) -> Result<[u8; N], DecodeError> {
        let value = self.bytes(field)?;
        <[u8; N]>::try_from(value)
            .map_err(|_| self.fault(field, FieldFault::Length { found: value.len(), wanted: N }))
    }

    /// A field of a fixed length that may be missing.
    pub(crate) fn array_if<const N: usize>(
        &mut self,
        field: u8,
    ) -> Result<Option<[u8; N]>, DecodeError> {
        let Some(value) = self.optional(field)? else { return Ok(None) };
        <[u8; N]>::try_from(value)
            .map(Some)
            .map_err(|_| self.fault(field, FieldFault::Length { found: value.len(), wanted: N }))
    }

    /// Text of any length.
    pub(crate) fn text(&mut self, field: u8) -> Result<&'a str, DecodeError> {
        let value = self.bytes(field)?;
        core::str::from_utf8(value).map_err(|_| self.value_fault(field, "UTF-8 text"))
    }

    /// Text, if the record has the field.
    pub(crate) fn text_if(&mut self, field: u8) -> Result<Option<&'a str>, DecodeError> {
        match self.optional(field)? {
            None => Ok(None),
            Some(value) => match core::str::from_utf8(value) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(self.value_fault(field, "UTF-8 text")),
            },
        }
    }

    /// Text that `parse` makes into something.
    pub(crate) fn parsed<T, E>(
        &mut self,
        field: u8,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, DecodeError> {
        let text = self.text(field)?;
        parse(text).map_err(|_| self.value_fault(field, wanted))
    }

    /// One byte.
    pub(crate) fn u8(&mut self, field: u8) -> Result<u8, DecodeError> {
        self.array(field).map(u8::from_be_bytes)
    }

    /// Two bytes, big-endian.
    pub(crate) fn u16(&mut self, field: u8) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// Four bytes, big-endian.
    pub(crate) fn u32(&mut self, field: u8) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// Eight bytes, big-endian, two's complement.
    pub(crate) fn i64(&mut self, field: u8) -> Result<i64, DecodeError> {
        self.array(field).map(i64::from_be_bytes)
    }

    /// One byte that `parse` makes into something.
    pub(crate) fn code<T>(
        &mut self,
        field: u8,
        wanted: &'static str,
        parse: impl FnOnce(u8) -> Option<T>,
    ) -> Result<T, DecodeError> {
        let code = self.u8(field)?;
        parse(code).ok_or_else(|| self.value_fault(field, wanted))
    }

    /// Nothing but remarks may be left.
    pub(crate) fn end(mut self) -> Result<(), DecodeError> {
        while let Some(number) = self.rest.first().copied() {
            if number < FIRST_REMARK || number <= self.last {
                let (record, offset) = (self.record, self.offset());
                let fault = FieldFault::Unexpected;
                return Err(DecodeError { record, field: number, offset, fault });
            }
            self.take(number)?;
            self.last = number;
        }
        Ok(())
    }

    fn offset(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    /// Takes the field at the front, whatever its number.
    fn take(&mut self, number: u8) -> Result<&'a [u8], DecodeError> {
        let short = self.fault(number, FieldFault::Short);
        let (head, rest) = self.rest.split_at_checked(3).ok_or(short)?;
        let length = match head {
            [_, high, low] => usize::from(u16::from_be_bytes([*high, *low])),
            _ => return Err(short),
        };
        let (value, rest) = rest.split_at_checked(length).ok_or(short)?;
        self.rest = rest;
        Ok(value)
    }
}
