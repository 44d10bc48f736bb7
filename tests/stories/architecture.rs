//! The rules of the house that the compiler cannot hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust sources below a folder of the repository.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name() != Some("target".as_ref()) {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no sources below {folder}");
    found.sort();
    found
}

fn ours() -> Vec<PathBuf> {
    [sources("src"), sources("crates")].concat()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_string_lossy();
    let folders = ["tests", "stories"];
    let in_tests = path.components().any(|part| folders.iter().any(|it| part.as_os_str() == *it));
    in_tests || name.ends_with("tests") || name.ends_with("stories") || name == "samples"
}

/// The lines before the test module.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("\n#[cfg(test)]\n").next().unwrap().to_owned()
}

#[test]
fn a_file_is_read_in_one_sitting() {
    let long: Vec<String> = ours()
        .iter()
        .filter(|path| !is_test(path))
        .map(|path| (shown(path), code(path).lines().count()))
        .filter(|(_, lines)| *lines > 400)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "split what is longer than 400 lines without tests: {long:#?}");
}

#[test]
fn only_a_store_attests_that_something_is_durable() {
    let allowed = ["src/store/", "crates/simulation/src/store/", "crates/payment/src/durable.rs"];
    let strangers: Vec<String> = ours()
        .iter()
        .filter(|path| !is_test(path) && code(path).contains("Durable::attest"))
        .map(|path| shown(path))
        .filter(|path| !allowed.iter().any(|place| path.starts_with(place)))
        .collect();
    assert!(strangers.is_empty(), "Durable::attest is called in {strangers:?}");
}

#[test]
fn no_file_is_a_drawer_for_odds_and_ends() {
    let drawers = ["utils", "util", "helpers", "helper", "common", "manager", "misc"];
    for path in ours() {
        let name = path.file_stem().unwrap().to_string_lossy().to_string();
        assert!(!drawers.contains(&name.as_str()), "{}: name it for what it does", shown(&path));
    }
}

#[test]
fn the_pure_crates_touch_neither_clock_nor_socket_nor_disk() {
    let forbidden = ["std::time", "std::net", "std::fs", "SystemTime", "Instant", "async fn"];
    for folder in ["crates/payment/src", "crates/line/src", "crates/iso8583/src"] {
        let lib = fs::read_to_string(root().join(folder).join("lib.rs")).unwrap();
        assert!(lib.contains("no_std"), "{folder} is no_std");
    }
    for folder in
        ["crates/payment/src", "crates/line/src", "crates/iso8583/src", "crates/protocol/src"]
    {
        for path in sources(folder).iter().filter(|path| !is_test(path)) {
            let code = code(path);
            for word in forbidden {
                assert!(!code.contains(word), "{} mentions {word}", shown(path));
            }
        }
    }
}

#[test]
fn every_queue_of_the_daemon_has_a_bound() {
    // By its name, or as the standard library's: `sync_channel` has a bound, `channel` has none.
    let std_channel = |code: &str| {
        code.contains("std::sync::mpsc") && {
            let bounded = code.replace("sync_channel", "");
            bounded.contains(" channel(")
                || bounded.contains("channel::<")
                || bounded.contains("mpsc::channel(")
        }
    };
    for path in ours() {
        if is_test(&path) || shown(&path).starts_with("crates/sandbox/") {
            continue;
        }
        let code = code(&path);
        for word in ["unbounded_channel", "UnboundedSender", "unbounded()", "SegQueue"] {
            assert!(!code.contains(word), "{} has {word}", shown(&path));
        }
        assert!(!std_channel(&code), "{} has a queue without a bound", shown(&path));
    }
    let std = "use std::sync::mpsc::channel;\nlet (a, b) = channel();";
    assert!(std_channel(std) && !std_channel(&std.replace("channel", "sync_channel")));
}

#[test]
fn the_edge_knows_neither_journal_nor_host_nor_their_keys() {
    for path in sources("src/edge").iter().filter(|path| !is_test(path)) {
        let code = code(path);
        for word in ["crate::store", "crate::host", "crate::keys", "crate::engine_task"] {
            assert!(!code.contains(word), "{} reaches into {word}", shown(path));
        }
    }
}

#[test]
fn the_daemon_is_built_without_rsa_ring_or_the_sandbox() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "-p",
            "tidegate",
            "-e",
            "normal",
            "--prefix",
            "none",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("rustls v"), "the tree was read");
    for stranger in ["rsa v", "ring v", "sandbox v", "openssl v"] {
        let found = tree.lines().find(|line| line.starts_with(stranger));
        assert_eq!(found, None, "the daemon depends on {stranger}");
    }
}
