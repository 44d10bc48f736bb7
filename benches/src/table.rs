//! What was measured: rows, the sums over them, ratios, as one table and as JSON.

use crate::end_to_end::EndToEnd;
use crate::measure::{Micros, Took};
use serde::Serialize;

/// How a row counts in the sum of processor time per payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    /// It is part of every payment's processor time.
    Sum,
    /// It is a part of the row before it that counts, shown by itself.
    Part,
    /// It is a wait, or a step in another setting: no part of the sum.
    Beside,
}

/// A line of the table.
#[derive(Debug, Serialize)]
pub struct Row {
    /// A short name, unique: how JSON and ratios refer to it.
    pub name: &'static str,
    /// What is measured.
    pub what: &'static str,
    /// How it counts.
    pub counts: Counts,
    /// Per operation, or per payment.
    pub took: Took,
}

/// A comparison within this run.
#[derive(Debug, Serialize)]
pub struct Ratio {
    /// The row judged.
    pub of: &'static str,
    /// The row it is compared with.
    pub to: &'static str,
    /// Hundredths: 125 is 1.25.
    pub hundredths: u64,
    /// What it should stay below, in hundredths.
    pub limit_hundredths: u64,
}

/// Everything.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The processor, as the system names it.
    pub cpu: String,
    /// How many of them.
    pub cpus: usize,
    /// The one-minute load average when it began: how busy the machine was with other things.
    pub load_average: String,
    /// What the machine can do.
    pub primitives: Vec<Row>,
    /// What a payment takes, step by step.
    pub steps: Vec<Row>,
    /// The processor time of a payment whose card came by ECDH-ES.
    pub sum_ecdh_ns: u64,
    /// The processor time of a payment whose card came by RSA-OAEP-256.
    pub sum_rsa_ns: u64,
    /// Comparisons.
    pub ratios: Vec<Ratio>,
    /// What the whole gateway does under load, if a sandbox was at hand.
    pub end_to_end: Option<EndToEnd>,
}

/// Steps that differ so much that no busy machine brings them near the limit; the closer ones are
/// compared window by window. Generous: they catch a step that does its work twice.
const LIMITS: [(&str, &str, u64); 2] =
    [("journal_64", "journal_alone", 25), ("encode", "ed25519_verify", 50)];

impl Report {
    /// Sums up and compares.
    pub fn of(
        load_average: String,
        primitives: Vec<Row>,
        steps: Vec<Row>,
        mut ratios: Vec<Ratio>,
        end_to_end: Option<EndToEnd>,
    ) -> Self {
        let took = |name: &str| {
            let mut rows = primitives.iter().chain(&steps);
            rows.find(|row| row.name == name).map_or(0, |row| row.took.median_ns)
        };
        let counted = steps.iter().filter(|row| row.counts == Counts::Sum);
        let sum_ecdh_ns = counted.map(|row| row.took.median_ns).sum::<u64>();
        let other = sum_ecdh_ns.saturating_sub(took("jwe_ecdh"));
        let ratio = |(of, to, limit_hundredths): (&'static str, &'static str, u64)| {
            let hundredths = took(of).saturating_mul(100).checked_div(took(to))?;
            Some(Ratio { of, to, hundredths, limit_hundredths })
        };
        ratios.extend(LIMITS.into_iter().filter_map(ratio));
        Self {
            cpu: proc_line("/proc/cpuinfo", "model name"),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            load_average,
            sum_ecdh_ns,
            sum_rsa_ns: other.saturating_add(took("jwe_rsa")),
            ratios,
            primitives,
            steps,
            end_to_end,
        }
    }

    /// Whether every ratio keeps its limit.
    pub fn keeps_limits(&self) -> bool {
        self.ratios.iter().all(|ratio| ratio.hundredths <= ratio.limit_hundredths)
    }

    /// The table, in Markdown.
    pub fn markdown(&self) -> String {
        let mut lines = vec![
            format!(
                "Processor: {} x {}. Load average: {}.",
                self.cpus, self.cpu, self.load_average
            ),
            String::new(),
        ];
        lines.extend(head("what the machine can do", "us"));
        lines.extend(self.primitives.iter().map(|row| line(row, "")));
        lines.push(String::new());
        lines.extend(head("one payment, step by step", "us"));
        lines.extend(self.steps.iter().map(|row| line(row, &self.share(row))));
        let sum = |name: &str, ns| {
            format!("| **sum, card by {name}** | **{:>9}** |  | 100 % |", Micros(ns))
        };
        lines.push(sum("ECDH-ES", self.sum_ecdh_ns));
        lines.push(sum("RSA-OAEP-256", self.sum_rsa_ns));
        lines.push(String::new());
        lines.push("| ratio within this run |  | limit |".into());
        lines.push("| --- | --- | --- |".into());
        lines.extend(self.ratios.iter().map(ratio_line));
        if let Some(end_to_end) = &self.end_to_end {
            lines.push(String::new());
            lines.extend(end_to_end.lines());
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn share(&self, row: &Row) -> String {
        match row.counts {
            Counts::Sum => {
                let percent = row.took.median_ns.saturating_mul(100);
                format!("{} %", percent.checked_div(self.sum_ecdh_ns).unwrap_or(0))
            }
            Counts::Part => "(part)".into(),
            Counts::Beside => "(beside)".into(),
        }
    }
}

fn head(what: &str, unit: &str) -> [String; 2] {
    [
        format!("| {what}, {unit} | median | min - max | of the sum |"),
        "| --- | ---: | ---: | ---: |".into(),
    ]
}

fn line(row: &Row, share: &str) -> String {
    let Took { median_ns, min_ns, max_ns } = row.took;
    let indent = if row.counts == Counts::Part { "- " } else { "" };
    let range = format!("{} - {}", Micros(min_ns), Micros(max_ns));
    format!("| {indent}{} | {:>9} | {range} | {share} |", row.what, Micros(median_ns))
}

fn ratio_line(ratio: &Ratio) -> String {
    let shown = |hundredths: u64| format!("{}.{:02}", hundredths / 100, hundredths % 100);
    let over = if ratio.hundredths > ratio.limit_hundredths { " **over**" } else { "" };
    let (is, limit) = (shown(ratio.hundredths), shown(ratio.limit_hundredths));
    format!("| {} / {} | {is}{over} | {limit} |", ratio.of, ratio.to)
}

fn proc_line(file: &str, key: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().find(|line| line.starts_with(key));
    let value = found.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim());
    value.unwrap_or("unknown").to_owned()
}

/// The one-minute load average.
pub fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
