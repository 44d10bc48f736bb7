//! What the command line needs from the parts of the daemon that it is not made of.

use super::outcome::Failure;
use crate::config::Config;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use zeroize::Zeroizing;

/// What reading a whole journal found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalReport {
    /// Segment files, archived ones included.
    pub segments: u64,
    /// Sound records.
    pub records: u64,
    /// Sequence of the last sound record; 0 for none.
    pub last_sequence: u64,
    /// Where and how the journal is damaged; none for a sound one.
    pub damage: Option<String>,
}

/// Runs a gateway until it is told to stop.
pub type Run = fn(Config) -> Result<(), Failure>;
/// Makes the keys of a new gateway: file, passphrase, whether they are marked as throw-away.
pub type InitKeys = fn(&Path, &Zeroizing<String>, bool) -> Result<(), Failure>;
/// Opens a key file and gives its public keys as a JWK set (RFC 7517), and whether they are throw-away.
pub type PublicKeys = fn(&Path, &Zeroizing<String>) -> Result<(serde_json::Value, bool), Failure>;
/// Reads the whole journal of a gateway.
pub type VerifyJournal = fn(&Config) -> Result<JournalReport, Failure>;
/// Writes the whole journal as lines of JSON.
pub type ExportJournal = fn(&Config, &mut dyn Write) -> Result<(), Failure>;

/// The parts of the daemon that the command line sets to work.
#[derive(Clone, Copy)]
pub struct Parts {
    /// `tidegate run`.
    pub run: Run,
    /// `tidegate keys init`.
    pub init_keys: InitKeys,
    /// `tidegate keys public`, and the keys' part of `tidegate check`.
    pub public_keys: PublicKeys,
    /// `tidegate journal verify`.
    pub verify_journal: VerifyJournal,
    /// `tidegate journal export`.
    pub export_journal: ExportJournal,
}

impl Parts {
    /// The parts of this program.
    pub fn built() -> Self {
        Self {
            run: |_| Err(absent("running the gateway")),
            init_keys: |_, _, _| Err(absent("making keys")),
            public_keys: |_, _| Err(absent("opening the keys")),
            verify_journal: |_| Err(absent("verifying the journal")),
            export_journal: |_, _| Err(absent("exporting the journal")),
        }
    }
}

fn absent(attempted: &str) -> Failure {
    Failure::new(attempted, "this program was built without that part")
}
