//! An explanation as people read it: a table, what is said of the fault, and a hex dump down to the failing
//! byte.

use alloc::string::ToString;
use core::fmt;

use crate::{
    diagnosis::Finding,
    error::{FieldPath, ParseError},
    explain::{Explanation, FieldLine},
    shown::Shown,
};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = |wide: fn(&FieldLine) -> usize, least| {
            self.fields.iter().map(wide).fold(least, usize::max)
        };
        let widths = Widths {
            path: widest(|it| it.path.to_string().len(), 8),
            attribute: widest(|it| it.attribute.len(), 9),
            name: widest(|it| it.name.chars().count(), 32),
        };
        let Widths { path, attribute, name } = widths;
        let heading = self.mti.is_some() || !self.fields.is_empty();
        if heading {
            write!(f, "{:<path$}  byte  {:<attribute$} ", "element", "form")?;
            writeln!(f, "{:<name$} value  [bytes]", "name")?;
        }
        if let Some(mti) = self.mti {
            writeln!(f, "{:<path$} {:>5}  {mti}  {}", FieldPath::Mti, 0, mti.in_words())?;
        }
        if let Some(bitmap) = &self.bitmap {
            write!(f, "{:<path$} {:>5}  {}  fields", FieldPath::Bitmap, bitmap.offset, bitmap.raw)?;
            for number in &bitmap.fields {
                write!(f, " {number}")?;
            }
            writeln!(f)?;
        }
        for field in &self.fields {
            field.write(f, widths)?;
        }
        match &self.fault {
            Some(fault) => self.write_fault(f, fault),
            None => Ok(()),
        }
    }
}

/// The columns of the table, in characters.
#[derive(Clone, Copy)]
struct Widths {
    path: usize,
    attribute: usize,
    name: usize,
}

impl FieldLine {
    fn write(&self, f: &mut fmt::Formatter<'_>, widths: Widths) -> fmt::Result {
        let Self { path, attribute, offset, name, .. } = self;
        let (first, third, fourth) = (widths.path, widths.attribute, widths.name);
        write!(f, "{path:<first$} {offset:>5}  {attribute:<third$} {name:<fourth$} ")?;
        match &self.value {
            Shown::Clear(value) | Shown::Pan(value) | Shown::Shape(value) => f.write_str(value)?,
            Shown::Hidden => write!(f, "(hidden, length {})", self.length)?,
            Shown::Parts => write!(f, "(length {}, its parts follow)", self.length)?,
        }
        match &self.raw {
            Some(raw) => writeln!(f, "  [{raw}]"),
            None => writeln!(f),
        }
    }
}

/// The widest line of what is said of a fault, in characters, and where its text begins.
const LINE: usize = 100;
const INDENT: usize = 12;

fn write_wrapped(f: &mut fmt::Formatter<'_>, about: &str, text: &str) -> fmt::Result {
    write!(f, "  {about:<9}")?;
    let mut column = INDENT.saturating_sub(1);
    for word in text.split(' ') {
        let width = word.chars().count().saturating_add(1);
        if column > INDENT && column.saturating_add(width) > LINE {
            write!(f, "\n{:<1$}", "", INDENT.saturating_sub(1))?;
            column = INDENT.saturating_sub(1);
        }
        write!(f, " {word}")?;
        column = column.saturating_add(width);
    }
    writeln!(f)
}

/// Bytes in a row of the dump.
const ROW: usize = 16;
/// Rows of the dump that are printed before the failing one.
const ROWS_BEFORE: usize = 15;

impl Explanation {
    fn write_fault(&self, f: &mut fmt::Formatter<'_>, fault: &ParseError) -> fmt::Result {
        let begun = self.mti.is_some() || !self.fields.is_empty();
        writeln!(f, "{}{fault}", if begun { "\n" } else { "" })?;
        for Finding { about, text } in &self.findings {
            write_wrapped(f, about, text)?;
        }
        if self.bytes.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        let failing = fault.at().checked_div(ROW).unwrap_or(0);
        let first = failing.saturating_sub(ROWS_BEFORE);
        if first > 0 {
            writeln!(f, "(the first {} bytes are left out)", first.saturating_mul(ROW))?;
        }
        for row in first..=failing {
            self.write_row(f, row)?;
        }
        let column = fault.at() % ROW;
        writeln!(
            f,
            "{:1$}^^ byte {2}",
            "",
            column.saturating_mul(3).saturating_add(7),
            fault.at()
        )?;
        let rest = self.bytes.len().saturating_sub(failing.saturating_add(1).saturating_mul(ROW));
        match rest {
            0 => Ok(()),
            1 => writeln!(f, "(1 more byte, hidden)"),
            _ => writeln!(f, "({rest} more bytes, hidden)"),
        }
    }

    /// One row: the offset, the bytes in hex, the same as ASCII; `**` and `*` for what is not shown.
    fn write_row(&self, f: &mut fmt::Formatter<'_>, row: usize) -> fmt::Result {
        let start = row.saturating_mul(ROW);
        let end = start.saturating_add(ROW).min(self.bytes.len());
        let bytes = self.bytes.get(start..end).unwrap_or_default();
        write!(f, "{start:05}  ")?;
        for byte in bytes {
            match byte {
                Some(byte) => write!(f, "{byte:02X} ")?,
                None => f.write_str("** ")?,
            }
        }
        let missing = ROW.saturating_sub(bytes.len());
        write!(f, "{:1$} |", "", missing.saturating_mul(3))?;
        for byte in bytes {
            let character = match byte {
                Some(byte @ b' '..=b'~') => char::from(*byte),
                Some(_) => '.',
                None => '*',
            };
            write!(f, "{character}")?;
        }
        writeln!(f, "|")
    }
}
