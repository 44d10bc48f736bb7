//! `tidegate explain`: a message of a host line, field by field, for people.

use super::{lines, print};
use crate::definitions;
use anyhow::{Context, anyhow, bail};
use clap::Args;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::{Value, json};
use std::io::{BufRead, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use tidegate_iso8583::error::ParseError;
use tidegate_iso8583::explain::{BrokenValues, ExplainOptions, Explanation, FieldLine};
use tidegate_iso8583::frame::FrameFormat;
use tidegate_iso8583::shown::Shown;
use tidegate_protocol::dialect::HostDialect;

/// The longest message that is explained.
const INPUT_BYTES_MAX: u64 = 1 << 20;

/// Decode an ISO 8583 message.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The dialect, a folder name under `dialects`.
    #[arg(short, long)]
    dialect: String,
    /// The folder of definitions.
    #[arg(long, default_value = "protocols", value_name = "DIR")]
    protocols: PathBuf,
    /// The message as hex digits (blanks are skipped).
    #[arg(long, conflicts_with = "file")]
    hex: Option<String>,
    /// A file with the raw bytes of the message, or `-` for standard input.
    file: Option<PathBuf>,
    /// How the message is framed, such as length-be2, length-be2-tpdu, cups, china-terminal, base24-tcp,
    /// base1; "none" for the message alone.
    #[arg(long, default_value = "none", value_name = "NAME")]
    frame: String,
    /// Of a broken message show the values before the fault, too: they may be parts of a card number.
    #[arg(long)]
    values: bool,
    /// Show card data as it is, once you have typed that you mean it: for test data, and for eyes that may
    /// see it.
    #[arg(long)]
    unmask: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The file has a message a line, in hex digits; print a JSON object a line, with its number as "line".
    #[arg(long, conflicts_with = "hex")]
    lines: bool,
}

/// What is typed to see card data.
const UNMASK_WORDS: &str = "show card data";

/// The first frame, without its length.
struct Cut<'b> {
    header: Vec<HeaderPart>,
    body: &'b [u8],
    /// How many bytes stand behind the frame.
    behind: usize,
}

/// A part of a header: its name and what it says.
type HeaderPart = (&'static str, String);

/// Cuts the first frame. `none`: the bytes are the message.
fn cut<'b>(name: &str, bytes: &'b [u8], dialect: &HostDialect) -> anyhow::Result<Cut<'b>> {
    if name == "none" {
        return Ok(Cut { header: Vec::new(), body: bytes, behind: 0 });
    }
    let Some(format) = FrameFormat::named(name) else {
        let names = FrameFormat::NAMED.map(|(name, _)| name).join(", ");
        bail!("--frame {name}: unknown, one of none, {names} is expected");
    };
    let fault = match format.split(bytes, usize::from(u16::MAX)) {
        Ok(Some(span)) => {
            let header = format.header().parts(bytes.get(span.header).unwrap_or_default());
            let body = bytes.get(span.body).unwrap_or_default();
            return Ok(Cut { header, body, behind: bytes.len().saturating_sub(span.total) });
        }
        Ok(None) => {
            let follow = bytes.len().saturating_sub(format.prefix_len());
            match format.announced(bytes) {
                Ok(Some(announced)) => {
                    format!("its length announces {announced} bytes, {follow} follow")
                }
                _ => format!(
                    "{} of the {} bytes of its length are there",
                    bytes.len(),
                    format.prefix_len()
                ),
            }
        }
        Err(fault) => fault.to_string(),
    };
    let mut text = format!("--frame {name}: {fault}\n  {:<9} {}", "rule", format.in_words());
    if let Some(likely) = frame_cause(format, bytes, dialect) {
        text.push_str(&format!("\n  {:<9} {likely}", "likely"));
    }
    bail!(text)
}

/// What may be behind a frame that cannot be taken off.
fn frame_cause(format: FrameFormat, bytes: &[u8], dialect: &HostDialect) -> Option<String> {
    let fitting = fitting_frames(bytes, dialect);
    if !fitting.is_empty() {
        return Some(format!("the dialect reads all of it with --frame {}", fitting.join(" or ")));
    }
    let length = format.prefix_len();
    if bytes.get(length..).is_some_and(|rest| dialect.parse(rest).is_ok()) {
        let cause = format!(
            "the length alone is wrong: the dialect reads all that is behind its {length} bytes"
        );
        return Some(cause);
    }
    let beyond = matches!(format.split(bytes, usize::from(u16::MAX)), Ok(None));
    beyond.then(|| "the frame was cut off, or its length is written otherwise".to_owned())
}

/// The message within a frame; `none`: the bytes are the message.
pub(super) fn body_of<'b>(
    frame: &str,
    bytes: &'b [u8],
    dialect: &HostDialect,
) -> anyhow::Result<&'b [u8]> {
    Ok(cut(frame, bytes, dialect)?.body)
}

/// The frames in which the dialect reads all of the bytes.
fn fitting_frames(bytes: &[u8], dialect: &HostDialect) -> Vec<&'static str> {
    let reads = |format: FrameFormat| {
        let span = format.split(bytes, usize::from(u16::MAX)).ok().flatten();
        let whole = span.filter(|span| span.total == bytes.len() && !span.body.is_empty());
        whole.and_then(|span| bytes.get(span.body)).is_some_and(|body| dialect.parse(body).is_ok())
    };
    let framed = FrameFormat::NAMED.into_iter().filter(|(_, format)| reads(*format));
    let bare = dialect.parse(bytes).is_ok().then_some("none");
    bare.into_iter().chain(framed.map(|(name, _)| name)).collect()
}

impl Explain {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let dialect = definitions::load_dialect(&self.protocols, &self.dialect)?;
        let broken = if self.values { BrokenValues::Values } else { BrokenValues::Shapes };
        if self.unmask {
            self.confirm()?;
        }
        let options = ExplainOptions { broken, unmasked: self.unmask };
        if self.lines {
            return self.each_line(&dialect, options);
        }
        let bytes = self.bytes()?;
        let Cut { header, body, behind } = cut(&self.frame, &bytes, &dialect)?;
        let mut explanation = dialect.explain(body, options);
        if explanation.fault.is_some() {
            let causes = self.causes(&bytes, body, behind);
            causes.into_iter().rev().for_each(|cause| explanation.add_cause(cause));
        }
        if self.json {
            print::json(&as_json(&header, behind, &explanation));
        } else {
            for (name, value) in &header {
                print::line(format!("header          {name:<42} {value}"));
            }
            print::line(explanation.to_string().trim_end());
            let shapes = |field: &FieldLine| matches!(field.value, Shown::Shape(_));
            if explanation.fields.iter().any(shapes) {
                print::line(
                    "--values shows the values before the fault; they may be parts of a card number.",
                );
            }
            if behind > 0 {
                print::line(format!("Bytes behind the frame, not read: {behind}."));
            }
        }
        let sound = explanation.fault.is_none();
        Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Explains a file of messages; the code says whether all of them are sound.
    fn each_line(
        &self,
        dialect: &HostDialect,
        options: ExplainOptions,
    ) -> anyhow::Result<ExitCode> {
        let mut sound = true;
        lines::each(self.file.as_deref(), |number, text| {
            let bytes = read_hex(text);
            let told = bytes.and_then(|bytes| {
                let Cut { header, body, behind } = cut(&self.frame, &bytes, dialect)?;
                Ok(as_json(&header, behind, &dialect.explain(body, options)))
            });
            let mut told = told.unwrap_or_else(|why| json!({ "fault": why.to_string() }));
            sound &= told.get("fault").is_some_and(Value::is_null);
            if let Some(told) = told.as_object_mut() {
                told.insert("line".to_owned(), json!(number));
            }
            print::line(told.to_string());
        })?;
        Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What may be behind a fault and lies outside of the message.
    fn causes(&self, bytes: &[u8], body: &[u8], behind: usize) -> Vec<String> {
        let mut causes = Vec::new();
        if behind > 0 {
            causes.push(format!(
                "the frame's length is too small: {behind} bytes stand behind the frame"
            ));
        }
        let others = self.others(body);
        if !others.is_empty() {
            let names = others.join(", ");
            causes.push(format!("it is of another dialect; these read all of it: {names}"));
        }
        if self.hex.is_none() && is_hex_text(bytes) {
            causes.push(
                "all of these bytes are hex digits: should they be read as such, use --hex"
                    .to_owned(),
            );
        }
        causes
    }

    /// The other dialects that read all of the message.
    fn others(&self, body: &[u8]) -> Vec<String> {
        let names = definitions::dialect_names(&self.protocols).unwrap_or_default();
        let others = names.into_iter().filter(|name| *name != self.dialect);
        let reads = |name: &String| {
            let dialect = definitions::load_dialect(&self.protocols, name);
            dialect.is_ok_and(|dialect| dialect.parse(body).is_ok_and(|it| it.mti().is_usual()))
        };
        others.filter(reads).collect()
    }

    /// Card data is shown to a person who has typed so, and to no script by accident.
    fn confirm(&self) -> anyhow::Result<()> {
        if self.file.as_deref().is_some_and(|file| file.as_os_str() == "-") {
            bail!("--unmask: standard input must be free for your answer: give --hex or a file");
        }
        print::note(&format!("Card data will be shown. Type \"{UNMASK_WORDS}\" to go on: "));
        let mut typed = String::new();
        std::io::stdin().lock().take(64).read_line(&mut typed)?;
        let typed = typed.trim();
        if typed != UNMASK_WORDS {
            bail!("--unmask: not confirmed, nothing is shown");
        }
        Ok(())
    }

    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        match (&self.hex, &self.file) {
            (Some(hex), _) => {
                return read_hex(hex);
            }
            (None, Some(path)) if path.as_os_str() != "-" => {
                let file = std::fs::File::open(path);
                let file = file.with_context(|| format!("cannot read {}", path.display()))?;
                file.take(INPUT_BYTES_MAX).read_to_end(&mut body)?;
            }
            (None, Some(_)) => {
                std::io::stdin().lock().take(INPUT_BYTES_MAX).read_to_end(&mut body)?;
            }
            (None, None) => {
                bail!("nothing to explain: give --hex, a file, or - for standard input")
            }
        }
        Ok(body)
    }
}

/// Whether somebody may have given hex text where raw bytes are read.
fn is_hex_text(bytes: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace();
    !bytes.is_empty() && bytes.iter().all(fits)
}

/// Reads hex digits; blanks are skipped. Says where it went wrong and never what stood around it.
pub(super) fn read_hex(text: &str) -> anyhow::Result<Vec<u8>> {
    let is_wrong = |character: char| !character.is_ascii_hexdigit() && !character.is_whitespace();
    if let Some((index, wrong)) =
        text.chars().enumerate().find(|(_, character)| is_wrong(*character))
    {
        let place = index.saturating_add(1);
        bail!(
            "character {place} of the hex digits is {wrong:?}, a hex digit (0-9, a-f) is \
             expected; `explain` reads raw bytes from a file or from standard input (-)"
        );
    }
    let digits: String = text.split_whitespace().collect();
    let count = digits.len();
    let read = HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
    read.map_err(|_| anyhow!("{count} hex digits, an even number is expected: two make a byte"))
}

fn as_json(header: &[HeaderPart], behind: usize, explanation: &Explanation) -> Value {
    let fields = explanation.fields.iter().map(|field| {
        let (value, shown) = match &field.value {
            Shown::Clear(value) => (Some(value), "clear"),
            Shown::Pan(value) => (Some(value), "masked"),
            Shown::Shape(value) => (Some(value), "shape"),
            Shown::Hidden => (None, "hidden"),
            Shown::Parts => (None, "parts"),
        };
        json!({
            "number": field.path.field(), "path": field.path.to_string(), "name": field.name, "offset": field.offset,
            "length": field.length, "raw": field.raw, "value": value, "shown": shown,
        })
    });
    let bitmap = explanation
        .bitmap
        .as_ref()
        .map(|bits| json!({ "offset": bits.offset, "raw": bits.raw, "fields": bits.fields }));
    let header: serde_json::Map<_, _> =
        header.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let findings =
        explanation.findings.iter().map(|it| json!({ "about": it.about, "text": it.text }));
    json!({
        "header": header,
        "behind": behind,
        "mti": explanation.mti.map(|mti| mti.to_string()),
        "bitmap": bitmap,
        "fields": fields.collect::<Vec<_>>(),
        "fault": explanation.fault.as_ref().map(ToString::to_string),
        "fault_offset": explanation.fault.as_ref().map(ParseError::at),
        "findings": findings.collect::<Vec<_>>(),
    })
}
