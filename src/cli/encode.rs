//! `tidegate encode`: a message written as JSON becomes the bytes that a dialect makes of it.

use super::{lines, print};
use crate::definitions;
use anyhow::{Context, anyhow, bail};
use clap::Args;
use data_encoding::HEXUPPER;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::fmt;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use tidegate_iso8583::mti::Mti;
use tidegate_iso8583::pack::Builder;
use tidegate_iso8583::tree;
use tidegate_protocol::dialect::HostDialect;

/// The longest text that is read.
const INPUT_BYTES_MAX: u64 = 1 << 20;

/// Write an ISO 8583 message.
#[derive(Debug, Args)]
pub(super) struct Encode {
    /// The dialect, a folder name under `dialects`.
    #[arg(short, long)]
    dialect: String,
    /// The folder of definitions.
    #[arg(long, default_value = "protocols", value_name = "DIR")]
    protocols: PathBuf,
    /// A file with the message as JSON, or `-` for standard input.
    file: PathBuf,
    /// Print the bytes themselves, not hex digits.
    #[arg(long)]
    raw: bool,
    /// The file has a message a line, as JSON; print a line of hex digits for each, empty for what cannot be
    /// written, which standard error tells with the line's number.
    #[arg(long, conflicts_with = "raw")]
    lines: bool,
}

/// `{"mti": "0200", "fields": {"4": "1234", "48": {"01": "A"}}}`: a text, or an object for the parts of a
/// composite, tags in the order of the wire.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    mti: String,
    fields: Node,
}

/// A value as the JSON has it, in its order.
struct Node(tree::Value);

impl Encode {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let dialect = definitions::load_dialect(&self.protocols, &self.dialect)?;
        if self.lines {
            return self.each_line(&dialect);
        }
        let body = pack(&dialect, &self.text()?)?;
        if self.raw {
            std::io::stdout().write_all(&body)?;
        } else {
            print::line(HEXUPPER.encode(&body));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Writes a file of messages; the code says whether all of them could be.
    fn each_line(&self, dialect: &HostDialect) -> anyhow::Result<ExitCode> {
        let mut all = true;
        lines::each(Some(&self.file), |number, text| match pack(dialect, text) {
            Ok(body) => print::line(HEXUPPER.encode(&body)),
            Err(why) => {
                all = false;
                print::line("");
                print::note(&format!("line {number}: {why:#}\n"));
            }
        })?;
        Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn text(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        if self.file.as_os_str() == "-" {
            std::io::stdin().lock().take(INPUT_BYTES_MAX).read_to_string(&mut text)?;
        } else {
            let file = std::fs::File::open(&self.file);
            let file = file.with_context(|| format!("cannot read {}", self.file.display()))?;
            file.take(INPUT_BYTES_MAX).read_to_string(&mut text)?;
        }
        Ok(text)
    }
}

/// The bytes of a message that is given as JSON.
fn pack(dialect: &HostDialect, text: &str) -> anyhow::Result<Vec<u8>> {
    let given: Given = serde_json::from_str(text).context("this is no such JSON")?;
    let mti = Mti::parse(&given.mti).context("mti")?;
    let mut builder = Builder::new(dialect.wire(), mti);
    let tree::Value::Parts(fields) = &given.fields.0 else {
        bail!("`fields`: an object is expected, such as {{\"4\": \"1234\"}}");
    };
    // Some dialects have other fields by processing code, so that DE3 is set before those behind it.
    let mut numbered = Vec::new();
    for (name, value) in fields {
        let number: u8 = name.parse().map_err(|_| anyhow!("`{name}` is no field's number"))?;
        numbered.push((number, value));
    }
    numbered.sort_by_key(|(number, _)| *number);
    for (number, value) in numbered {
        builder.set_value(number, value)?;
    }
    let mut body = Vec::new();
    builder.pack(&mut body)?;
    Ok(body)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in quotes, or an object of parts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node(tree::Value::Text(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut parts = Vec::new();
        while let Some((key, Node(value))) = map.next_entry::<String, Node>()? {
            parts.push((key, value));
        }
        Ok(Node(tree::Value::Parts(parts)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn encoded(json: &str) -> anyhow::Result<ExitCode> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json).unwrap();
        let protocols = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("protocols");
        let (dialect, file) = ("iso87-ascii".to_owned(), file.path().to_owned());
        Encode { dialect, protocols, file, raw: false, lines: false }.answer()
    }

    #[test]
    fn a_message_in_json_becomes_bytes_or_says_what_is_wrong() {
        assert!(encoded(r#"{"mti":"0800","fields":{"70":"301","11":"42"}}"#).is_err(), "too short");
        assert!(encoded(r#"{"mti":"0800","fields":{"70":"301","11":"000042"}}"#).is_ok());
        let said = |json| format!("{:#}", encoded(json).unwrap_err());
        assert!(said("{}").contains("missing field `mti`"));
        assert!(said(r#"{"mti":"08","fields":{}}"#).contains("4 digits"));
        assert!(said(r#"{"mti":"0800","fields":{"x":"1"}}"#).contains("`x` is no field's number"));
        assert!(said(r#"{"mti":"0800","fields":{"4":12}}"#).contains("a text in quotes"));
        assert!(said(r#"{"mti":"0800","fields":"4"}"#).contains("an object is expected"));
        let deep = "{\"1\":".repeat(200);
        assert!(said(&format!(r#"{{"mti":"0800","fields":{deep}"#)).contains("recursion"));
    }
}
