//! Stories of configurations: what loads, and how what does not load is shown.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use super::{
    Config, ConfigErrors, DateSource, LogFormat, Mode, SecretRef, load_with, needs_restart,
};
use crate::edge::limits::Limits;
use crate::keys::algorithm::Algorithm;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tidegate_line::keep_alive::KeepAlives;
use tidegate_payment::id::HostId;

/// All that must be set, and nothing else.
const LEAST: &str = r#"[gateway]
name = "tidegate-1"
mode = "development"
time_zone = "Europe/Berlin"

[keys]
file = "keys/tidegate.keys"
passphrase = { env = "TIDEGATE_KEY_PASSPHRASE" }

[[channel]]
name = "rest"
kind = "rest"
listen = "127.0.0.1:8443"
public_address = "https://localhost:8443"
tls = { certificate = "tls.pem", key = "tls.key" }

[[host]]
name = "bank"
dialect = "iso87-ascii"
mapping = "iso87-ascii"
frame = "length-be2"
acquirer = "00000123456"
[[host.line]]
name = "a"
address = "127.0.0.1:5001"
"#;

const MERCHANT: &str = r#"[[merchant]]
id = "m-1001"
name = "Corner Books"
time_zone = "Europe/Berlin"
category = "5942"
terminal = "TERM0001"
acceptor = "CORNERBOOKS0001"
name_location = "Corner Books           Berlin       DE"
host = "bank"
currencies = ["EUR"]
amount_max = { EUR = 500000 }
[[merchant.key]]
id = "m-1001-2026"
algorithm = "ed25519"
public_key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
"#;

/// A folder of configuration files.
struct Folder(TempDir);

impl Folder {
    fn new(main: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tidegate.toml"), main).unwrap();
        Self(folder)
    }

    fn with(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load_with(&self.path("tidegate.toml"), &environment.collect())
    }

    /// The faults as an operator sees them, with the folder's name left out.
    #[track_caller]
    fn faults(&self, environment: &[(&str, &str)]) -> String {
        let shown = self.load(environment).unwrap_err().to_string();
        shown.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/tidegate.toml")
}

#[test]
fn the_shipped_file_names_every_default() {
    let shipped = load_with(&shipped(), &BTreeMap::new()).unwrap();
    let least = Folder::new(LEAST).load(&[]).unwrap();
    assert_eq!(shipped.channels[0].limits, Limits::default());
    assert_eq!(shipped.channels[0].limits, least.channels[0].limits);
    assert_eq!(shipped.channels[0].signature_window, least.channels[0].signature_window);
    assert_eq!(shipped.journal, least.journal);
    assert_eq!(shipped.engine, least.engine);
    assert_eq!(shipped.reversal, least.reversal);
    assert_eq!(shipped.gateway.log, least.gateway.log);
    assert_eq!(shipped.gateway.drain_timeout, least.gateway.drain_timeout);
    assert_eq!(shipped.gateway.business_day_ends, least.gateway.business_day_ends);
    assert_eq!(shipped.internal.listen, least.internal.listen);
    assert_eq!(shipped.internal.ready_age_max, least.internal.ready_age_max);
    let (mut host, default) = (shipped.hosts[0].clone(), least.hosts[0].clone());
    host.lines.truncate(1);
    assert_eq!(host, default);
    assert_eq!(shipped.merchants.len(), 1);
    let text = std::fs::read_to_string(self::shipped()).unwrap();
    let named = |field: &str| {
        let words = |line: &str| line.split([' ', '{', '"']).any(|word| word == field);
        text.lines().any(words)
    };
    let parts = include_str!("raw.rs").split([',', '{', '}', '\n']);
    let keys = parts.filter_map(|part| part.trim().split_once(": "));
    let keys = keys.filter(|(_, kind)| ["Number", "Text"].contains(kind));
    assert!(keys.clone().count() > 60);
    let missing: Vec<_> = keys.map(|(key, _)| key).filter(|key| !named(key)).collect();
    assert_eq!(missing, [""; 0], "keys that the shipped file does not show");
}

#[test]
fn paths_start_at_the_folder_of_the_main_file() {
    let folder = Folder::new(LEAST);
    let config = folder.load(&[]).unwrap();
    assert_eq!(config.gateway.data_dir, folder.path("data"));
    assert_eq!(config.gateway.protocols_dir, folder.path("protocols"));
    assert_eq!(config.keys.file, folder.path("keys/tidegate.keys"));
    assert_eq!(config.channels[0].tls.key, folder.path("tls.key"));
    assert_eq!(config.internal.control_socket, folder.path("tidegate.sock"));
    assert_eq!(config.hosts[0].frame.name(), "length-be2");
    assert_eq!(config.gateway.mode, Mode::Development);
}

#[test]
fn later_layers_replace_single_keys_and_join_lists() {
    let more = r#"
[gateway]
drain_timeout_ms = 1000
[gateway.log]
format = "text"
"#;
    let other = MERCHANT.replace("1001", "1002");
    let folder = Folder::new(&format!("{LEAST}{MERCHANT}"))
        .with("conf.d/10-more.toml", more)
        .with("conf.d/20-merchant.toml", &other)
        .with("conf.d/notes.txt", "not read");
    let environment = [
        ("TIDEGATE__GATEWAY__NAME", "tidegate-9"),
        ("TIDEGATE__JOURNAL__UNAPPLIED_MAX", "5000"),
        ("TIDEGATE_KEY_PASSPHRASE", "not configuration"),
    ];
    let config = folder.load(&environment).unwrap();
    assert_eq!(config.gateway.name, "tidegate-9");
    assert_eq!(config.gateway.drain_timeout, Duration::from_secs(1));
    assert_eq!(config.gateway.log.format, LogFormat::Text);
    assert_eq!(config.journal.unapplied_max, 5_000);
    let ids: Vec<_> = config.merchants.iter().map(|merchant| merchant.id.as_str()).collect();
    assert_eq!(ids, ["m-1001", "m-1002"]);
}

#[test]
fn a_frame_with_a_header_needs_one_and_only_who_sends_empty_frames_says_how_often() {
    let frame = |text: &str| LEAST.replace("frame = \"length-be2\"", text);
    let tpdu = "frame = \"length-be2-tpdu\"\nheader = \"6000030000\"\nkeep_alives = \"send\"";
    let config = Folder::new(&frame(tpdu)).load(&[]).unwrap();
    assert_eq!(config.hosts[0].header, [0x60, 0, 3, 0, 0]);
    let every = Duration::from_secs(30);
    assert_eq!(config.hosts[0].keep_alives, KeepAlives::Send { every });
    for (text, fault) in [
        ("frame = \"length-be2-tpdu\"", "host[0].header: is missing"),
        ("frame = \"length-be2\"\nheader = \"60\"", "no header, in hex digits is wanted"),
        (
            "frame = \"cups\"\nheader = \"6000030000\"",
            "46 bytes, the first of them 0x2E, in hex digits is wanted",
        ),
        (
            "frame = \"length-be2\"\nkeep_alives = \"both\"",
            "\"ignore\" or \"answer\" or \"send\" is wanted",
        ),
        (
            "frame = \"length-be2\"\nkeep_alives_every_ms = 1000",
            "host[0].keep_alives_every_ms: says how often, and none are sent",
        ),
    ] {
        let shown = Folder::new(&frame(text)).faults(&[]);
        assert!(shown.contains(fault), "{text}: {shown}");
    }
}

#[test]
fn all_faults_are_shown_at_once_each_with_its_line_and_a_caret() {
    let text = LEAST
        .replace("mode = \"development\"", "mode = \"prod\"\ndrain_timeout = 5")
        .replace("listen = \"127.0.0.1:8443\"", "listen = 8443")
        .replace("frame = \"length-be2\"", "frame = \"length-be2\"\nin_flight_max = 0");
    let folder =
        Folder::new(&text).with("conf.d/merchant.toml", &MERCHANT.replace("EUR = ", "USD = "));
    let shown = folder.faults(&[]);
    let expected = r#"error: merchant[0].amount_max.USD: is no currency of this merchant
  --> conf.d/merchant.toml:11:22
   |
11 | amount_max = { USD = 500000 }
   |                      ^^^^^^ one of its currencies

error: merchant[0].amount_max.EUR: is missing
  --> conf.d/merchant.toml:11:14
   |
11 | amount_max = { USD = 500000 }
   |              ^^^^^^^^^^^^^^^^ the largest amount in minor units is wanted

error: gateway.mode: "prod" is not expected
 --> tidegate.toml:3:8
  |
3 | mode = "prod"
  |        ^^^^^^ "development" or "production" is wanted

error: gateway.drain_timeout: unknown field `drain_timeout`, expected one of `name`, `mode`, `data_dir`, `protocols_dir`, `time_zone`, `business_day_ends`, `business_day`, `business_day_host`, `drain_timeout_ms`, `seams`, `log`
 --> tidegate.toml:4:1
  |
4 | drain_timeout = 5
  | ^^^^^^^^^^^^^ this is not expected

error: channel[0].listen: invalid type: integer `8443`, expected a string
  --> tidegate.toml:14:10
   |
14 | listen = 8443
   |          ^^^^ this is not expected

error: host[0].in_flight_max: 0 is out of range
  --> tidegate.toml:23:17
   |
23 | in_flight_max = 0
   |                 ^ 1 to 100000 is wanted

The configuration has 6 faults."#;
    assert_eq!(shown, expected);
}

#[test]
fn text_that_is_no_toml_is_shown() {
    let shown = Folder::new(&LEAST.replace("[keys]", "[keys")).faults(&[]);
    assert!(shown.contains("tidegate.toml:6:"), "{shown}");
    assert!(shown.contains("6 | [keys\n"), "{shown}");
    assert!(
        shown.ends_with("The configuration has 1 fault."),
        "nothing is told as missing: {shown}"
    );
}

#[test]
fn a_list_that_cannot_be_read_is_not_told_as_missing() {
    let (before, _) = LEAST.split_once("[[host]]").unwrap();
    let shown = Folder::new(&format!("host = 5\n{before}")).faults(&[]);
    assert!(shown.contains("host: invalid type: integer `5`"), "{shown}");
    assert!(shown.ends_with("The configuration has 1 fault."), "{shown}");
}

#[test]
fn a_file_that_nobody_could_have_written_is_refused() {
    let shown = Folder::new(&"#".repeat(5 << 20)).faults(&[]);
    assert!(shown.contains("cannot be read: it is longer than 4 MiB"), "{shown}");
    assert!(shown.contains("--> tidegate.toml"), "{shown}");
}

#[test]
fn a_control_socket_fits_into_a_socket_address() {
    let folder = Folder::new(LEAST);
    let room = 107 - folder.path("").as_os_str().len();
    let name = |length: usize| {
        let line = format!("[internal]\ncontrol_socket = \"{}\"\n", "s".repeat(length));
        std::fs::write(folder.path("tidegate.toml"), format!("{line}{LEAST}")).unwrap();
    };
    name(room);
    folder.load(&[]).unwrap();
    name(room + 1);
    let shown = folder.faults(&[]);
    assert!(shown.contains("internal.control_socket: is 108 bytes long"), "{shown}");
    assert!(shown.contains("2 | control_socket = "), "{shown}");
}

/// A route to the only host.
const ROUTE: &str = "[[route]]\nname = \"visa\"\nhost = \"bank\"\nbins = [\"4\"]\n";

#[test]
fn routes_of_all_files_are_joined_and_each_fault_is_shown_where_it_stands() {
    let other = ROUTE.replace("visa", "debit").replace("\"4\"", "\"5\"");
    let folder = Folder::new(&format!("{LEAST}{ROUTE}")).with("conf.d/10-routes.toml", &other);
    let config = folder.load(&[]).unwrap();
    let names: Vec<_> = config.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["visa", "debit"]);
    let wrong = other.replace("\"5\"", "\"5x\"").replace("\"bank\"", "\"bunk\"");
    let shown = folder.with("conf.d/10-routes.toml", &wrong).faults(&[]);
    assert!(shown.contains("conf.d/10-routes.toml:3:8"), "{shown}");
    assert!(shown.contains("route[1].host: \"bunk\" is not expected"), "{shown}");
    assert!(shown.contains("route[1].bins: \"5x\" is not expected"), "{shown}");
}

#[test]
fn a_route_for_refunds_is_refused_for_they_follow_their_original() {
    let text = format!("{LEAST}{ROUTE}operations = [\"purchase\", \"refund\"]\n");
    let shown = Folder::new(&text).faults(&[]);
    assert!(shown.contains("route[0].operations: \"refund\" goes where its original"), "{shown}");
    assert!(shown.ends_with("The configuration has 1 fault."), "{shown}");
}

#[test]
fn a_route_and_a_host_are_never_of_one_name() {
    let shown = Folder::new(&format!("{LEAST}{}", ROUTE.replace("visa", "bank"))).faults(&[]);
    assert!(shown.contains("route[0].name: \"bank\" occurs twice"), "{shown}");
    assert!(shown.contains("a name of its own, and no host's is wanted"), "{shown}");
}

#[test]
fn what_is_missing_is_shown_at_its_table() {
    let shown = Folder::new(&LEAST.replace("acquirer = \"00000123456\"\n", "")).faults(&[]);
    assert!(shown.contains("error: host[0].acquirer: is missing"), "{shown}");
    assert!(shown.contains("17 | [[host]]"), "{shown}");
    assert!(shown.contains("1 to 11 digits is wanted"), "{shown}");
    let nothing = Folder::new("").faults(&[]);
    for key in ["gateway.name", "gateway.mode", "keys.file", "keys.passphrase", "channel", "host"] {
        assert!(nothing.contains(&format!("error: {key}: is missing")), "{key} {nothing}");
    }
}

#[test]
fn a_secret_written_into_the_file_is_not_repeated() {
    let text = LEAST.replace("{ env = \"TIDEGATE_KEY_PASSPHRASE\" }", "\"open sesame\"");
    let folder = Folder::new(&text);
    let variable = [("TIDEGATE__KEYS__PASSPHRASE", "open sesame")];
    let shown = folder.faults(&variable);
    assert!(shown.contains("tidegate.toml:8:14"), "{shown}");
    assert!(shown.contains("environment variable TIDEGATE__KEYS__PASSPHRASE"), "{shown}");
    assert!(!shown.contains("sesame"), "{shown}");
    let errors = folder.load(&variable).unwrap_err();
    assert!(!serde_json::to_string(&errors.faults).unwrap().contains("sesame"));
}

#[test]
fn a_faulty_variable_is_named() {
    let environment = [
        ("TIDEGATE__GATEWAY__NMAE", "x"),
        ("TIDEGATE__JOURNAL__UNAPPLIED_MAX", "7"),
        ("TIDEGATE__HOST__NAME", "other"),
    ];
    let shown = Folder::new(LEAST).faults(&environment);
    assert!(shown.contains("environment variable TIDEGATE__GATEWAY__NMAE"), "{shown}");
    assert!(shown.contains("journal.unapplied_max: 7 is out of range"), "{shown}");
    assert!(shown.contains("environment variable TIDEGATE__JOURNAL__UNAPPLIED_MAX"), "{shown}");
    assert!(shown.contains("channels, hosts, routes and merchants are set in files"), "{shown}");
}

#[test]
fn names_that_must_differ_do() {
    let twice = format!("{LEAST}{MERCHANT}{}", MERCHANT.replace("m-1001\"", "m-1002\""));
    let shown = Folder::new(&twice).faults(&[]);
    assert!(shown.contains("merchant[1].key[0].id: \"m-1001-2026\" occurs twice"), "{shown}");
    let unknown = format!("{LEAST}{}", MERCHANT.replace("\"bank\"", "\"bunk\""));
    let shown = Folder::new(&unknown).faults(&[]);
    assert!(shown.contains("the name of a [[host]] is wanted"), "{shown}");
}

/// The P-256 key of RFC 9421, B.1.3.
const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf\
                    w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==";

#[test]
fn a_merchants_keys_are_read_with_their_algorithm_and_their_time() {
    let more = format!(
        r#"not_after = "2027-01-31T12:00:00+01:00"
[[merchant.key]]
id = "m-1001-2027"
algorithm = "ecdsa-p256-sha256"
public_key = """
-----BEGIN PUBLIC KEY-----
{P256}
-----END PUBLIC KEY-----
"""
not_before = "2027-01-01T00:00:00Z"
[[merchant.key]]
id = "m-1001-lost"
algorithm = "ecdsa-p256-sha256"
public_key = "{P256}"
revoked = true
"#
    );
    let config = Folder::new(&format!("{LEAST}{MERCHANT}{more}")).load(&[]).unwrap();
    let merchant = &config.merchants[0];
    assert_eq!(merchant.response_algorithm, Algorithm::Ed25519);
    assert_eq!(merchant.client_certificate, None);
    assert_eq!(merchant.keys.len(), 3);
    let (old, new, lost) = (&merchant.keys[0], &merchant.keys[1], &merchant.keys[2]);
    assert_eq!(old.public_key.algorithm(), Algorithm::Ed25519);
    assert_eq!(old.not_after.unwrap().as_second(), 1_801_393_200);
    assert_eq!(new.public_key, lost.public_key);
    assert_eq!(new.not_before.unwrap().as_second(), 1_798_761_600);
    assert_eq!([old.revoked, new.revoked, lost.revoked], [false, false, true]);
}

#[test]
fn a_merchants_key_that_cannot_be_used_is_shown() {
    let refused = |change: &dyn Fn(&str) -> String| {
        Folder::new(&format!("{LEAST}{}", change(MERCHANT))).faults(&[])
    };
    let shown = refused(&|text| text.replace("\"ed25519\"", "\"hmac-sha256\""));
    let names = r#""ed25519" or "ecdsa-p256-sha256" or "rsa-pss-sha512" or "rsa-v1_5-sha256" is"#;
    assert!(shown.contains(names), "{shown}");
    let shown = refused(&|text| text.replace("\"ed25519\"", "\"rsa-pss-sha512\""));
    assert!(shown.contains("key[0].public_key: no SubjectPublicKeyInfo"), "{shown}");
    let shown = refused(&|text| text.replace("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", P256));
    assert!(shown.contains("a key of another kind than ed25519 takes"), "{shown}");
    let shown = refused(&|text| format!("{text}not_before = \"tomorrow\"\n"));
    assert!(shown.contains("a time such as \"2027-01-31T12:00:00Z\" is wanted"), "{shown}");
    let never = "not_before = \"2027-01-01T00:00:00Z\"\nnot_after = \"2026-01-01T00:00:00Z\"\n";
    let shown = refused(&|text| format!("{text}{never}"));
    assert!(shown.contains("key[0].not_after: lies before not_before"), "{shown}");
    let answers = |text: &str| text.replace("host =", "response_algorithm = \"none\"\nhost =");
    let shown = refused(&answers);
    assert!(shown.contains("merchant[0].response_algorithm: \"none\" is not expected"), "{shown}");
}

#[test]
fn client_certificates_are_asked_for_by_a_channel_and_bound_to_merchants() {
    let asking = LEAST.replace(
        "key = \"tls.key\" }",
        "key = \"tls.key\", client_certificates = { ca = \"ca.pem\", required = false } }",
    );
    let bound = |binding: &str| {
        MERCHANT.replace("host =", &format!("client_certificate = {binding}\nhost ="))
    };
    let hash = "ab".repeat(32);
    let both = format!("{{ spki_sha256 = \"{hash}\", subject = \"CN=shop.example,C=DE\" }}");
    let folder = Folder::new(&format!("{asking}{}", bound(&both)));
    let config = folder.load(&[]).unwrap();
    let clients = config.channels[0].tls.client_certificates.as_ref().unwrap();
    assert_eq!((&clients.ca, clients.required), (&folder.path("ca.pem"), false));
    let binding = config.merchants[0].client_certificate.as_ref().unwrap();
    assert_eq!(binding.spki_sha256, Some([0xab; 32]));
    assert!(binding.subject.is_some());

    let cases = [
        (format!("{LEAST}{}", bound(&both)), "no channel asks for client certificates"),
        (format!("{asking}{}", bound("{}")), "client_certificate: binds to nothing"),
        (
            format!("{asking}{}", bound("{ spki_sha256 = \"ab\" }")),
            "64 hexadecimal digits is wanted",
        ),
        (format!("{asking}{}", bound("{ subject = \"shop\" }")), "a name such as"),
        (asking.replace("ca = \"ca.pem\", ", ""), "client_certificates.ca: is missing"),
    ];
    for (text, fault) in cases {
        let shown = Folder::new(&text).faults(&[]);
        assert!(shown.contains(fault), "{fault} is not in\n{shown}");
    }
}

#[test]
fn production_refuses_the_test_keys_of_a_standard() {
    let text = LEAST.replace("\"development\"", "\"production\"");
    let merchant = MERCHANT
        .replace("\"ed25519\"", "\"ecdsa-p256-sha256\"")
        .replace("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", P256);
    let shown = Folder::new(&format!("{text}{merchant}")).faults(&[]);
    assert!(shown.contains("public_key: is a test key of RFC 9421"), "{shown}");
}

#[test]
fn production_refuses_what_is_for_trying() {
    let text = std::fs::read_to_string(shipped()).unwrap();
    let text = text
        .replace("mode = \"development\"", "mode = \"production\"")
        .replace("level = \"info\"", "level = \"trace\"")
        .replace("127.0.0.1:9464", "0.0.0.0:9464");
    let shown = Folder::new(&text).faults(&[]);
    for fault in [
        "gateway.log.level: tells too much",
        "internal.listen: would face every network",
        "keys.file: lies among the example keys",
        "channel[0].tls.key: lies among the example keys",
        "channel[0].public_address: is the machine itself",
        "merchant[0].key[0].public_key: is the example key: anybody can sign with it",
    ] {
        assert!(shown.contains(fault), "{fault} is not in\n{shown}");
    }
}

#[test]
fn production_refuses_a_key_that_others_may_read() {
    let text =
        LEAST.replace("\"development\"", "\"production\"").replace("localhost", "pay.bank.example");
    let folder = Folder::new(&text).with("tls.key", "").with("keys/tidegate.keys", "");
    let open = std::fs::Permissions::from_mode(0o640);
    let closed = || std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(folder.path("tls.key"), open).unwrap();
    std::fs::set_permissions(folder.path("keys/tidegate.keys"), closed()).unwrap();
    let shown = folder.faults(&[]);
    assert!(shown.contains("channel[0].tls.key: others may read"), "{shown}");
    assert!(shown.ends_with("The configuration has 1 fault."), "{shown}");
    std::fs::set_permissions(folder.path("tls.key"), closed()).unwrap();
    folder.load(&[]).unwrap();
}

#[test]
fn production_refuses_the_example_certificate_wherever_it_lies() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut wanted = rcgen::CertificateParams::new(["pay.bank.example".to_owned()]).unwrap();
    wanted.distinguished_name.push(rcgen::DnType::OrganizationName, "Tidegate example");
    let made = wanted.self_signed(&key).unwrap();
    let text = LEAST.replace("\"development\"", "\"production\"");
    let folder = Folder::new(&text.replace("localhost", "pay.bank.example"))
        .with("tls.pem", &made.pem())
        .with("tls.key", &key.serialize_pem());
    let closed = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(folder.path("tls.key"), closed).unwrap();
    let shown = folder.faults(&[]);
    assert!(shown.contains("channel[0].tls.certificate: is an example certificate"), "{shown}");
    assert!(shown.ends_with("The configuration has 1 fault."), "{shown}");
}

#[test]
fn a_secret_is_read_from_its_file_without_the_line_end() {
    let folder = Folder::new("").with("pass", "correct horse \n");
    let secret = SecretRef::File(folder.path("pass"));
    assert_eq!(secret.read().unwrap().as_str(), "correct horse ");
    let missing = SecretRef::Env("TIDEGATE_NO_SUCH_VARIABLE".to_owned());
    assert!(missing.read().unwrap_err().to_string().contains("TIDEGATE_NO_SUCH_VARIABLE"));
}

#[test]
fn bounds_follow_from_the_limits() {
    let config = Folder::new(LEAST).load(&[]).unwrap();
    let bounds = config.bounds();
    let find = |name: &str| bounds.iter().find(|bound| bound.name.contains(name)).unwrap().value;
    assert_eq!(find("repeated advices a second to host bank"), 51);
    assert_eq!(find("host bank that may owe"), 20_000);
    // 512 in flight, a fifth kept: 409 in 7.5 s, in 15 s.
    assert_eq!(find("window of host bank"), 409);
    assert_eq!(find("host bank when its replies are barely in time"), 54);
    assert_eq!(find("host bank while it is silent"), 27);
    assert_eq!(find("new requests under way on channel rest"), 819);
    assert_eq!(find("only questions, voids and refunds"), 205);
    assert_eq!(find("requests of channel rest"), (8_192 + 65_536) * (4_096 + 1_024));
}

#[test]
fn room_for_reversals_is_the_least_of_what_memory_and_ballast_hold() {
    let open_max = |from: &str, to: &str| {
        let config = Folder::new(&LEAST.replace(from, to)).load(&[]).unwrap();
        config.open_max_of(&config.hosts[0])
    };
    assert_eq!(open_max("acquirer = ", "open_payments_max = 7\nacquirer = "), 7);
    assert_eq!(open_max("[[host]]", "[engine]\nopen_payments_max = 9\n[[host]]"), 9);
    assert_eq!(open_max("[[host]]", "[journal]\nballast_bytes = 1048576\n[[host]]"), 1_365);
    assert_eq!(open_max("[[host]]", "[journal]\nballast_bytes = 0\n[[host]]"), 20_000);
}

#[test]
fn the_business_date_is_moved_by_the_clock_or_by_one_host() {
    let with = |keys: &str| Folder::new(&LEAST.replace("mode = ", &format!("{keys}\nmode = ")));
    let source = |keys: &str| with(keys).load(&[]).unwrap().gateway.business_day;
    let bank = HostId::parse("bank").unwrap();
    assert_eq!(source(""), DateSource::Clock);
    assert_eq!(source("business_day = \"host\""), DateSource::Host(bank.clone()));
    let named = "business_day = \"host\"\nbusiness_day_host = \"bank\"";
    assert_eq!(source(named), DateSource::Host(bank));
    for (keys, fault) in [
        ("business_day = \"moon\"", "gateway.business_day: \"moon\" is not expected"),
        ("business_day_host = \"bank\"", "gateway.business_day_host: moves nothing"),
        (
            "business_day = \"host\"\nbusiness_day_host = \"mars\"",
            "gateway.business_day_host: \"mars\" is no host",
        ),
    ] {
        let shown = with(keys).faults(&[]);
        assert!(shown.contains(fault), "{fault} in {shown}");
    }
    let second = LEAST.split("[[host]]").nth(1).unwrap().replace("bank", "bank-2");
    let two = LEAST.replace("mode = ", "business_day = \"host\"\nmode = ");
    let shown = Folder::new(&format!("{two}[[host]]{second}")).faults(&[]);
    assert!(shown.contains("gateway.business_day_host: is missing"), "{shown}");
}

#[test]
fn what_a_running_gateway_can_take_is_told_from_what_needs_a_restart() {
    let text = format!("{LEAST}{MERCHANT}");
    let folder = Folder::new(&text);
    let running = folder.load(&[]).unwrap();
    let names = |edits: &[(&str, &str)]| -> Vec<String> {
        let edited = edits.iter().fold(text.clone(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        let mut wanted = Folder::new(&edited).load(&[]).unwrap();
        // Each lies in a folder of its own.
        wanted.file.clone_from(&running.file);
        wanted.gateway.data_dir.clone_from(&running.gateway.data_dir);
        wanted.keys.file.clone_from(&running.keys.file);
        wanted.internal.control_socket.clone_from(&running.internal.control_socket);
        let faults = needs_restart(&running, &wanted);
        assert!(faults.iter().all(|fault| fault.picture.contains("needs a restart")));
        faults.into_iter().map(|fault| fault.key).collect()
    };
    assert!(names(&[]).is_empty());
    let at_once = [
        ("EUR = 500000", "EUR = 400000"),
        ("m-1001-2026", "m-1001-2027"),
        ("tls.pem", "tls-2027.pem"),
        ("https://localhost:8443", "https://pay.example:8443"),
        ("mapping = \"iso87-ascii\"", "mapping = \"other\""),
        ("acquirer = \"00000123456\"", "acquirer = \"00000123457\""),
        ("mode = ", "log = { level = \"debug\" }\ndrain_timeout_ms = 7\nmode = "),
        (
            "kind = ",
            "http2 = false\nlimits = { idle_time_ms = 70, http2_streams_max = 9 }\nkind = ",
        ),
    ];
    assert!(names(&at_once).is_empty());
    for (from, to, name) in [
        ("tidegate-1", "tidegate-2", "gateway.name"),
        ("Europe/Berlin", "Europe/Madrid", "gateway.time_zone"),
        ("mode = ", "seams = \"encoded\"\nmode = ", "gateway.seams"),
        ("TIDEGATE_KEY_PASSPHRASE", "OTHER", "keys.passphrase"),
        ("\"127.0.0.1:8443\"", "\"127.0.0.1:8444\"", "channel[0].listen"),
        ("name = \"rest\"", "name = \"web\"", "channel (added, removed or renamed)"),
        ("127.0.0.1:5001", "127.0.0.1:5002", "host[0].lines"),
        ("length-be2", "length-ascii4", "host[0].frame"),
        (
            "kind = ",
            "limits = { connections_max = 7 }\nkind = ",
            "channel[0].limits.connections_max",
        ),
        ("mode = ", "business_day = \"host\"\nmode = ", "gateway.business_day"),
        ("acquirer = ", "advices_per_second = 7\nacquirer = ", "host[0].advices_per_second"),
        ("acquirer = ", "open_payments_max = 7\nacquirer = ", "host[0].open_payments_max"),
        ("[[host]]", "[reversal]\nalarm_after_s = 9\n[[host]]", "reversal.alarm_after"),
        ("[[host]]", "[engine]\nwaiters_max = 1999\n[[host]]", "engine.waiters_max"),
        ("[[host]]", "[journal]\nballast_bytes = 0\n[[host]]", "journal.ballast_bytes"),
    ] {
        assert_eq!(names(&[(from, to)]), [name]);
    }
}
