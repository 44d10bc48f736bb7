//! The journal's files as an operator handles them while the gateway pays: backed up and restored,
//! followed and taken over. The gateway and the command line are the program itself.

use super::command_line::{Folder, tidegate};
use sandbox::merchant::envelope::Recipe;
use sandbox::merchant::{Order, Outcome, Tries};
use sandbox::operation::Operation;
use sandbox::world::{Options, World};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

const TRIES: Tries = Tries { count: 400, gap: Duration::from_millis(50) };

async fn open() -> World {
    let protocols = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols");
    let mut options = Options::honest(21, vec![env!("CARGO_BIN_EXE_tidegate").into()], protocols);
    options.reply_timeout = Duration::from_secs(10);
    // Small segments, so that a run has several.
    options.environment.push(("TIDEGATE__JOURNAL__SEGMENT_BYTES".to_owned(), "65536".to_owned()));
    World::open(options).await.unwrap()
}

fn order(op: u64) -> Order {
    Order {
        op,
        key: format!("copied-{op}"),
        order_id: format!("O-{op}"),
        minor: 1_000,
        currency: "EUR".to_owned(),
        number: "4000000000000002".to_owned(),
        with_code: true,
        recipe: Recipe::EcdhEs,
        operation: Operation::Purchase,
        original: None,
        with_amount: true,
    }
}

async fn pay(world: &World, op: u64) {
    match world.merchants[0].pay(&order(op), None, TRIES).await.unwrap().outcome {
        Outcome::Told(told) => assert_eq!(told.result, "approved"),
        other => panic!("{other:?}"),
    }
}

fn run(config: &Path, arguments: &[&str]) -> (bool, String) {
    run_in(config, None, arguments)
}

/// Runs a command, on another data folder if one is named.
fn run_in(config: &Path, data: Option<&Path>, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(arguments).arg("-c").arg(config).env("TIDEGATE__JOURNAL__SEGMENT_BYTES", "65536");
    if let Some(data) = data {
        command.env("TIDEGATE__GATEWAY__DATA_DIR", data);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = [stdout, stderr].concat();
    (status.success(), String::from_utf8(said).unwrap())
}

fn json(config: &Path, arguments: &[&str]) -> Value {
    let (done, said) = run(config, arguments);
    assert!(done, "{arguments:?}: {said}");
    serde_json::from_str(&said).unwrap()
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_backed_up_and_followed_while_it_pays_and_both_copies_are_taken_over() {
    let world = Arc::new(open().await);
    let config: PathBuf = world.path().join("tidegate.toml");
    let (backup, second) = (world.path().join("backup"), world.path().join("second"));
    let follower = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["journal", "follow", "-c", name(&config), "--to", name(&second)])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let paying = tokio::spawn({
        let world = Arc::clone(&world);
        async move {
            for op in 0..120 {
                pay(&world, op).await;
            }
        }
    });
    let mut manifest = Value::Null;
    while !paying.is_finished() {
        let (config, backup) = (config.clone(), backup.clone());
        let arguments =
            move || json(&config, &["journal", "backup", "--json", "--to", name(&backup)]);
        manifest = tokio::task::spawn_blocking(arguments).await.unwrap();
    }
    paying.await.unwrap();
    assert!(manifest["sequence"].as_u64().unwrap() > 0, "{manifest}");

    stop(&world, &config, &second, follower).await;

    // To the very end, and the proof that nothing is missing.
    json(&config, &["journal", "follow", "--finish", "--json", "--to", name(&second)]);
    let verify = ["journal", "verify", "--json", "--folder", name(&second), "--against-data"];
    let compared = json(&config, &verify);
    assert_eq!((&compared["missing"], &compared["last"]), (&0.into(), &compared["first_last"]));

    // The backup, in an empty data folder: all it says it has.
    let restored = world.path().join("restored");
    fs::create_dir(&restored).unwrap();
    let restore = ["journal", "restore", "--from", name(&backup)];
    let (done, said) = run_in(&config, Some(&restored), &restore);
    assert!(done, "{said}");
    let (_, exported) = run_in(&config, Some(&restored), &["journal", "export"]);
    let (_, whole) = run(&config, &["journal", "export"]);
    assert!(whole.starts_with(&exported));
    let sequence = usize::try_from(manifest["sequence"].as_u64().unwrap()).unwrap();
    assert_eq!(exported.lines().count(), sequence);

    // The gateway goes on from the second folder: a payment from before is known, and is not made twice.
    let data = world.path().join("data");
    fs::rename(&data, world.path().join("lost")).unwrap();
    fs::rename(&second, &data).unwrap();
    world.start_gateway().await.unwrap();
    pay(&world, 119).await;
    pay(&world, 500).await;
    world.stop_gateway().await.unwrap();
    let (_, journal) = world.gateway.lock().await.journal().unwrap();
    let accepted = journal.iter().filter(|record| record.kind == "accepted").count();
    assert_eq!(accepted, 121);
}

/// Stops a follower when it has all that is durable, and kills the gateway before.
async fn stop(world: &World, config: &Path, second: &Path, mut follower: Child) {
    let status = || json(config, &["status", "--json"])["ledger_applied"].as_u64().unwrap();
    let copied = || {
        let text = fs::read_to_string(second.join("follower.json")).unwrap_or_default();
        serde_json::from_str::<Value>(&text).ok().and_then(|told| told["copied"].as_u64())
    };
    while copied() < Some(status()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.kill_gateway().await;
    let id = follower.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(follower.wait().unwrap().success());
    let prom = fs::read_to_string(second.join("follower.prom")).unwrap();
    assert!(prom.contains("tidegate_follower_well 1"), "{prom}");
}

/// A data folder with a journal that nobody writes.
fn stopped() -> (Folder, String, PathBuf) {
    let folder = Folder::new();
    let config = folder.config();
    let data = folder.path("tidegate-data");
    fs::create_dir_all(&data).unwrap();
    let settings = tidegate::store::Settings { segment_bytes: 65_536, ..Default::default() };
    let since = tidegate_payment::time::Timestamp(0);
    let (store, _) = tidegate::store::recovery::open(&data, settings, since).unwrap();
    drop(store);
    (folder, config, data)
}

#[test]
fn damage_is_told_with_file_offset_sequence_and_what_was_expected() {
    let (_folder, config, data) = stopped();
    let (exit, out, err) = tidegate(&["journal", "verify", "-c", &config]);
    assert_eq!(exit, 0, "{err}");
    assert!(out.contains("the newest segment has format 2, made by release"), "{out}");
    let segment = data.join("journal/00000000000000000001.journal");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[9] = 3;
    fs::write(&segment, &bytes).unwrap();
    let (exit, out, _) = tidegate(&["journal", "verify", "--json", "-c", &config]);
    assert_eq!(exit, 1);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["sound"], false);
    assert_eq!(told["file"], "00000000000000000001.journal");
    assert_eq!((&told["offset"], &told["sequence"]), (&0.into(), &1.into()));
    assert_eq!(told["expected"], "a segment of format 1 to 2");
    let (exit, _, err) = tidegate(&["journal", "verify", "-c", &config]);
    assert_eq!(exit, 1);
    assert!(err.contains("has format 3, this release reads formats 1 to 2"), "{err}");
}

#[test]
fn a_record_that_should_be_there_and_is_not_is_no_success() {
    let (_folder, config, data) = stopped();
    let copy = data.display().to_string();
    let through = |sequence: &str| {
        tidegate(&["journal", "verify", "-c", &config, "--folder", &copy, "--through", sequence])
    };
    assert_eq!(through("0").0, 0);
    let (exit, out, _) = through("7");
    assert_eq!(exit, 1);
    assert!(out.contains("record 7 is MISSING, and 7 in all"), "{out}");
}

#[test]
fn a_journal_is_converted_for_the_release_before_and_the_next_segments_are_told_of() {
    let (_folder, config, data) = stopped();
    let (exit, out, err) = tidegate(&["journal", "convert", "-c", &config, "--format", "1"]);
    assert_eq!(exit, 0, "{err}");
    assert!(out.contains("1 segments now have format 1"), "{out}");
    assert!(out.contains("set [journal] format = 1 to keep it"), "{out}");
    let head = fs::read(data.join("journal/00000000000000000001.journal")).unwrap();
    assert_eq!(&head[8..10], [0, 1]);
    assert_eq!(tidegate(&["journal", "convert", "-c", &config, "--format", "3"]).0, 2);
    let (exit, _, err) = tidegate(&["journal", "archive", "-c", &config, "--before", "2026-10-01"]);
    assert_eq!(exit, 1);
    assert!(err.contains("does not tell which days are closed"), "{err}");
}
