//! The table of malformed and misleading HTTP/1.1 (`malformed.toml`), each case over real TLS.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use super::limits::Limits;
use super::seam::{Answer, Received};
use super::stories::{World, until_closed};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    group: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    about: String,
    cases: Vec<Case>,
}

/// The head of the table says what its members mean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    bytes: String,
    #[serde(default)]
    handled: Vec<String>,
    #[serde(default)]
    with: Vec<String>,
    ends: Option<u16>,
    #[serde(default)]
    closes: bool,
}

/// What follows each case at once; the last request of its connection, if it is looked at.
const SECOND: &[u8] =
    b"POST /second HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 6\r\n\r\nsecond";

/// Bytes out of the table's text.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend(plain.as_bytes());
        let (kind, after) = escape.split_at(1);
        rest = match kind {
            "r" | "n" | "t" => {
                bytes.push(if kind == "r" {
                    b'\r'
                } else if kind == "n" {
                    b'\n'
                } else {
                    b'\t'
                });
                after
            }
            "x" => {
                let (digits, after) = after.split_at(2);
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                after
            }
            "(" => {
                let (times, after) = after.split_once('*').unwrap();
                let (repeated, after) = after.split_once(')').unwrap();
                bytes.extend(self::bytes(repeated).repeat(times.parse().unwrap()));
                after
            }
            _ => panic!("no such escape: {escape}"),
        };
    }
    bytes.extend(rest.as_bytes());
    bytes
}

/// A request as the table tells it.
fn told(received: &Received) -> Vec<u8> {
    let line = format!("{} {} ", received.method, received.target);
    [line.as_bytes(), &received.body].concat()
}

/// The lines of the first request's fields that the table names, as they arrived.
fn fields(received: &Received, wanted: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let line = |(name, value): &(String, Vec<u8>)| [name.as_bytes(), b": ", value].concat();
    received.headers.iter().map(line).filter(|line| wanted.contains(line)).collect()
}

#[tokio::test]
async fn malformed_and_misleading_requests_end_as_the_table_says_and_smuggle_nothing() {
    let table: Table = toml::from_str(include_str!("malformed.toml")).unwrap();
    let seen: Arc<Mutex<Vec<Received>>> = Arc::default();
    let noting = Arc::clone(&seen);
    let world = World::with(Limits::default(), move |received: Received| {
        noting.lock().unwrap().push(received);
        async { Answer { status: 200, headers: Vec::new(), body: b"handled".to_vec() } }
    })
    .await;
    let (mut names, mut wrong) = (BTreeSet::new(), Vec::new());
    for (about, case) in table.group.iter().flat_map(|it| it.cases.iter().map(|c| (&it.about, c))) {
        assert!(names.insert(format!("{about}: {}", case.name)), "{about}: {} twice", case.name);
        let mut stream = world.connect().await.unwrap();
        // Whoever is refused early may find the connection closed.
        let _ = stream.write_all(&[&bytes(&case.bytes), SECOND].concat()).await;
        let answers = until_closed(&mut stream).await;
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        if let Err(why) = judge(case, &answers, &seen) {
            wrong.push(format!("{about}: {}: {why}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), names.len(), wrong.join("\n"));
    let counted = "tidegate_edge_refusals_total{listener=\"rest\",reason=\"malformed\"}";
    assert!(world.metrics.text().contains(counted));
    assert!(names.len() >= 250, "the table has {} cases", names.len());
}

fn judge(case: &Case, answers: &str, seen: &[Received]) -> Result<(), String> {
    let goes_on = case.ends.is_none() && !case.closes;
    let mut wanted: Vec<Vec<u8>> = case.handled.iter().map(|text| bytes(text)).collect();
    wanted.extend(goes_on.then(|| b"POST /second second".to_vec()));
    let handled: Vec<Vec<u8>> = seen.iter().map(told).collect();
    if handled != wanted {
        let shown = |requests: &[Vec<u8>]| -> Vec<String> {
            requests
                .iter()
                .map(|it| String::from_utf8_lossy(it).chars().take(80).collect())
                .collect()
        };
        return Err(format!("{:?} was handled, not {:?}", shown(&handled), shown(&wanted)));
    }
    let with: Vec<Vec<u8>> = case.with.iter().map(|text| bytes(text)).collect();
    if let Some(first) = seen.first()
        && !with.is_empty()
        && fields(first, &with) != with
    {
        return Err(format!("{:?} did not arrive, but {:?}", case.with, first.headers));
    }
    let good = answers.matches("HTTP/1.1 200 OK\r\n").count();
    let bad = answers.matches("HTTP/1.1 4").count();
    if (good, bad) != (wanted.len(), usize::from(case.ends.is_some())) {
        return Err(format!("{good} good and {bad} bad answers: {answers:?}"));
    }
    if let Some(status) = case.ends {
        let last = answers.rsplit("HTTP/1.1 ").next().unwrap();
        let told =
            last.starts_with(&format!("{status} ")) && last.contains("connection: close\r\n");
        let (_, body) = last.split_once("\r\n\r\n").unwrap();
        let problem: serde_json::Value = serde_json::from_str(body).map_err(|e| e.to_string())?;
        let code = problem.get("code").and_then(serde_json::Value::as_str).unwrap_or_default();
        if !told || problem.get("type") != Some(&format!("urn:tidegate:problem:{code}").into()) {
            return Err(format!("{status} and close were wanted: {last:?}"));
        }
    }
    if answers.contains("\r\ncontent-encoding:") {
        return Err("an answer was packed".to_owned());
    }
    Ok(())
}
