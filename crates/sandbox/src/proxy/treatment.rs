//! What becomes of a frame, by seed, line, direction and number alone.

use super::Settings;
use crate::clock::micros;
use crate::dice::Dice;
use serde::Serialize;
use std::time::Duration;

/// A kind of mistreatment, by the name that the command line takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum WireFault {
    /// Held back for a while; later frames overtake it.
    Delay,
    /// Never passed on.
    Drop,
    /// Passed on twice, the second time a little later.
    Duplicate,
    /// Changes places with the next frame.
    Reorder,
    /// Written in two pieces, cut anywhere.
    Split,
    /// Written byte by byte.
    Bytewise,
    /// Written at once with the next frame.
    Join,
    /// Its first part is written, then the connection is closed.
    Truncate,
    /// One byte is spoiled, of the message or of the length before it.
    Corrupt,
    /// From it on the connection swallows everything, and stays open.
    HalfOpen,
    /// Its first part is written, then the connection is reset.
    Reset,
}

/// Every kind, with how many of a thousand frames meet it.
pub const WEIGHTS: &[(WireFault, u64)] = &[
    (WireFault::Delay, 30),
    (WireFault::Drop, 15),
    (WireFault::Duplicate, 40),
    (WireFault::Reorder, 40),
    (WireFault::Split, 200),
    (WireFault::Bytewise, 60),
    (WireFault::Join, 200),
    (WireFault::Truncate, 3),
    (WireFault::Corrupt, 8),
    (WireFault::HalfOpen, 1),
    (WireFault::Reset, 3),
];

impl WireFault {
    /// The name that the command line takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Drop => "drop",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Split => "split",
            Self::Bytewise => "bytewise",
            Self::Join => "join",
            Self::Truncate => "truncate",
            Self::Corrupt => "corrupt",
            Self::HalfOpen => "half-open",
            Self::Reset => "reset",
        }
    }
}

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the gateway.
    ToBank,
    /// From the bank.
    ToGateway,
}

/// What becomes of one frame. Places count bytes of the frame, its length bytes among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It passes as it is.
    Pass,
    /// It passes after so long.
    Delay(Duration),
    /// It is lost.
    Drop,
    /// It passes, and once more after so long.
    Twice(Duration),
    /// It passes behind the next frame.
    Behind,
    /// It passes in two pieces.
    Cut(usize),
    /// It passes byte by byte.
    Bytewise,
    /// It passes in one write with the next frame.
    Joined,
    /// So many bytes pass, then the connection ends.
    Truncate(usize),
    /// The byte at this place is spoiled.
    Spoil(usize),
    /// The connection swallows everything from here on.
    Swallow,
    /// So many bytes pass, then the connection is reset.
    Reset(usize),
}

impl Treatment {
    /// The fault that it is of.
    pub fn fault(self) -> Option<WireFault> {
        Some(match self {
            Self::Pass => return None,
            Self::Delay(_) => WireFault::Delay,
            Self::Drop => WireFault::Drop,
            Self::Twice(_) => WireFault::Duplicate,
            Self::Behind => WireFault::Reorder,
            Self::Cut(_) => WireFault::Split,
            Self::Bytewise => WireFault::Bytewise,
            Self::Joined => WireFault::Join,
            Self::Truncate(_) => WireFault::Truncate,
            Self::Spoil(_) => WireFault::Corrupt,
            Self::Swallow => WireFault::HalfOpen,
            Self::Reset(_) => WireFault::Reset,
        })
    }
}

/// What becomes of the `number`-th frame (from 1) of a line in a direction; its message has `length` bytes.
pub fn treatment(
    settings: &Settings,
    line: &str,
    direction: Direction,
    number: u64,
    length: usize,
) -> Treatment {
    let mut dice = Dice::named(settings.seed, &format!("{line} {direction:?} {number}"));
    let mut throw = dice.below(1000);
    for (fault, weight) in WEIGHTS {
        if throw < *weight {
            return match settings.faults.contains(fault) {
                true => of(*fault, &mut dice, length, settings.delay_max),
                false => Treatment::Pass,
            };
        }
        throw = throw.saturating_sub(*weight);
    }
    Treatment::Pass
}

fn of(fault: WireFault, dice: &mut Dice, length: usize, delay_max: Duration) -> Treatment {
    let whole = u64::try_from(length.saturating_add(2)).unwrap_or(u64::MAX);
    let mut place = |below: u64| usize::try_from(dice.below(below)).unwrap_or(0);
    match fault {
        WireFault::Drop => Treatment::Drop,
        WireFault::Reorder => Treatment::Behind,
        // Between the first byte and the last, so that there are two pieces.
        WireFault::Split => Treatment::Cut(place(whole.saturating_sub(1)).saturating_add(1)),
        WireFault::Bytewise => Treatment::Bytewise,
        WireFault::Join => Treatment::Joined,
        WireFault::Truncate => Treatment::Truncate(place(whole)),
        WireFault::Reset => Treatment::Reset(place(whole)),
        WireFault::Corrupt => Treatment::Spoil(place(whole)),
        WireFault::HalfOpen => Treatment::Swallow,
        WireFault::Delay => Treatment::Delay(wait(dice, delay_max)),
        WireFault::Duplicate => {
            Treatment::Twice(wait(dice, delay_max.checked_div(4).unwrap_or_default()))
        }
    }
}

fn wait(dice: &mut Dice, max: Duration) -> Duration {
    Duration::from_micros(dice.below(micros(max)))
}
