//! The command line as operators and scripts meet it: the program itself, its two outputs, its exit code.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn tidegate(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(arguments)
        .env("TIDEGATE_KEY_PASSPHRASE", "open sesame")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// The shipped configuration in a folder of its own, with a certificate but without keys.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(root().join("deploy/tidegate.toml")).unwrap();
        let text = text
            .replace("../keys-example/", "")
            .replace("../target/", "")
            .replace("../protocols", &root().join("protocols").display().to_string());
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("tls.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("tls.key"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(folder.path().join("tidegate.toml"), text).unwrap();
        Self(folder)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn config(&self) -> String {
        self.path("tidegate.toml").display().to_string()
    }
}

#[test]
fn every_subcommand_has_help_with_an_example() {
    let tasks: &[&[&str]] = &[
        &["run"],
        &["check"],
        &["reload"],
        &["explain"],
        &["encode"],
        &["diff"],
        &["dialect", "import"],
        &["dialect", "schema"],
        &["status"],
        &["payment", "show"],
        &["cases", "list"],
        &["cases", "retry"],
        &["cases", "close"],
        &["line", "status"],
        &["line", "sign-off"],
        &["line", "sign-on"],
        &["route", "list"],
        &["route", "decline"],
        &["route", "resume"],
        &["report", "totals"],
        &["journal", "verify"],
        &["journal", "export"],
        &["journal", "backup"],
        &["journal", "restore"],
        &["journal", "follow"],
        &["journal", "archive"],
        &["journal", "convert"],
        &["keys", "init"],
        &["keys", "public"],
    ];
    for task in tasks {
        let (exit, out, _) = tidegate(&[task, &["--help"][..]].concat());
        assert_eq!(exit, 0);
        let example = out.split("Example").nth(1).unwrap_or_else(|| panic!("{task:?}: {out}"));
        assert!(example.contains(&format!("tidegate {}", task.join(" "))), "{out}");
    }
    let (exit, out, err) = tidegate(&["fly"]);
    assert_eq!((exit, out.as_str()), (2, ""));
    assert!(err.contains("unrecognized subcommand 'fly'"), "{err}");
    assert!(tidegate(&["--help"]).1.contains("Exit codes:"));
}

#[test]
fn keys_are_made_once_and_then_everything_is_sound() {
    let folder = Folder::new();
    let config = folder.config();
    let (exit, out, _) = tidegate(&["check", "-c", &config]);
    assert_eq!(exit, 1);
    assert!(out.contains("tidegate.keys"), "{out}");
    assert_eq!(tidegate(&["check", "--without-keys", "-c", &config]).0, 0);
    let (exit, _, err) = tidegate(&["keys", "init", "-c", &config]);
    assert_eq!(exit, 0, "{err}");
    assert_eq!(tidegate(&["keys", "init", "-c", &config]).0, 1);
    let (exit, out, _) = tidegate(&["keys", "public", "-c", &config]);
    assert_eq!(exit, 0);
    let set: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(set["keys"].as_array().unwrap().len(), 6);
    assert!(!out.contains("\"d\""), "{out}");
    let (exit, out, err) = tidegate(&["check", "--json", "-c", &config]);
    assert_eq!((exit, err.as_str()), (0, ""), "{out}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["ok"], true);
    let channel = &report["channels"][0];
    assert_eq!((&channel["name"], &channel["vectors_failed"]), (&"rest".into(), &0.into()));
    assert!(channel["vectors_passed"].as_u64().unwrap() > 10, "{report}");
    let ascii = dialect(&report, "iso87-ascii");
    assert_eq!((&ascii["in_use"], &ascii["vectors_failed"]), (&true.into(), &0.into()));
    assert!(ascii["vectors_passed"].as_u64().unwrap() > 10, "{report}");
    assert_eq!(dialect(&report, "iso87-binary")["in_use"], false);
    assert_eq!(report["faults"], serde_json::json!([]));
    assert_eq!(report["bounds"][0]["value"], 409);
}

#[test]
fn a_check_finds_what_is_wrong_with_files_and_definitions_too() {
    let folder = Folder::new();
    let text = std::fs::read_to_string(folder.path("tidegate.toml")).unwrap();
    let text = text.replace("mapping = \"iso87-ascii\"", "mapping = \"nowhere\"");
    std::fs::write(folder.path("tidegate.toml"), text).unwrap();
    std::fs::write(folder.path("tls.pem"), "").unwrap();
    let (exit, out, _) = tidegate(&["check", "--json", "-c", &folder.config()]);
    assert_eq!(exit, 1);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["ok"], false);
    let faults = report["faults"].as_array().unwrap();
    let keys: Vec<_> = faults.iter().map(|fault| fault["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["host[0]", "channel[0].tls", "keys.file"], "{report}");
    assert!(out.contains("mappings/nowhere.toml"), "{out}");
}

#[test]
fn the_example_of_a_second_host_and_a_route_is_sound_as_it_stands() {
    let folder = Folder::new();
    let text = std::fs::read_to_string(folder.path("tidegate.toml")).unwrap();
    let written = |line: &str| match line.strip_prefix('#') {
        Some(rest)
            if rest.starts_with(|first: char| first == '[' || first.is_ascii_lowercase()) =>
        {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    let text: Vec<String> = text.lines().map(written).collect();
    std::fs::write(folder.path("tidegate.toml"), text.join("\n")).unwrap();
    let config = folder.config();
    let (exit, out, _) = tidegate(&["check", "--without-keys", "--json", "-c", &config]);
    assert_eq!(exit, 0, "{out}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(dialect(&report, "iso87-binary")["in_use"], true);
    assert!(out.contains("to host bank-2 while it is silent"), "{out}");
}

fn dialect<'a>(report: &'a Value, name: &str) -> &'a Value {
    let dialects = report["dialects"].as_array().unwrap();
    dialects.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"))
}

/// A copy of a folder of definitions that a test may break.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &name);
        } else {
            std::fs::copy(&path, &name).unwrap();
        }
    }
}

#[test]
fn a_broken_definition_that_nobody_uses_is_found_with_file_line_and_caret() {
    let folder = Folder::new();
    copy(&root().join("protocols"), &folder.path("protocols"));
    let config = std::fs::read_to_string(folder.path("tidegate.toml")).unwrap();
    let shipped = root().join("protocols").display().to_string();
    std::fs::write(folder.path("tidegate.toml"), config.replace(&shipped, "protocols")).unwrap();
    let check = || {
        let config = folder.config();
        let (exit, out, _) = tidegate(&["check", "--without-keys", "--json", "-c", &config]);
        (exit, serde_json::from_str::<Value>(&out).unwrap())
    };
    assert_eq!(check().0, 0);

    let mapping = folder.path("protocols/mappings/iso87-binary.toml");
    let text = std::fs::read_to_string(&mapping).unwrap();
    let line = text.lines().position(|line| line.contains("\"stan\"")).unwrap() + 1;
    std::fs::write(&mapping, text.replacen("\"stan\"", "\"stam\"", 1)).unwrap();
    let (exit, report) = check();
    assert_eq!((exit, &report["ok"]), (1, &false.into()));
    let faults = report["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 1, "{report}");
    assert_eq!(faults[0]["line"], line, "{report}");
    assert!(faults[0]["file"].as_str().unwrap().ends_with("mappings/iso87-binary.toml"));
    for member in ["column", "message", "wanted"] {
        assert!(!faults[0][member].is_null(), "{member}: {report}");
    }
    std::fs::write(&mapping, text).unwrap();

    let lone = folder.path("protocols/dialects/lone");
    copy(&folder.path("protocols/dialects/iso87-ascii"), &lone);
    let vectors = lone.join("vectors/bad.toml");
    let text = std::fs::read_to_string(&vectors).unwrap();
    std::fs::write(&vectors, text.replacen("error = \"", "error = \"not: ", 1)).unwrap();
    let (exit, report) = check();
    assert_eq!((exit, &dialect(&report, "lone")["vectors_failed"]), (1, &1.into()));
    let file = report["faults"][0]["file"].as_str().unwrap();
    assert!(file.ends_with("dialects/lone/vectors/bad.toml"), "{report}");

    std::fs::write(lone.join("dialect.toml"), "name = \"lone\"\nmti =\n").unwrap();
    let (exit, out, _) = tidegate(&["check", "--without-keys", "-c", &folder.config()]);
    assert_eq!(exit, 1);
    assert!(out.contains("dialects/lone/dialect.toml:2:"), "{out}");
    assert!(out.contains("2 | mti =\n"), "{out}");
}

#[test]
fn a_faulty_configuration_starts_nothing_and_is_shown_with_a_caret() {
    let folder = Folder::new();
    let text = std::fs::read_to_string(folder.path("tidegate.toml")).unwrap();
    let text = text.replace("in_flight_max = 512", "in_flight_max = 0");
    std::fs::write(folder.path("tidegate.toml"), text).unwrap();
    let (exit, out, err) = tidegate(&["run", "-c", &folder.config()]);
    assert_eq!((exit, out.as_str()), (1, ""));
    assert!(err.contains("host[0].in_flight_max: 0 is out of range"), "{err}");
    assert!(err.contains("^ 1 to 100000 is wanted"), "{err}");
    assert!(!folder.path("tidegate-data").exists());
}

#[test]
fn a_gateway_that_does_not_run_is_told_apart_from_one_that_refuses() {
    let folder = Folder::new();
    let questions = [
        &["status"][..],
        &["line", "status"],
        &["line", "sign-off", "bank/a", "--reason", "circuit moves"],
        &["cases", "list"],
        &["route", "list"],
        &["route", "decline", "bank", "--reason", "host migrates"],
    ];
    for question in questions {
        let (exit, out, err) = tidegate(&[question, &["-c", &folder.config()]].concat());
        assert_eq!((exit, out.as_str()), (1, ""), "{err}");
        assert!(err.contains("cannot reach a running gateway at"), "{err}");
        assert!(err.contains("tidegate.sock"), "{err}");
    }
}

#[test]
fn a_line_is_named_by_host_and_line_and_every_act_has_a_reason() {
    let folder = Folder::new();
    let config = folder.config();
    let (exit, _, err) =
        tidegate(&["line", "sign-off", "-c", &config, "a", "--reason", "circuit moves"]);
    assert_eq!(exit, 2);
    assert!(err.contains("HOST/LINE is expected, for example bank/a"), "{err}");
    for act in [&["line", "sign-on", "bank/a"], &["route", "resume", "bank"]] {
        let (exit, _, err) = tidegate(&[&act[..], &["-c", &config]].concat());
        assert_eq!(exit, 2);
        assert!(err.contains("--reason"), "{err}");
    }
}

/// An echo request of the shipped dialect.
const ECHO: &[u8] = b"0800822000000000000004000000000000001122101112000123301";

#[test]
fn a_message_is_explained_and_a_broken_one_is_no_success() {
    let protocols = root().join("protocols").display().to_string();
    let explain = |rest: &[&str]| {
        let first = ["explain", "-d", "iso87-ascii", "--protocols", &protocols];
        tidegate(&[&first, rest].concat())
    };
    let hex: String = ECHO.iter().map(|byte| format!("{byte:02x}")).collect();
    let (exit, out, err) = explain(&["--hex", &hex]);
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.contains("000123"), "{out}");
    let (exit, out, _) = explain(&["--json", "--hex", &hex]);
    assert_eq!(exit, 0);
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["mti"], "0800");
    assert_eq!(shown["fields"][1]["value"], "000123");
    let (half, _) = hex.split_at(60);
    assert_eq!(explain(&["--hex", half]).0, 1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("capture.hex").display().to_string();
    std::fs::write(&file, &hex).unwrap();
    let (exit, out, _) = explain(&[&file]);
    assert_eq!(exit, 1);
    assert!(out.contains("should they be read as such, use --hex"), "{out}");
    let (exit, out, err) = explain(&["--hex", "0800 zz"]);
    assert_eq!((exit, out.as_str()), (1, ""));
    assert!(
        err.contains("character 6 of the hex digits is 'z', a hex digit (0-9, a-f) is expected"),
        "{err}"
    );
    let (exit, _, err) = explain(&["--hex", "08001"]);
    assert_eq!(exit, 1);
    assert!(err.contains("5 hex digits, an even number is expected"), "{err}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("frame.bin").display().to_string();
    std::fs::write(&file, [&[0, 55], ECHO].concat()).unwrap();
    let (exit, out, err) = explain(&["--frame", "length-be2", &file]);
    assert_eq!(exit, 0, "{out}{err}");
    std::fs::write(&file, [&[0, 99], ECHO].concat()).unwrap();
    let (exit, _, err) = explain(&["--frame", "length-be2", &file]);
    assert_eq!(exit, 1);
    assert!(err.contains("its length announces 99 bytes, 55 follow"), "{err}");
}

#[test]
fn a_packed_message_is_explained_by_its_own_dialect_with_the_failing_byte_marked() {
    let protocols = root().join("protocols").display().to_string();
    let explain = |rest: &[&str]| {
        let first = ["explain", "-d", "iso87-binary", "--protocols", &protocols];
        tidegate(&[&first, rest].concat())
    };
    // 0200, elements 2, 3, 4 and 11: a test card, a purchase of 12.34.
    let hex = "0200 7020000000000000 16 4000000000000002 000000 000000001234 000123";
    let (exit, out, err) = explain(&["--hex", hex]);
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.contains("primary account number"), "{out}");
    assert!(out.contains("400000******0002"), "{out}");
    assert!(out.contains("000000001234"), "{out}");
    let (exit, out, _) = explain(&["--json", "--hex", hex]);
    assert_eq!(exit, 0);
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["fields"][0]["shown"], "masked");
    assert_eq!((&shown["fields"][3]["offset"], &shown["fault_offset"]), (&28.into(), &Value::Null));
    assert!(!out.contains("4000000000000002"), "{out}");
    // The amount holds what is no decimal digit, in its third byte.
    let broken = hex.replace("000000001234", "00000a001234");
    let (exit, out, _) = explain(&["--hex", &broken]);
    assert_eq!(exit, 1);
    assert!(out.contains("^^ byte 24"), "{out}");
    assert!(!out.contains("4000000000000002"), "{out}");
    let (_, out, _) = explain(&["--json", "--hex", &broken]);
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["fault_offset"], 24, "{out}");
}

/// Two purchases that differ in card number and amount, as hex digits.
const PURCHASES: [&str; 2] = [
    "303230303730323030303030303038303030303031363535353535353535353535353434343430303030303030303030303030303132333430303030343254\
     45524D30303031",
    "303230303730323030303030303038303030303031363430303030303030303030303030303230303030303030303030303030303132333530303030343254\
     45524D30303031",
];

#[test]
fn two_messages_are_compared_masked() {
    let protocols = root().join("protocols").display().to_string();
    let diff = |one: &str, other: &str| {
        tidegate(&["diff", "-d", "iso87-ascii", "--protocols", &protocols, one, other])
    };
    let [one, other] = PURCHASES;
    let (code, told, errors) = diff(one, other);
    assert_eq!((code, errors.as_str()), (1, ""));
    let rows: Vec<&str> = told.lines().skip(1).collect();
    let [pan, amount] = rows.as_slice() else { panic!("{told}") };
    assert!(
        pan.starts_with("DE2 ")
            && pan.contains("555555******4444")
            && pan.contains("400000******0002"),
        "{told}"
    );
    assert!(amount.starts_with("DE4 ") && amount.contains("000000001234"), "{told}");
    assert_eq!(diff(one, one), (0, "the same\n".to_owned(), String::new()));
    let (code, _, errors) = diff(one, "3032");
    assert!(
        code == 1 && errors.contains("the second message") && errors.contains("MTI at byte 0"),
        "{errors}"
    );
}

#[test]
fn a_file_of_messages_is_written_and_read_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let protocols = root().join("protocols").display().to_string();
    let file = folder.path().join("messages.json").display().to_string();
    let sound = r#"{"mti": "0800", "fields": {"11": "000042", "70": "301"}}"#;
    let broken = r#"{"mti": "0800", "fields": {"11": "x"}}"#;
    std::fs::write(&file, format!("{sound}\n\n{broken}\n{sound}\n")).unwrap();
    let (code, told, errors) =
        tidegate(&["encode", "-d", "iso87-ascii", "--protocols", &protocols, "--lines", &file]);
    assert_eq!((code, errors.as_str()), (1, "line 3: DE11: expected a length of 6, found 1\n"));
    let frames: Vec<&str> = told.lines().collect();
    assert!(frames.len() == 3 && frames[1].is_empty() && frames[0] == frames[2], "{told}");
    let captured = folder.path().join("messages.hex").display().to_string();
    std::fs::write(&captured, format!("{}\n0z\n{}\n", frames[0], frames[2])).unwrap();
    let (code, told, _) = tidegate(&[
        "explain",
        "-d",
        "iso87-ascii",
        "--protocols",
        &protocols,
        "--lines",
        &captured,
    ]);
    assert_eq!(code, 1);
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> = lines.iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(lines[0]["fault"].is_null() && lines[0]["fields"][0]["value"] == "000042", "{told}");
    assert!(lines[1]["fault"].as_str().unwrap().contains("character 2"), "{told}");
}
