//! What can go wrong, by name.

use std::fmt;

/// Something that can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The process is killed; what it wrote stays.
    Kill,
    /// The power fails: unsynced sectors are lost, torn or kept, each for itself.
    Power,
    /// The power fails again while the gateway starts.
    Nested,
    /// A sync takes seconds.
    SlowSync,
    /// A sync fails once, and later ones succeed without what it should have written.
    FailSync,
    /// A write fails half way.
    FailWrite,
    /// The disk is full for a while.
    DiskFull,
    /// The store refuses a group for a conflict.
    Conflict,
    /// The projection falls behind, or is lost in a power cut.
    Lag,
    /// Messages take long on the network.
    Delay,
    /// Connections break, and the bank is unreachable for a while.
    Cut,
    /// A connection swallows bytes without a word.
    HalfOpen,
    /// Frames come in pieces, and writers get stuck.
    Split,
    /// The bank hears nothing, or its answer is lost.
    Silent,
    /// The bank answers around the deadline or behind it.
    Late,
    /// The bank answers twice.
    Duplicate,
    /// The bank answers out of order, and on another line.
    Reorder,
    /// The bank's answer contradicts what was asked.
    Lie,
    /// The bank puts two answers into each other's place.
    Swap,
    /// The bank answers with a code that nobody knows.
    Unlisted,
    /// The bank refuses a reversal.
    Refuse,
    /// The bank answers 25 to a reversal though it knows the original.
    Unknown,
    /// A reversal overtakes its original inside the bank.
    Overtake,
    /// The bank moves its business date in the middle of everything.
    CutOver,
    /// The bank sends frames that nobody can read or asked for.
    Garbage,
    /// The bank signs off, and refuses sign-ons.
    SignOff,
    /// Merchants ask again with the same key.
    Retry,
    /// Merchants ask several times at once with the same key.
    Parallel,
    /// Merchants use a key for something else.
    Mismatch,
    /// Merchants hang up before the answer, or never hear it.
    Gone,
    /// Two follow-ups of one original, or two payments of one order, race.
    Race,
    /// The process stands still for seconds.
    Pause,
    /// The wall clock jumps, up to a day forth or back.
    Jump,
}

impl Fault {
    /// All of them.
    pub const ALL: [(Self, &'static str); 33] = [
        (Self::Kill, "kill"),
        (Self::Power, "power"),
        (Self::Nested, "nested"),
        (Self::SlowSync, "slow_sync"),
        (Self::FailSync, "fail_sync"),
        (Self::FailWrite, "fail_write"),
        (Self::DiskFull, "disk_full"),
        (Self::Conflict, "conflict"),
        (Self::Lag, "lag"),
        (Self::Delay, "delay"),
        (Self::Cut, "cut"),
        (Self::HalfOpen, "half_open"),
        (Self::Split, "split"),
        (Self::Silent, "silent"),
        (Self::Late, "late"),
        (Self::Duplicate, "duplicate"),
        (Self::Reorder, "reorder"),
        (Self::Lie, "lie"),
        (Self::Swap, "swap"),
        (Self::Unlisted, "unlisted"),
        (Self::Refuse, "refuse"),
        (Self::Unknown, "unknown"),
        (Self::Overtake, "overtake"),
        (Self::CutOver, "cut_over"),
        (Self::Garbage, "garbage"),
        (Self::SignOff, "sign_off"),
        (Self::Retry, "retry"),
        (Self::Parallel, "parallel"),
        (Self::Mismatch, "mismatch"),
        (Self::Gone, "gone"),
        (Self::Race, "race"),
        (Self::Pause, "pause"),
        (Self::Jump, "jump"),
    ];

    /// The name in options and reports.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(fault, _)| *fault == self).map_or("", |(_, name)| name)
    }

    const fn bit(self) -> u64 {
        1 << (self as u32)
    }
}

/// Some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultSet(u64);

/// No fault has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no fault is called {0:?}")]
pub struct UnknownFault(pub String);

impl FaultSet {
    /// Nothing goes wrong.
    pub const NONE: Self = Self(0);

    /// Everything.
    pub fn all() -> Self {
        Fault::ALL.iter().fold(Self::NONE, |set, (fault, _)| set.with(*fault))
    }

    /// Reads `name,name`; `all` is all of them, `none` is none.
    /// # Errors
    /// [`UnknownFault`].
    pub fn parse(text: &str) -> Result<Self, UnknownFault> {
        let mut set = Self::NONE;
        for name in text.split(',').filter(|name| !name.is_empty()) {
            set = match name {
                "all" => Self::all(),
                "none" => set,
                _ => {
                    let known = Fault::ALL.iter().find(|(_, known)| *known == name);
                    let (fault, _) = known.ok_or_else(|| UnknownFault(name.to_owned()))?;
                    set.with(*fault)
                }
            };
        }
        Ok(set)
    }

    /// Whether it is among them.
    pub fn has(self, fault: Fault) -> bool {
        self.0 & fault.bit() != 0
    }

    /// These and one more.
    #[must_use]
    pub fn with(self, fault: Fault) -> Self {
        Self(self.0 | fault.bit())
    }

    /// These but one.
    #[must_use]
    pub fn without(self, fault: Fault) -> Self {
        Self(self.0 & !fault.bit())
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().map(|(fault, _)| fault).filter(move |fault| self.has(*fault))
    }
}

impl fmt::Display for FaultSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Fault::name).collect();
        if names.is_empty() { f.write_str("none") } else { f.write_str(&names.join(",")) }
    }
}
