//! What a frame is in a conversation, by its message type alone: ISO 8583:1987 gives each digit of it a
//! meaning (version, class, function, origin).

use serde::Serialize;

/// Who sent a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// The gateway.
    Gateway,
    /// The host.
    Host,
    /// The proxy, in the host's name.
    Proxy,
}

/// What a frame is in the conversation about a payment, by the names that a script uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What was asked, or told as an advice.
    Request,
    /// The same, marked as a repeat.
    Repeat,
    /// The answer to either.
    Reply,
    /// The reversal of what the host was silent about.
    Reversal,
    /// The same, marked as a repeat.
    ReversalRepeat,
    /// The answer to either.
    ReversalReply,
    /// Sign-on, echo and the like.
    Network,
    /// The answer to it.
    NetworkReply,
}

impl Role {
    /// Those of payments.
    pub const OF_PAYMENTS: [Self; 6] = [
        Self::Request,
        Self::Repeat,
        Self::Reply,
        Self::Reversal,
        Self::ReversalRepeat,
        Self::ReversalReply,
    ];

    /// Its name in a script.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Repeat => "repeat",
            Self::Reply => "reply",
            Self::Reversal => "reversal",
            Self::ReversalRepeat => "reversal_repeat",
            Self::ReversalReply => "reversal_reply",
            Self::Network => "network",
            Self::NetworkReply => "network_reply",
        }
    }

    /// By its name in a script.
    pub fn named(name: &str) -> Option<Self> {
        Self::OF_PAYMENTS.into_iter().find(|role| role.name() == name)
    }

    /// The role of a message. `voids`: a void is under way, which many hosts take as a reversal (04xx).
    pub fn of(mti: &str, voids: bool) -> Option<Self> {
        let &[_, class, function, origin] = mti.as_bytes() else { return None };
        let repeat = matches!(origin, b'1' | b'3' | b'5');
        let reply = matches!(function, b'1' | b'3');
        Some(match (class, reply, repeat) {
            (b'8', false, _) => Self::Network,
            (b'8', true, _) => Self::NetworkReply,
            (b'4', true, _) if !voids => Self::ReversalReply,
            (b'4', false, true) if !voids => Self::ReversalRepeat,
            (b'4', false, false) if !voids => Self::Reversal,
            (_, true, _) => Self::Reply,
            (_, false, true) => Self::Repeat,
            (_, false, false) => Self::Request,
        })
    }
}

/// A message type in words.
pub fn words(mti: &str) -> String {
    let &[_, class, function, origin] = mti.as_bytes() else { return "unknown".to_owned() };
    let class = match class {
        b'1' => "authorization",
        b'2' => "financial",
        b'3' => "file action",
        b'4' => "reversal",
        b'5' => "reconciliation",
        b'6' => "administrative",
        b'8' => "network management",
        _ => "unknown",
    };
    let function = match function {
        b'0' => "request",
        b'1' => "reply to a request",
        b'2' => "advice",
        b'3' => "reply to an advice",
        b'4' => "notification",
        _ => "message",
    };
    let repeat = if matches!(origin, b'1' | b'3' | b'5') { ", marked as a repeat" } else { "" };
    format!("{class} {function}{repeat}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_says_what_a_frame_is() {
        for (mti, role) in [
            ("0200", "request"),
            ("0221", "repeat"),
            ("0230", "reply"),
            ("0110", "reply"),
            ("0400", "reversal"),
            ("0421", "reversal_repeat"),
            ("0430", "reversal_reply"),
            ("0800", "network"),
            ("0810", "network_reply"),
        ] {
            assert_eq!(Role::of(mti, false).map(Role::name), Some(role), "{mti}");
        }
        assert_eq!(Role::of("0420", true), Some(Role::Request));
        assert_eq!(Role::of("0401", true), Some(Role::Repeat));
        assert_eq!(Role::of("0430", true), Some(Role::Reply));
        assert_eq!(words("0421"), "reversal advice, marked as a repeat");
        assert_eq!(words("0210"), "financial reply to a request");
    }
}
