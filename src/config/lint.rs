//! Refuses what no gateway that handles real money may run with. Only in production mode.

use super::check::Checker;
use super::secret::SecretRef;
use super::values::{Config, LogLevel, Mode};
use crate::edge::tls;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

/// What the subject of every certificate made by `keys-example/make` contains.
const EXAMPLE_SUBJECT: &str = "Tidegate example";

/// The public key of the merchant whose private key lies in `keys-example/`, for all to read.
const EXAMPLE_MERCHANT_KEY: [u8; 32] = [
    0xe2, 0x18, 0x95, 0x33, 0xb9, 0xa9, 0x0e, 0xd7, 0x11, 0x2b, 0xbc, 0xbd, 0xf9, 0xc2, 0x50, 0xe0,
    0x8c, 0xe1, 0x22, 0x1b, 0x43, 0xa3, 0xb7, 0x96, 0x3d, 0xd9, 0xee, 0x8c, 0x43, 0x23, 0x8e, 0x93,
];

/// Tells each setting that production mode does not bear.
pub(super) fn lint(config: &Config, checker: &mut Checker) {
    if config.gateway.mode != Mode::Production {
        return;
    }
    const NO_EXAMPLE: &str = "keys of your own are wanted in production";
    if cfg!(feature = "sabotage") {
        let wanted = "a build without the feature `sabotage` is wanted in production";
        checker.fault("gateway.mode", "this program can plant bugs", wanted);
    }
    if matches!(config.gateway.log.level, LogLevel::Debug | LogLevel::Trace) {
        let wanted = "\"info\" or less is wanted in production";
        checker.fault("gateway.log.level", "tells too much", wanted);
    }
    if config.internal.listen.ip().is_unspecified() {
        let wanted = "the address of an inner interface is wanted in production";
        checker.fault("internal.listen", "would face every network", wanted);
    }
    secret_file(checker, "keys.file", &config.keys.file);
    if let SecretRef::File(path) = &config.keys.passphrase {
        secret_file(checker, "keys.passphrase", path);
    }
    for (index, channel) in config.channels.iter().enumerate() {
        let key = |name: &str| format!("channel[{index}].{name}");
        secret_file(checker, &key("tls.key"), &channel.tls.key);
        // A certificate that cannot be served is told by whoever serves it.
        let files = &channel.tls;
        let identity = tls::load(&files.certificate, &files.key, SystemTime::now());
        if identity.is_ok_and(|identity| identity.subject.contains(EXAMPLE_SUBJECT)) {
            let message = "is an example certificate: anybody has its key";
            checker.fault(&key("tls.certificate"), message, NO_EXAMPLE);
        }
        let host = channel.public_address.trim_start_matches("https://");
        let local = ["localhost", "127.", "[::1]"].iter().any(|name| host.starts_with(name));
        if local {
            let wanted = "the address that merchants see is wanted in production";
            checker.fault(&key("public_address"), "is the machine itself", wanted);
        }
    }
    for (index, merchant) in config.merchants.iter().enumerate() {
        for (number, held) in merchant.keys.iter().enumerate() {
            let key = format!("merchant[{index}].key[{number}].public_key");
            if held.public_key.bytes() == EXAMPLE_MERCHANT_KEY {
                checker.fault(&key, "is the example key: anybody can sign with it", NO_EXAMPLE);
            } else if held.public_key.is_published() {
                let message = "is a test key of RFC 9421: anybody can sign with it";
                checker.fault(&key, message, NO_EXAMPLE);
            }
        }
    }
}

/// A file that only its owner may read, and not one of the examples.
fn secret_file(checker: &mut Checker, key: &str, path: &Path) {
    if path.components().any(|part| part.as_os_str() == "keys-example") {
        checker.fault(key, "lies among the example keys", "a file of your own is wanted");
    }
    // A file that is not there is told by whoever opens it.
    let Ok(held) = std::fs::metadata(path) else { return };
    if held.permissions().mode() & 0o077 != 0 {
        let wanted = "a file that only its owner may read (chmod 600) is wanted";
        checker.fault(key, format!("others may read {}", path.display()), wanted);
    }
}
