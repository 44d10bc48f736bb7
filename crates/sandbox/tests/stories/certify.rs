//! The shipped script, played against the sandbox's own bank as if it were a real host: all cases pass. A
//! bank that lies fails the cases that it should and no other, and evidence that was touched is known.

use crate::runs::sandbox;
use sandbox::bank::capture::{Capture, Line};
use sandbox::bank::fault::Plan;
use sandbox::bank::habits::{Habits, UnknownOriginal};
use sandbox::bank::{Bank, Settings};
use sandbox::cards;
use sandbox::clock::Clock;
use sandbox::iso::Dialect;
use sandbox::proxy::Proxy;
use sandbox::proxy::framing::Framing;
use sandbox::proxy::treatment::{Direction, Treatment};
use sandbox::proxy::watch::{Connection, Ruling, Voice, Watch};
use sandbox::scan::Canaries;
use sandbox::token::Tokens;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A bank that is reached by address alone, a folder, and what is written there.
struct Abroad {
    folder: TempDir,
    _runtime: Runtime,
    _bank: Bank,
}

const REPLY_TIMEOUT_MS: u64 = 1500;

/// A bank that speaks a dialect, with a liar before it if one is given.
fn abroad(dialect: Dialect, unknown: UnknownOriginal, liar: Option<Liar>) -> Abroad {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (bank, lines) = runtime.block_on(async {
        let settings = Settings {
            host: "bank".to_owned(),
            dialect,
            seed: 1,
            ledger_file: None,
            habits: Habits { unknown_original: unknown, terse_replies: false },
            think_time_max: Duration::ZERO,
            serves_per_second: None,
            swap_wait: Duration::ZERO,
            first_tick: 0,
        };
        let clock = Clock::start();
        let plan = Plan::new(1, BTreeSet::new(), Duration::from_millis(REPLY_TIMEOUT_MS));
        let capture = Capture::new(clock, Tokens::fresh().unwrap(), None).unwrap();
        let bank = Bank::open(settings, &["a", "b"], clock, Arc::new(plan), capture).await.unwrap();
        let mut lines = bank.lines().to_vec();
        if let Some(liar) = liar {
            let proxy = Proxy::watched(Framing::Be2, Arc::new(liar));
            for (name, address) in &mut lines {
                let line = Line { name: name.clone(), ..Line::default() };
                let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
                *address = proxy.stand_before(line, *address, anywhere).await.unwrap();
            }
        }
        (bank, lines)
    });
    let dialect = dialect.name();
    let mut host = format!(
        "[reversal]\ngaps_ms = [300, 600, 1200]\nunknown_original_wait_ms = 1700\n[[host]]\n\
         name = \"bank\"\ndialect = \"{dialect}\"\nmapping = \"{dialect}\"\nframe = \"length-be2\"\n\
         acquirer = \"00000123456\"\nin_flight_max = 64\nreply_timeout_ms = {REPLY_TIMEOUT_MS}\n\
         echo_after_ms = 500\nreconnect_min_ms = 20\nreconnect_max_ms = 200\n"
    );
    for (name, address) in lines {
        let _ = write!(host, "[[host.line]]\nname = \"{name}\"\naddress = \"{address}\"\n");
    }
    std::fs::write(folder.path().join("host.toml"), host).unwrap();
    Abroad { folder, _runtime: runtime, _bank: bank }
}

impl Abroad {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Plays the shipped script, or some cases of it.
    fn certify(&self, only: &str) -> (Output, Value) {
        let script = shipped();
        let [host, out, key] = ["host.toml", "out", "certify.key"].map(|name| self.path(name));
        let [script, host, out, key] =
            [&script, &host, &out, &key].map(|path| path.to_str().unwrap());
        let mut arguments = vec!["certify", "--script", script, "--host", host, "--out", out];
        arguments.extend(["--key", key, "--json"]);
        if !only.is_empty() {
            arguments.extend(["--only", only]);
        }
        sandbox(&arguments)
    }

    fn verify(&self) -> (Output, Value) {
        let [out, key] = ["out", "certify.key.pub"].map(|name| self.path(name));
        let [out, key] = [&out, &key].map(|path| path.to_str().unwrap());
        sandbox(&["certify", "--verify", out, "--key", key, "--json"])
    }
}

fn shipped() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocols/certification/iso87.toml"))
        .into()
}

/// A proxy of the bank's own that makes it misbehave.
#[derive(Clone, Copy)]
enum Lie {
    /// Approvals of purchases come back with another amount.
    WrongAmount,
    /// Reversals go unanswered.
    DeafToReversals,
}

struct Liar {
    lie: Lie,
    voices: Mutex<BTreeMap<u32, Voice>>,
}

impl Liar {
    fn new(lie: Lie) -> Self {
        Self { lie, voices: Mutex::default() }
    }
}

impl Watch for Liar {
    fn connection(&self, _line: &str, connection: u32, now: Connection) {
        if let Connection::Opened(voice) = now {
            self.voices.lock().unwrap().insert(connection, voice);
        }
    }

    fn rule(&self, _line: &str, connection: u32, direction: Direction, body: &[u8]) -> Ruling {
        let message = Dialect::Iso87Ascii.decode(body).ok();
        let message = message.filter(|_| direction == Direction::ToGateway);
        match (self.lie, message) {
            (Lie::DeafToReversals, Some(message)) if message.mti == "0430" => {
                Ruling::Treat(Treatment::Drop)
            }
            (Lie::WrongAmount, Some(mut message))
                if message.mti == "0210" && message.get(39) == "00" =>
            {
                message.set(4, "000000000777");
                let body = Dialect::Iso87Ascii.encode(&message).unwrap();
                assert!(self.voices.lock().unwrap()[&connection].say(body));
                Ruling::Treat(Treatment::Drop)
            }
            _ => Ruling::Treat(Treatment::Pass),
        }
    }
}

/// The cases that failed.
fn failed(report: &Value) -> Vec<&str> {
    let cases = report["cases"].as_array().unwrap().iter();
    cases.filter(|case| case["passed"] == false).map(|it| it["name"].as_str().unwrap()).collect()
}

#[track_caller]
fn all_pass(dialect: Dialect, unknown: UnknownOriginal) -> Abroad {
    let bank = abroad(dialect, unknown, None);
    let (output, report) = bank.certify("");
    let said = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{err}");
    assert_eq!(report["passed"], true, "{said}");
    assert!(report["cases"].as_array().unwrap().len() >= 25, "{said}");
    let numbers = cards::SPECIAL.iter().map(|card| card.number).chain(["5555555555554444"]);
    let codes: Vec<String> =
        cards::SPECIAL.iter().map(|card| cards::security_code(card.number)).collect();
    let canaries = Canaries::of(numbers, codes.iter().map(String::as_str));
    let found = canaries.in_folder(&bank.path("out")).unwrap();
    assert!(found.is_empty(), "{found:?}");
    let shown = canaries.in_bytes("what it said", &[output.stdout, output.stderr].concat());
    assert!(shown.is_empty(), "{shown:?}");
    let (output, proved) = bank.verify();
    assert!(output.status.success() && proved["proved"] == true, "{proved}");
    bank
}

#[test]
fn a_host_of_the_ascii_dialect_passes_every_case_and_its_evidence_is_proved() {
    let bank = all_pass(Dialect::Iso87Ascii, UnknownOriginal::Remembered);
    let markdown = std::fs::read_to_string(bank.path("out/report.md")).unwrap();
    for shown in ["# Certification", "reply-lost", "marked as a repeat", "1234", "**passed**"] {
        assert!(markdown.contains(shown), "{shown}:\n{markdown}");
    }
    let wire = std::fs::read_to_string(bank.path("out/wire.jsonl")).unwrap();
    for shown in ["\"400000******0002\"", "\"proxy\":\"lost\"", "\"hidden\":4", "financial request"]
    {
        assert!(wire.contains(shown), "{shown}");
    }
    // A key that is there already signs again, a folder that has evidence takes no other.
    let (output, _) = bank.certify("echo");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("never overwritten"));
    let altered = wire.replacen("000000012345", "000000012346", 1);
    std::fs::write(bank.path("out/wire.jsonl"), &altered).unwrap();
    let (output, told) = bank.verify();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let line = wire.lines().zip(altered.lines()).position(|(one, other)| one != other).unwrap();
    let wanted = format!("record {} was altered", line + 1);
    assert!(told["fault"].as_str().unwrap().contains(&wanted), "{wanted}: {told}");
}

#[test]
fn a_host_of_the_packed_dialect_passes_the_same_script() {
    all_pass(Dialect::Iso87Binary, UnknownOriginal::Refused);
}

#[test]
fn a_host_that_approves_another_amount_fails_what_it_approves() {
    let liar = Liar::new(Lie::WrongAmount);
    let bank = abroad(Dialect::Iso87Ascii, UnknownOriginal::Remembered, Some(liar));
    let only =
        "echo,purchase-approved,declined-no-funds,pre-authorization,void-of-a-purchase,balance";
    let (output, report) = bank.certify(only);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert_eq!(failed(&report), ["purchase-approved", "void-of-a-purchase"], "{report}");
    let faults = report["cases"][1]["steps"][0]["faults"].to_string();
    assert!(faults.contains("result: wanted approved, got pending"), "{faults}");
    assert!(faults.contains("wanted 000000012345, got 000000000777"), "{faults}");
    let (output, _) = bank.verify();
    assert!(output.status.success(), "evidence of a failure is evidence as well");
}

#[test]
fn a_host_that_is_deaf_to_reversals_fails_what_needs_one() {
    let liar = Liar::new(Lie::DeafToReversals);
    let bank = abroad(Dialect::Iso87Ascii, UnknownOriginal::Remembered, Some(liar));
    let only = "sign-on,purchase-approved,reply-lost,reply-to-a-balance-inquiry-lost,refund";
    let (output, report) = bank.certify(only);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert_eq!(failed(&report), ["reply-lost"], "{report}");
    let faults = report["cases"].to_string();
    assert!(faults.contains("no reversal_reply was seen"), "{faults}");
}

#[test]
fn a_case_that_is_not_there_and_a_host_table_with_faults_say_so() {
    let bank = abroad(Dialect::Iso87Ascii, UnknownOriginal::Remembered, None);
    let (output, _) = bank.certify("no-such-case");
    assert_eq!(output.status.code(), Some(2));
    let host = std::fs::read_to_string(bank.path("host.toml")).unwrap();
    std::fs::write(bank.path("host.toml"), host.replace("echo_after_ms", "echo_before_ms"))
        .unwrap();
    let (output, _) = bank.certify("");
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("echo_before_ms"), "{err}");
}

#[test]
fn the_sandboxs_own_bank_stands_in_for_practice() {
    let folder = tempfile::tempdir().unwrap();
    let (script, out, key) = (shipped(), folder.path().join("out"), folder.path().join("key"));
    let [script, out, key] = [&script, &out, &key].map(|path| path.to_str().unwrap());
    let arguments = ["certify", "--script", script, "--practice", "--out", out, "--key", key];
    let only = ["--only", "echo,purchase-approved,reply-lost", "--json"];
    let (output, report) = sandbox(&[&arguments[..], &only].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(report["cases"].as_array().unwrap().len(), 3, "{report}");
    assert!(report["host"].as_str().unwrap().contains("for practice"), "{report}");
}
