//! Who is at the other end of the control socket, by the system's word and not by his own.

use std::fs;
use tokio::net::UnixStream;

/// What the kernel says when a process was started by no login.
const NO_LOGIN: u32 = u32::MAX;

/// The account of whoever connected: the one that he logged in by, which stays the same behind `sudo`
/// (Linux audit, `loginuid`); without a login, the one that his process runs under.
pub(super) fn account(stream: &UnixStream) -> Option<String> {
    let peer = stream.peer_cred().ok()?;
    let login = peer.pid().and_then(|pid| fs::read_to_string(format!("/proc/{pid}/loginuid")).ok());
    let login = login.and_then(|text| text.trim().parse().ok()).filter(|uid| *uid != NO_LOGIN);
    let uid = login.unwrap_or(peer.uid());
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    Some(name_of(uid, &accounts).map_or_else(|| format!("uid {uid}"), str::to_owned))
}

/// The name of a user id in the system's list of accounts (passwd(5)).
fn name_of(uid: u32, accounts: &str) -> Option<&str> {
    accounts.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_name_from_the_systems_list() {
        let accounts =
            "root:x:0:0:root:/root:/bin/sh\nbroken\nanna:x:1000:1000::/home/anna:/bin/sh\n";
        assert_eq!(name_of(0, accounts), Some("root"));
        assert_eq!(name_of(1000, accounts), Some("anna"));
        assert_eq!(name_of(1, accounts), None);
    }
}
