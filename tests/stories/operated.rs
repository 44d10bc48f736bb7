//! What operators do to a gateway while merchants pay: reload it, restart it, run it with both seams as
//! encoded bytes. The sandbox's bank, merchants and checker judge the whole program from outside.

use sandbox::history::ClientEvent;
use sandbox::load::Workload;
use sandbox::merchant::envelope::Recipe;
use sandbox::merchant::{Order, Outcome, Tries};
use sandbox::operation::Operation;
use sandbox::run::{Judged, judged};
use sandbox::upheaval::Upheaval;
use sandbox::world::{Options, World};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

const TRIES: Tries = Tries { count: 400, gap: Duration::from_millis(50) };

pub(super) fn options(seed: u64) -> Options {
    let protocols = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols");
    let mut options = Options::honest(seed, vec![env!("CARGO_BIN_EXE_tidegate").into()], protocols);
    // A machine that is busy with other tests is no silent host.
    options.reply_timeout = Duration::from_secs(10);
    options
}

async fn pays_through(upheaval: Upheaval, payments: u64) -> Judged {
    let options = Options { upheaval, ..options(11) };
    let workload =
        Workload { payments, concurrency: 16, rate: None, tricks: false, mix: true, tries: TRIES };
    let judged = judged(options, workload, Arc::new(|_: &str| {})).await.unwrap();
    assert_eq!(judged.violations, []);
    assert_eq!((judged.summary.payments, judged.summary.pending), (payments, 0));
    judged
}

/// `sandbox --payments 20000 --reloads 1000` is the same at length.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_reloads_while_paying_fail_no_payment() {
    let judged = pays_through(Upheaval { reloads: 50, restarts: 0 }, 600).await;
    assert_eq!((judged.summary.reloads, judged.summary.unanswered), (50, 0));
    // What a merchant asks of an original may be refused, reloaded or not; nothing else is.
    let of_originals = [
        "already_captured",
        "already_voided",
        "amount_exceeds_original",
        "original_not_approved",
        "original_not_final",
        "use_refund",
    ];
    let failed = judged.evidence.history.iter().filter(|event| event.status >= Some(400));
    let other = failed.filter(|event| !of_originals.contains(&event.note.as_deref().unwrap()));
    assert_eq!(other.collect::<Vec<_>>(), Vec::<&ClientEvent>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_loses_no_payment() {
    let judged = pays_through(Upheaval { reloads: 0, restarts: 2 }, 200).await;
    assert_eq!((judged.summary.restarts, judged.summary.kills), (2, 0));
}

pub(super) fn order(op: u64, minor: i64) -> Order {
    Order {
        op,
        key: format!("operated-{op}"),
        order_id: format!("O-{op}"),
        minor,
        currency: "EUR".to_owned(),
        number: "4000000000000002".to_owned(),
        with_code: true,
        recipe: Recipe::EcdhEs,
        operation: Operation::Purchase,
        original: None,
        with_amount: true,
    }
}

pub(super) async fn result(world: &World, order: Order) -> String {
    match world.merchants[0].pay(&order, None, TRIES).await.unwrap().outcome {
        Outcome::Told(told) => told.result,
        Outcome::Refused(code) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_paid_with_both_seams_as_encoded_bytes() {
    let mut options = options(12);
    options.environment.push(("TIDEGATE__GATEWAY__SEAMS".to_owned(), "encoded".to_owned()));
    let world = World::open(options).await.unwrap();
    let log = fs::read_to_string(world.gateway.lock().await.log_file()).unwrap();
    assert!(log.contains("\"seams\":\"Encoded\""), "{log}");
    for op in 0..20 {
        assert_eq!(result(&world, order(op, 1_000)).await, "approved");
    }
    assert_eq!(result(&world, Order { minor: 2_000, ..order(0, 0) }).await, "idempotency_mismatch");
    world.stop_gateway().await.unwrap();
    let (_, journal) = world.gateway.lock().await.journal().unwrap();
    assert_eq!(journal.iter().filter(|record| record.kind == "answered").count(), 20);
}

/// A world whose configuration and definitions are its own, to be edited.
struct Edited {
    world: World,
    config: PathBuf,
}

impl Edited {
    async fn open() -> Self {
        let upheaval = Upheaval { reloads: 1, restarts: 0 };
        let world = World::open(Options { upheaval, ..options(13) }).await.unwrap();
        let config = world.path().join("tidegate.toml");
        Self { world, config }
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.config.with_file_name(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} is not in {file}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// A command to the gateway of a file.
    fn command(&self, words: &[&str], file: &Path) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(words).arg("-c").arg(file).output().unwrap()
    }

    /// `tidegate reload`: what it says.
    fn reload(&self, arguments: &[&str]) -> (bool, String) {
        let words = [&["reload"], arguments].concat();
        let Output { status, stdout, stderr } = self.command(&words, &self.config);
        assert_eq!(String::from_utf8_lossy(&stderr), "");
        (status.success(), String::from_utf8(stdout).unwrap())
    }

    fn taken(&self) -> String {
        let (taken, told) = self.reload(&[]);
        assert!(taken, "{told}");
        told
    }

    /// The keys of the faults.
    fn refused(&self) -> Vec<String> {
        let (taken, told) = self.reload(&["--json"]);
        assert!(!taken, "{told}");
        let told: Value = serde_json::from_str(&told).unwrap();
        let faults = told["faults"].as_array().unwrap().iter();
        let keys = faults.map(|fault| fault["key"].as_str().unwrap().to_owned());
        let mut keys: Vec<String> = keys.collect();
        keys.dedup();
        keys
    }

    async fn result(&self, op: u64, minor: i64) -> String {
        result(&self.world, order(op, minor)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_merchants_limits_and_keys_at_once_and_refuses_what_needs_a_restart() {
    let edited = Edited::open().await;
    assert_eq!(edited.result(1, 5_000).await, "approved");
    assert_eq!(edited.taken(), "reloaded\n");

    edited.edit("tidegate.toml", "EUR = 10000000", "EUR = 4000");
    let told = edited.taken();
    assert_eq!(told, "changed: merchant m-1001: changed\nreloaded\n");
    assert_eq!(edited.result(2, 5_000).await, "limit_exceeded");
    assert_eq!(edited.result(3, 4_000).await, "approved");

    edited.edit("tidegate.toml", "EUR = 4000", "EUR = 3000");
    edited.edit("tidegate.toml", "in_flight_max = 4096", "in_flight_max = 4095");
    edited.edit("tidegate.toml", "data_dir = \"data\"", "data_dir = \"elsewhere\"");
    assert_eq!(edited.refused(), ["gateway.data_dir", "host[0].in_flight_max"]);
    // Nothing of it was taken.
    assert_eq!(edited.result(4, 4_000).await, "approved");
    edited.edit("tidegate.toml", "in_flight_max = 4095", "in_flight_max = 4096");
    edited.edit("tidegate.toml", "data_dir = \"elsewhere\"", "data_dir = \"data\"");

    // A key revoked is a merchant unknown, from the next request on.
    edited.edit("tidegate.toml", "id = \"m-1001-2026\"", "id = \"m-1001-2027\"");
    edited.taken();
    assert_eq!(edited.result(5, 1_000).await, "not_authenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_with_a_bad_definition_certificate_or_vector_leaves_everything_as_it_was() {
    const MAPPING: &str = "protocols/mappings/iso87-ascii.toml";
    const DIALECT: &str = "protocols/dialects/iso87-ascii/dialect.toml";
    const REVERSED: &str = "mti = \"0200\"\non_silence = \"reversal\"";
    let edited = Edited::open().await;
    edited.edit("tidegate.toml", "EUR = 10000000", "EUR = 4000");
    edited.edit(MAPPING, REVERSED, &REVERSED.replace("reversal", "hope"));
    edited.edit("tidegate.toml", "tls-first.key", "tls-second.key");
    assert_eq!(edited.refused(), ["host[0]", "channel[0].tls"]);
    assert_eq!(edited.result(1, 5_000).await, "approved");
    edited.edit(MAPPING, &REVERSED.replace("reversal", "hope"), REVERSED);
    edited.edit("tidegate.toml", "tls-second.key", "tls-first.key");

    // Sound in itself, and against its vectors.
    edited.edit(MAPPING, "{ constant = \"812\" }", "{ constant = \"010\" }");
    let faults = edited.refused();
    assert!(!faults.is_empty() && faults.iter().all(|key| key == "host[0]"), "{faults:?}");
    edited.edit(MAPPING, "{ constant = \"010\" }", "{ constant = \"812\" }");

    // By another match key a reply would miss the request that is under way.
    edited.edit(DIALECT, "financial = [7, 11, 37, 41, 42]", "financial = [7, 11, 37, 41]");
    assert_eq!(edited.refused(), ["host bank"]);
    edited.edit(DIALECT, "financial = [7, 11, 37, 41]", "financial = [7, 11, 37, 41, 42]");
    assert_eq!(edited.result(2, 5_000).await, "approved");
    let told = edited.taken();
    assert_eq!(told, "changed: merchant m-1001: changed\nreloaded\n");

    // A file that is half edited is the gateway's to refuse, and keeps nobody from operating it.
    edited.edit("tidegate.toml", "EUR = 4000", "EUR = \"lots\"");
    assert_eq!(edited.refused(), ["merchant[0].amount_max.EUR"]);
    let status = edited.command(&["status"], &edited.config);
    assert!(status.status.success(), "{status:?}");
    edited.edit("tidegate.toml", "EUR = \"lots\"", "EUR = 4000");

    let other = edited.config.with_file_name("other.toml");
    fs::copy(&edited.config, &other).unwrap();
    let told = edited.command(&["reload"], &other);
    assert!(!told.status.success() && String::from_utf8_lossy(&told.stderr).contains("runs with"));

    let refused = "tidegate_reloads_total{result=\"refused\"} 4";
    let page = metrics(&edited.world).await;
    assert!(page.contains(refused), "{page}");
}

pub(super) async fn metrics(world: &World) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = world.gateway.lock().await.ports().unwrap().internal;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    page
}
