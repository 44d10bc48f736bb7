//! Stories of the command line, told without a process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::{Exit, Failure, JournalReport, Parts, main_with};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tempfile::TempDir;

/// Parts that note what they were asked.
static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn parts() -> Parts {
    Parts {
        run: |config| {
            ASKED.lock().unwrap().push(format!("run {}", config.gateway.name));
            Ok(())
        },
        init_keys: |path, passphrase, example| {
            assert_eq!(passphrase.as_str(), "sesame");
            let name = path.file_name().unwrap().display().to_string();
            ASKED.lock().unwrap().push(format!("init {name} {example}"));
            Ok(())
        },
        public_keys: |_, _| {
            let key =
                serde_json::json!({ "kid": "k1", "kty": "OKP", "use": "sig", "alg": "EdDSA" });
            Ok((serde_json::json!({ "keys": [key] }), false))
        },
        verify_journal: |config| {
            let damaged = config.gateway.name == "damaged";
            let damage = damaged.then(|| "segment 3, offset 4096: checksum".to_owned());
            Ok(JournalReport { segments: 3, records: 17, last_sequence: 17, damage })
        },
        export_journal: |_, _| Err(Failure::new("exporting the journal", "no such folder")),
    }
}

fn tidegate(arguments: &[&str]) -> (Exit, String, String) {
    let arguments = ["tidegate"].iter().chain(arguments).map(OsString::from);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = main_with(arguments, &parts(), &mut out, &mut err);
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A configuration that can be run: certificate, passphrase, the shipped definitions.
struct Folder(TempDir);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(root().join("deploy/tidegate.toml")).unwrap();
        let text = text
            .replace("tidegate-1", name)
            .replace("../keys-example/", "")
            .replace("../protocols", &root().join("protocols").display().to_string())
            .replace("{ env = \"TIDEGATE_KEY_PASSPHRASE\" }", "{ file = \"pass\" }");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("tls.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("tls.key"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(folder.path().join("pass"), "sesame\n").unwrap();
        std::fs::write(folder.path().join("tidegate.toml"), text).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn config(&self) -> String {
        self.path("tidegate.toml").display().to_string()
    }
}

#[test]
fn every_subcommand_has_help_with_an_example() {
    for task in [
        "run", "check", "explain", "status", "payment", "cases", "line", "journal", "report",
        "keys",
    ] {
        let (exit, out, _) = tidegate(&[task, "--help"]);
        assert_eq!(exit, Exit::Good);
        let example = out.split("Example").nth(1).unwrap_or_else(|| panic!("{task}: {out}"));
        assert!(example.contains(&format!("tidegate {task}")), "{out}");
    }
    let (exit, out, _) = tidegate(&["--help"]);
    assert_eq!(exit, Exit::Good);
    assert!(out.contains("Exit codes:"), "{out}");
    let (exit, out, err) = tidegate(&["fly"]);
    assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
    assert!(err.contains("unrecognized subcommand 'fly'"), "{err}");
}

#[test]
fn a_sound_configuration_is_checked_and_run() {
    let folder = Folder::new("tidegate-7");
    let (exit, out, err) = tidegate(&["check", "-c", &folder.config()]);
    assert_eq!((exit, err.as_str()), (Exit::Good, ""), "{out}");
    assert!(out.contains("iso87-ascii with iso87-ascii: "), "{out}");
    assert!(out.contains("at most 34 payments/s"), "{out}");
    let (exit, out, _) = tidegate(&["check", "--json", "-c", &folder.config()]);
    assert_eq!(exit, Exit::Good);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["ok"], true);
    assert!(report["definitions"][0]["vectors"].as_u64().unwrap() > 10, "{report}");
    assert_eq!(tidegate(&["run", "-c", &folder.config()]).0, Exit::Good);
    assert!(ASKED.lock().unwrap().contains(&"run tidegate-7".to_owned()));
}

#[test]
fn nothing_runs_while_anything_is_wrong() {
    let folder = Folder::new("tidegate-8");
    let text = std::fs::read_to_string(folder.path("tidegate.toml")).unwrap();
    let text = text.replace("mapping = \"iso87-ascii\"", "mapping = \"nowhere\"");
    std::fs::write(folder.path("tidegate.toml"), text).unwrap();
    std::fs::write(folder.path("tls.pem"), "").unwrap();
    let (exit, _, err) = tidegate(&["run", "-c", &folder.config()]);
    assert_eq!(exit, Exit::Wrong);
    assert!(err.contains("mappings/nowhere.toml"), "{err}");
    assert!(err.contains("tls.pem"), "{err}");
    assert!(!ASKED.lock().unwrap().contains(&"run tidegate-8".to_owned()));
    let (exit, out, _) = tidegate(&["check", "--json", "-c", &folder.config()]);
    assert_eq!(exit, Exit::Wrong);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(report["faults"][0]["key"], "host[0].mapping");
    assert_eq!(report["faults"].as_array().unwrap().len(), 2);
}

#[test]
fn a_failure_says_what_was_attempted_and_what_was_found() {
    let (exit, out, err) = tidegate(&["check", "-c", "/nowhere/tidegate.toml"]);
    assert_eq!((exit, out.as_str()), (Exit::Wrong, ""));
    assert!(err.starts_with("tidegate: reading the configuration failed:\n"), "{err}");
    assert!(err.contains("/nowhere/tidegate.toml"), "{err}");
    let (exit, _, err) = tidegate(&["status", "--socket", "/nowhere/tidegate.sock"]);
    assert_eq!(exit, Exit::OutOfReach);
    assert!(err.contains("no gateway listens on /nowhere/tidegate.sock: does it run"), "{err}");
    let folder = Folder::new("tidegate-1");
    let (exit, _, err) = tidegate(&["journal", "export", "-c", &folder.config()]);
    assert_eq!(exit, Exit::OutOfReach);
    assert_eq!(err, "tidegate: exporting the journal failed: no such folder\n");
}

#[test]
fn a_damaged_journal_is_no_success() {
    let sound = Folder::new("sound");
    let (exit, out, _) = tidegate(&["journal", "verify", "-c", &sound.config()]);
    assert_eq!(
        (exit, out.as_str()),
        (Exit::Good, "17 records in 3 segments are sound; the last is 17\n")
    );
    let damaged = Folder::new("damaged");
    let (exit, _, err) = tidegate(&["journal", "verify", "-c", &damaged.config()]);
    assert_eq!(exit, Exit::Wrong);
    assert!(err.contains("segment 3, offset 4096: checksum"), "{err}");
    let (exit, out, _) = tidegate(&["journal", "verify", "--json", "-c", &damaged.config()]);
    assert_eq!(exit, Exit::Wrong);
    assert!(out.contains("\"damage\":\"segment 3"), "{out}");
}

#[test]
fn keys_are_made_and_shown_under_the_configured_passphrase() {
    let folder = Folder::new("tidegate-1");
    let (exit, out, err) = tidegate(&["keys", "init", "--example", "-c", &folder.config()]);
    assert_eq!(exit, Exit::Good, "{err}");
    assert!(out.ends_with("tidegate.keys: keys made and sealed\n"), "{out}");
    assert!(ASKED.lock().unwrap().contains(&"init tidegate.keys true".to_owned()));
    let (_, out, _) = tidegate(&["keys", "public", "-c", &folder.config()]);
    assert_eq!(out, "k1  OKP  use sig  EdDSA\n");
    let (_, out, _) = tidegate(&["keys", "public", "--json", "-c", &folder.config()]);
    assert!(out.starts_with("{\"keys\":[{"), "{out}");
}

/// An echo request of the shipped dialect.
fn echo_hex() -> String {
    let body = b"0800822000000000000004000000000000001122101112000123301";
    data_encoding::HEXLOWER.encode(body)
}

#[test]
fn a_message_is_explained_and_a_broken_one_is_no_success() {
    let protocols = root().join("protocols").display().to_string();
    let explain = |rest: &[&str]| {
        let first = ["explain", "-d", "iso87-ascii", "--protocols", &protocols];
        tidegate(&[&first, rest].concat())
    };
    let (exit, out, err) = explain(&["--hex", &echo_hex()]);
    assert_eq!(exit, Exit::Good, "{out}{err}");
    assert!(out.contains("000123"), "{out}");
    let (exit, out, _) = explain(&["--json", "--hex", &echo_hex()]);
    assert_eq!(exit, Exit::Good);
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["mti"], "0800");
    assert_eq!(shown["fields"][1]["value"], "000123");
    let (exit, out, _) = explain(&["--hex", &echo_hex()[..60]]);
    assert_eq!(exit, Exit::Wrong, "{out}");
    let (exit, _, err) = explain(&["--hex", "zz"]);
    assert_eq!(exit, Exit::Usage, "{err}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("frame.bin");
    let body = data_encoding::HEXLOWER.decode(echo_hex().as_bytes()).unwrap();
    std::fs::write(&file, [&[0, 55][..], &body].concat()).unwrap();
    let (exit, out, err) = explain(&["--frame", "length-be2", &file.display().to_string()]);
    assert_eq!(exit, Exit::Good, "{out}{err}");
    std::fs::write(&file, [&[0, 99][..], &body].concat()).unwrap();
    let (exit, _, err) = explain(&["--frame", "length-be2", &file.display().to_string()]);
    assert_eq!(exit, Exit::Wrong);
    assert!(err.contains("longer than the bytes that are there"), "{err}");
}
