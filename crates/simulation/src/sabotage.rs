//! Planted bugs, in the seams between the real parts: the checker must find each of them.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The store acknowledges a group before its sync ended.
    AckBeforeSync,
    /// A request is sent when its group is handed to the store.
    SendBeforeDurable,
    /// A merchant is told the host's answer before its record is written.
    AnswerBeforeDurable,
    /// A reversal is not handed to the line.
    DropReversal,
    /// A repeat is not marked as one.
    UnmarkRepeat,
    /// A STAN and RRN are given out twice.
    ReuseNumber,
    /// An approval that comes late is thrown away.
    SwallowLate,
    /// A retry is told something else than the first request.
    OtherAnswer,
    /// The projection forgets a payment's key.
    ForgetKey,
    /// The projection forgets what followed a payment.
    ForgetFollowUps,
    /// The disk says that it synced and did not.
    LyingDisk,
    /// A reply that contradicts its request is believed.
    BelieveContradiction,
    /// A retry reaches the engine under a key of its own.
    FreshKey,
    /// The message asks for a cent more.
    WrongAmount,
    /// Requests go out before the sign-on is answered.
    NoSignOn,
    /// A message that was written is called not sent.
    NotSentLie,
    /// A start forgets an open payment.
    ForgetOpen,
    /// A reversal carries another date than its original.
    OtherDate,
    /// A payment that was answered is reversed.
    ReverseAnswered,
    /// A bit of an acknowledged record turns over.
    FlipBit,
    /// A key with other content is answered as a retry.
    IgnoreMismatch,
    /// A reversal names another amount than its original.
    OtherReversal,
    /// A partial approval is told as a full one.
    TellPartialAsFull,
}

impl Sabotage {
    /// All of them, with their names and the invariants that each may break first.
    pub const ALL: [(Self, &'static str, &'static [&'static str]); 23] = [
        (Self::AckBeforeSync, "ack_before_sync", &["D1", "D2"]),
        (Self::SendBeforeDurable, "send_before_durable", &["D1"]),
        (Self::AnswerBeforeDurable, "answer_before_durable", &["D2"]),
        (Self::DropReversal, "drop_reversal", &["M1", "F3"]),
        (Self::UnmarkRepeat, "unmark_repeat", &["S8"]),
        (Self::ReuseNumber, "reuse_number", &["S3"]),
        (Self::SwallowLate, "swallow_late", &["M14"]),
        (Self::OtherAnswer, "other_answer", &["M2", "D2"]),
        (Self::ForgetKey, "forget_key", &["M3"]),
        (Self::ForgetFollowUps, "forget_follow_ups", &["M13"]),
        (Self::LyingDisk, "lying_disk", &["D3", "D5"]),
        (Self::BelieveContradiction, "believe_contradiction", &["S2"]),
        (Self::FreshKey, "fresh_key", &["S4", "M1"]),
        (Self::WrongAmount, "wrong_amount", &["M9"]),
        (Self::NoSignOn, "no_sign_on", &["S5"]),
        (Self::NotSentLie, "not_sent_lie", &["M15"]),
        (Self::ForgetOpen, "forget_open", &["M1"]),
        (Self::OtherDate, "other_date", &["S7"]),
        (Self::ReverseAnswered, "reverse_answered", &["M16"]),
        (Self::FlipBit, "flip_bit", &["D5"]),
        (Self::IgnoreMismatch, "ignore_mismatch", &["M4"]),
        (Self::OtherReversal, "other_reversal", &["M11"]),
        (Self::TellPartialAsFull, "tell_partial_as_full", &["M10"]),
    ];

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known, _)| *known == name).map(|(sabotage, ..)| sabotage)
    }
}
