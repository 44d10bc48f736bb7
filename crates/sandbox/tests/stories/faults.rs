//! Faults between gateway and bank, and false replies: each run ends with the checker's verdict.

use crate::runs::{all_is_well, sandbox};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

fn treated(summary: &Value) -> Vec<String> {
    summary["proxied"]["treated"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn frames_that_come_late_twice_in_pieces_or_not_at_all_leave_no_payment_in_doubt() {
    let wire = "delay,drop,duplicate,reorder,split,bytewise,join";
    let arguments = ["--payments", "250", "--proxy", wire, "--seed", "21", "--json"];
    let (output, summary) =
        sandbox(&[&arguments[..], &["--reply-timeout", "600", "--concurrency", "16"]].concat());
    all_is_well(&output, &summary);
    assert_eq!(treated(&summary).len(), 7, "{summary}");
    assert!(summary["reversed"].as_u64().unwrap() > 0, "{summary}");
}

#[test]
fn lines_that_break_within_a_frame_or_go_deaf_leave_no_payment_in_doubt() {
    let wire = "split,join,truncate,corrupt,half-open,reset";
    let arguments = ["--payments", "300", "--proxy", wire, "--seed", "22", "--json"];
    let (output, summary) =
        sandbox(&[&arguments[..], &["--reply-timeout", "600", "--concurrency", "16"]].concat());
    all_is_well(&output, &summary);
    let treated = treated(&summary);
    for fault in ["truncate", "corrupt", "reset"] {
        assert!(treated.iter().any(|it| it == fault), "no {fault}: {summary}");
    }
}

#[test]
fn no_false_reply_among_thousands_is_told_to_anyone() {
    let arguments = ["--payments", "150", "--hostile-replies", "40", "--seed", "23", "--json"];
    let (output, summary) = sandbox(&[&arguments[..], &["--concurrency", "16"]].concat());
    all_is_well(&output, &summary);
    assert!(summary["proxied"]["lies"].as_u64().unwrap() > 4_000, "{summary}");
    assert!(summary["approved"].as_u64().unwrap() > 20, "{summary}");
}

#[test]
fn a_proxy_stands_alone_before_any_line() {
    let bank = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = bank.local_addr().unwrap().to_string();
    let mut proxy = Command::new(env!("CARGO_BIN_EXE_sandbox"))
        .args(["proxy", "--listen", "127.0.0.1:0", "--faults", "split,join", "--to", &to])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(proxy.stderr.take().unwrap()).lines();
    let line = said.next().unwrap().unwrap();
    let front = line.rsplit(' ').next().unwrap().to_owned();
    let mut gateway = std::net::TcpStream::connect(front).unwrap();
    let (mut line, _) = bank.accept().unwrap();
    let frames: Vec<u8> = (0..50_u8).flat_map(|n| [0, 3, n, n, n]).collect();
    std::io::Write::write_all(&mut gateway, &frames).unwrap();
    let mut got = vec![0; frames.len()];
    std::io::Read::read_exact(&mut line, &mut got).unwrap();
    assert_eq!(got, frames);
    proxy.kill().unwrap();
    proxy.wait().unwrap();
}

#[test]
fn a_soak_ends_by_itself_with_a_verdict() {
    let arguments = ["soak", "--minutes", "0", "--payments-max", "150", "--seed", "5", "--json"];
    let (output, summary) = sandbox(&arguments);
    assert!(output.status.success(), "{summary}");
    assert_eq!(summary["rounds"], 1);
    assert_eq!(summary["violations"], 0, "{summary}");
    assert!(summary["most"]["rss_kib"].as_u64().unwrap() > 1000, "{summary}");
}
