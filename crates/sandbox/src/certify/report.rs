//! The report, for people and for programs.

use super::judge::Came;
use super::role::{From, words};
use super::script::{Case, Deed, Script};
use super::wire::Frame;
use crate::history::Told;
use crate::screen::amount;
use serde::Serialize;
use std::fmt::Write as _;

/// The report.
#[derive(Serialize)]
pub struct Report {
    /// What was certified.
    pub script: String,
    /// The host's name.
    pub host: String,
    /// Its dialect and mapping.
    pub dialect: String,
    /// See there.
    pub mapping: String,
    /// The lines' real addresses.
    pub lines: Vec<String>,
    /// The gateway's own word for its version.
    pub gateway: String,
    /// When it began, in UTC.
    pub began: String,
    /// When it ended.
    pub ended: String,
    /// Whether every case passed.
    pub passed: bool,
    /// The public key of the seal.
    pub public_key: String,
    /// The cases.
    pub cases: Vec<CaseReport>,
}

/// A case.
#[derive(Serialize)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub sentence: String,
    /// Whether it came as expected.
    pub passed: bool,
    /// How long it took.
    pub milliseconds: u128,
    /// Its steps; those behind one that could not be done are missing.
    pub steps: Vec<StepReport>,
}

/// A step.
#[derive(Serialize)]
pub struct StepReport {
    /// What was done.
    pub deed: &'static str,
    /// With which card and amount.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub with: String,
    /// What the merchant was told at first.
    pub told: Option<Told>,
    /// What it was told in the end.
    pub finally: Option<Told>,
    /// The code of a refusal.
    pub refused: Option<String>,
    /// The frames about it.
    pub frames: Vec<FrameReport>,
    /// What is wrong.
    pub faults: Vec<String>,
}

/// A frame.
#[derive(Serialize)]
pub struct FrameReport {
    /// Its record in `wire.jsonl`.
    pub record: usize,
    /// Who sent it.
    pub from: From,
    /// On which line.
    pub line: String,
    /// Its type.
    #[serde(rename = "type")]
    pub mti: String,
    /// Its type in words.
    pub words: String,
    /// What the proxy did with it.
    pub fate: &'static str,
    /// Some of its fields.
    pub fields: String,
}

/// The fields that a report shows of a frame.
const FIELDS: [u8; 9] = [3, 4, 7, 11, 37, 38, 39, 70, 90];

impl CaseReport {
    /// Of a case and what came of its steps, each with what is wrong with it.
    pub fn new(
        script: &Script,
        case: &Case,
        came: Vec<(Came, Vec<String>)>,
        milliseconds: u128,
    ) -> Self {
        let whole = came.len() == case.steps.len();
        let passed = whole && came.iter().all(|(_, faults)| faults.is_empty());
        let steps = case.steps.iter().zip(came).map(|(step, (came, faults))| {
            let card = step.card.as_ref().map(|name| format!("card {name}"));
            let minor = step.amount.map(|minor| amount(minor, &script.acceptor.currency));
            let of = step.of.map(|of| format!("of step {}", of.saturating_add(1)));
            let of = of.filter(|_| step.deed != Deed::Status);
            let with: Vec<String> = [card, minor, of].into_iter().flatten().collect();
            StepReport {
                deed: step.deed.name(),
                with: with.join(", "),
                told: came.told,
                finally: came.finally,
                refused: came.refused,
                frames: came.frames.iter().map(frame).collect(),
                faults,
            }
        });
        let (name, sentence) = (case.name.clone(), case.sentence.clone());
        Self { name, sentence, passed, milliseconds, steps: steps.collect() }
    }
}

fn frame(frame: &Frame) -> FrameReport {
    let shown = FIELDS.iter().filter_map(|field| {
        let text = frame.shown.text(*field)?;
        Some(format!("{field}={}", text.trim_end()))
    });
    FrameReport {
        record: frame.record,
        from: frame.from,
        line: frame.line.clone(),
        mti: frame.shown.mti.clone(),
        words: words(&frame.shown.mti),
        fate: frame.fate,
        fields: shown.collect::<Vec<_>>().join(" "),
    }
}

impl Report {
    /// For people.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let passed = self.cases.iter().filter(|case| case.passed).count();
        let verdict = in_a_word(self.passed);
        let _ = write!(
            text,
            "# Certification: {script}\n\n**{verdict}**: {passed} of {all} cases passed.\n\n\
             | | |\n|---|---|\n| host | {host}, dialect {dialect}, mapping {mapping} |\n\
             | lines | {lines} |\n| gateway | {gateway} |\n| began | {began} |\n| ended | {ended} |\n\
             | sealed by | ed25519 {key} |\n\n\
             Every frame stands in `wire.jsonl` under the record that is named here; `seal.json` proves \
             that file, `script.toml` and this one (`sandbox certify --verify`). Card data is masked.\n\n",
            script = cell(&self.script),
            all = self.cases.len(),
            host = cell(&self.host),
            dialect = cell(&self.dialect),
            mapping = cell(&self.mapping),
            lines = cell(&self.lines.join(", ")),
            gateway = cell(&self.gateway),
            began = self.began,
            ended = self.ended,
            key = self.public_key,
        );
        text.push_str("| case | verdict | ms | what it shows |\n|---|---|---|---|\n");
        for CaseReport { name, passed, milliseconds, sentence, .. } in &self.cases {
            let (name, sentence) = (cell(name), cell(sentence));
            let verdict = in_a_word(*passed);
            let _ = writeln!(text, "| {name} | {verdict} | {milliseconds} | {sentence} |");
        }
        for case in &self.cases {
            case.tell(&mut text);
        }
        text
    }
}

impl CaseReport {
    fn tell(&self, text: &mut String) {
        let (name, sentence) = (cell(&self.name), cell(&self.sentence));
        let _ = writeln!(text, "\n## {name}: {}\n\n{sentence}", in_a_word(self.passed));
        for (place, step) in self.steps.iter().enumerate() {
            let number = place.saturating_add(1);
            let with =
                if step.with.is_empty() { String::new() } else { format!(" ({})", step.with) };
            let _ = writeln!(text, "\n**{number}. {}**{}", step.deed, cell(&with));
            if let Some(told) = &step.told {
                let _ = writeln!(text, "- told: {}", told_in_words(told));
            }
            if step.finally != step.told
                && let Some(told) = &step.finally
            {
                let _ = writeln!(text, "- in the end: {}", told_in_words(told));
            }
            if let Some(code) = &step.refused {
                let _ = writeln!(text, "- refused: {}", cell(code));
            }
            for fault in &step.faults {
                let _ = writeln!(text, "- **wrong:** {}", cell(fault));
            }
            if step.frames.is_empty() {
                continue;
            }
            text.push_str(
                "\n| record | line | from | frame | proxy | fields |\n|---|---|---|---|---|---|\n",
            );
            for frame in &step.frames {
                let FrameReport { record, line, from, mti, words, fate, fields } = frame;
                let from = match from {
                    From::Gateway => "gateway",
                    From::Host => "host",
                    From::Proxy => "proxy",
                };
                let (line, fields) = (cell(line), cell(fields));
                let _ = writeln!(
                    text,
                    "| {record} | {line} | {from} | {mti} {words} | {fate} | {fields} |"
                );
            }
        }
    }
}

fn in_a_word(passed: bool) -> &'static str {
    if passed { "passed" } else { "FAILED" }
}

fn told_in_words(told: &Told) -> String {
    let mut text = told.result.clone();
    let more = [
        told.reason.clone(),
        told.response_code.as_ref().map(|code| format!("code {code}")),
        told.approved_amount.as_ref().map(|it| format!("of it {}", amount(it.minor, &it.currency))),
        told.rrn.as_ref().map(|rrn| format!("reference {rrn}")),
    ];
    for part in more.into_iter().flatten() {
        let _ = write!(text, ", {part}");
    }
    cell(&text)
}

/// What stands in a cell of a table: whatever a host or a script says stays text.
fn cell(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '|' | '<' | '>' | '`' | '*' | '[' | ']' | '\\' => {
                safe.push('\\');
                safe.push(c);
            }
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
