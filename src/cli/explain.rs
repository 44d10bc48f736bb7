//! `tidegate explain`.

use super::arguments::{ExplainArguments, Framing};
use super::check::Text;
use super::outcome::{Done, Exit, Failure, print_json};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::Path;
use tidegate_iso8583::explain::{BrokenValues, ExplainOptions, Explanation, Shown};
use tidegate_iso8583::frame::FrameFormat;
use tidegate_protocol::dialect::HostDialect;

/// More than any frame that a line reads.
const MESSAGE_BYTES_MAX: usize = 65_535;

pub(super) fn explain(asked: &ExplainArguments, out: &mut dyn Write) -> Done {
    let path = match asked.dialect.ends_with(".toml") {
        true => Path::new(&asked.dialect).to_path_buf(),
        false => asked.protocols.join("dialects").join(&asked.dialect).join("dialect.toml"),
    };
    let text = Text::read(path, "dialect").map_err(|fault| {
        Failure::new(format!("reading the dialect {}", fault.file), fault.message)
    })?;
    let dialect = HostDialect::read(text.source())
        .map_err(|faults| Failure::wrong("reading the dialect", faults))?;
    let bytes = bytes(asked)?;
    let body = body(&bytes, asked.frame)?;
    let broken = if asked.values { BrokenValues::Values } else { BrokenValues::Shapes };
    let explanation = dialect.explain(body, ExplainOptions { broken });
    match asked.json {
        true => print_json(out, &shown(&explanation))?,
        false => writeln!(out, "{}", explanation.to_string().trim_end())?,
    }
    Ok(if explanation.fault.is_some() { Exit::Wrong } else { Exit::Good })
}

fn bytes(asked: &ExplainArguments) -> Result<Vec<u8>, Failure> {
    if let Some(hex) = &asked.hex {
        let digits: String = hex.split_whitespace().collect();
        let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
        return bytes.map_err(|fault| Failure {
            exit: Exit::Usage,
            ..Failure::new("reading the hex digits", fault.to_string())
        });
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(MESSAGE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(5);
    let read = match asked.file.as_deref().filter(|path| *path != Path::new("-")) {
        None => std::io::stdin().take(most).read_to_end(&mut bytes),
        Some(path) => {
            std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
        }
    };
    read.map_err(|fault| Failure::new("reading the message", fault))?;
    Ok(bytes)
}

/// The body of the first frame.
fn body(bytes: &[u8], framing: Framing) -> Result<&[u8], Failure> {
    let frame = match framing {
        Framing::None => return Ok(bytes),
        Framing::LengthBe2 => FrameFormat::LengthBe2,
        Framing::LengthAscii4 => FrameFormat::LengthAscii4,
    };
    let broken = |fault: &dyn ToString| Failure::wrong("reading the frame", fault.to_string());
    let span = frame.split(bytes, MESSAGE_BYTES_MAX).map_err(|fault| broken(&fault))?;
    let span = span.ok_or_else(|| broken(&"it is longer than the bytes that are there"))?;
    bytes.get(span.body).ok_or_else(|| broken(&"it is longer than the bytes that are there"))
}

fn shown(explanation: &Explanation) -> Value {
    let fields = explanation.fields.iter().map(|field| {
        let (value, how) = match &field.value {
            Shown::Clear(value) => (Some(value), "clear"),
            Shown::Pan(value) => (Some(value), "masked"),
            Shown::Shape(value) => (Some(value), "shape"),
            Shown::Hidden => (None, "hidden"),
        };
        json!({
            "number": field.number, "name": field.name, "offset": field.offset,
            "length": field.length, "raw": field.raw, "value": value, "shown": how,
        })
    });
    let bitmap = explanation.bitmap.as_ref();
    json!({
        "mti": explanation.mti.map(|mti| mti.to_string()),
        "bitmap": bitmap.map(|bits| json!({
            "offset": bits.offset, "raw": bits.raw, "fields": bits.fields,
        })),
        "fields": fields.collect::<Vec<_>>(),
        "fault": explanation.fault.as_ref().map(ToString::to_string),
    })
}
