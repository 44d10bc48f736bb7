//! `tidegate diff`: what is another in one message than in another, masked.

use super::{print, wire};
use crate::definitions;
use anyhow::{Context, bail};
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use tidegate_iso8583::explain::ExplainOptions;
use tidegate_iso8583::shown::Shown;
use tidegate_protocol::dialect::HostDialect;

/// Compare two ISO 8583 messages.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The dialect, a folder name under `dialects`.
    #[arg(short, long)]
    dialect: String,
    /// The folder of definitions.
    #[arg(long, default_value = "protocols", value_name = "DIR")]
    protocols: PathBuf,
    /// The frame that stands around both, as for `explain`.
    #[arg(long, default_value = "none", value_name = "NAME")]
    frame: String,
    /// A message as hex digits.
    one: String,
    /// The other.
    other: String,
}

/// What is told of an element or a part.
struct Line {
    name: String,
    /// As it is shown, masked.
    shown: String,
    /// As it is; never shown.
    value: Option<String>,
}

impl Diff {
    pub(super) fn answer(&self) -> anyhow::Result<ExitCode> {
        let dialect = definitions::load_dialect(&self.protocols, &self.dialect)?;
        let one = self.lines(&dialect, &self.one).context("the first message")?;
        let other = self.lines(&dialect, &self.other).context("the second message")?;
        let paths: Vec<&Path> = one.keys().chain(other.keys()).collect();
        let mut rows = Vec::new();
        let mut told: Vec<&Path> = Vec::new();
        for path in paths {
            let (here, there) = (one.get(path), other.get(path));
            let same = here.map(|it| &it.value) == there.map(|it| &it.value);
            if same || told.contains(&path) {
                continue;
            }
            told.push(path);
            rows.push((path, here, there));
        }
        rows.sort_by_key(|(path, ..)| *path);
        let shown = |line: Option<&Line>| line.map_or("-".to_owned(), |line| line.shown.clone());
        let table: Vec<Vec<String>> = rows
            .iter()
            .map(|(path, here, there)| {
                let name = here.or(*there).map_or(String::new(), |line| line.name.clone());
                vec![path.1.clone(), name, shown(*here), shown(*there)]
            })
            .collect();
        if table.is_empty() {
            print::line("the same");
            return Ok(ExitCode::SUCCESS);
        }
        print::table(&["element", "name", "first", "second"], &table);
        Ok(ExitCode::FAILURE)
    }

    /// The type, the elements and the parts of a message.
    fn lines(&self, dialect: &HostDialect, text: &str) -> anyhow::Result<BTreeMap<Path, Line>> {
        let bytes = wire::read_hex(text)?;
        let body = wire::body_of(&self.frame, &bytes, dialect)?;
        let explanation = dialect.explain(body, ExplainOptions::default());
        if let Some(fault) = &explanation.fault {
            bail!("{fault}; `tidegate explain` tells more");
        }
        let message = dialect.parse(body)?;
        let values: BTreeMap<String, String> = message.all().into_iter().collect();
        let mti = message.mti().to_string();
        let head = Line { name: "message type".to_owned(), shown: mti.clone(), value: Some(mti) };
        let mut lines = BTreeMap::from([(Path(0, "MTI".to_owned()), head)]);
        for field in &explanation.fields {
            // Of a composite its parts are told.
            let shown = match &field.value {
                Shown::Parts => continue,
                Shown::Clear(value) | Shown::Pan(value) | Shown::Shape(value) => value.clone(),
                Shown::Hidden => format!("(hidden, length {})", field.length),
            };
            let path = field.path.to_string();
            let value = values.get(path.trim_start_matches("DE")).cloned();
            let number = field.path.field().unwrap_or(0);
            let name = field.name.clone();
            lines.insert(Path(number, path), Line { name, shown, value });
        }
        Ok(lines)
    }
}

/// An element's number, and its path or that of a part: so they are in order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Path(u8, String);
