//! What the gateway's process holds, as the kernel counts it.

use serde::Serialize;
use std::fs;

/// Memory and handles of a process; zeroes where the kernel does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Footprint {
    /// Resident memory, in KiB.
    pub rss_kib: u64,
    /// Open handles: files, sockets, pipes.
    pub handles: u64,
}

impl Footprint {
    /// Of a running process (proc(5): `status` and `fd`).
    pub fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let handles = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        let handles = u64::try_from(handles).unwrap_or(u64::MAX);
        Self { rss_kib: rss_kib(&status).unwrap_or(0), handles }
    }
}

fn rss_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The processor time of a process, in microseconds, as the kernel counts it in hundredths of a second.
pub fn processor_time_us(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    ticks(&stat).unwrap_or(0).saturating_mul(10_000)
}

/// User and system time out of `/proc/PID/stat` (fields 14 and 15, proc(5)); the name in field 2 may
/// hold blanks, so counting starts behind its bracket.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_a_name_with_blanks_and_brackets() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 100";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("42 (cut off"), None);
    }

    #[test]
    fn memory_and_handles_of_this_process_are_told() {
        let own = Footprint::of(std::process::id());
        assert!(own.rss_kib > 100 && own.handles > 2, "{own:?}");
        assert_eq!(rss_kib("Name:\tx\nVmRSS:\t   1234 kB\n"), Some(1234));
        assert_eq!(Footprint::of(u32::MAX), Footprint::default());
    }
}
