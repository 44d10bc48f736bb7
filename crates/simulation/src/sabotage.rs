//! Planted bugs, in the seams between the real parts, and in the bank: the checker must find each of them.

/// The bugs: each with its name, what it does, and the invariants of which it breaks one first.
macro_rules! planted {
    ($($bug:ident $name:literal $breaks:literal $what:literal;)*) => {
        /// A planted bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Sabotage {
            $(#[doc = $what] $bug,)*
        }

        /// All of them.
        pub const PLANTED: &[Planted] = &[
            $(Planted { bug: Sabotage::$bug, name: $name, what: $what, breaks: $breaks },)*
        ];
    };
}

planted! {
    AckBeforeSync "ack_before_sync" "D2 D1"
        "The store acknowledges a group before its sync ended.";
    AckRefused "ack_refused" "D1"
        "A payment that the store refuses for a conflict is called durable.";
    SendBeforeDurable "send_before_durable" "D1"
        "A request is sent when its group is handed to the store.";
    ReverseBeforeDurable "reverse_before_durable" "D1"
        "A reversal is sent when its group is handed to the store.";
    AnswerBeforeDurable "answer_before_durable" "D2"
        "A merchant is told the host's answer before its record is written.";
    TimeoutAsDecline "timeout_as_decline" "D2"
        "At the deadline the merchant is told a decline.";
    LateAsApproved "late_as_approved" "D2 M2"
        "A late approval is told as an approval.";
    LyingDisk "lying_disk" "D5 D3"
        "The disk says that it synced and did not.";
    LoseLastBatch "lose_last_batch" "D3"
        "The disk keeps what it synced last in a cache, and the power takes it.";
    SwallowSyncError "swallow_sync_error" "D5 D3"
        "A sync that failed is taken for one that did not.";
    LostCut "lost_cut" "D4"
        "A start does not cut the torn batch that it found.";
    FlipBit "flip_bit" "D5"
        "A bit of an acknowledged record turns over.";
    SameEpoch "same_epoch" "D6"
        "A start goes on under the epoch of the run before.";
    SaltedCard "salted_card" "D8 F1"
        "The hash of a card is another one for each merchant.";
    ForgetEnded "forget_ended" "D10 M14"
        "The projection misses a payment that ended by a reversal.";
    DropReversal "drop_reversal" "F3 M1 D8"
        "A reversal is not handed to the line.";
    DropRepeat "drop_repeat" "F3 L1"
        "The repeat of an advice is not handed to the line.";
    ForgetOpen "forget_open" "M1"
        "A start forgets an open payment.";
    OtherAnswer "other_answer" "D2 M2"
        "A retry is told something else than the first request.";
    StaleView "stale_view" "M2"
        "A question is answered from the projection, which lags.";
    ForgetKey "forget_key" "M3"
        "The projection forgets a payment's key.";
    DoubleGroup "double_group" "M3"
        "A commit whose answer was lost is made again.";
    IgnoreMismatch "ignore_mismatch" "M4"
        "A key with other content is answered as a retry.";
    MisreadDecline "misread_decline" "M5"
        "A code that declines is listed as one that approves.";
    MisreadApproval "misread_approval" "M6"
        "A code that approves is listed as one that declines.";
    BelieveUnknown "believe_unknown" "M6"
        "The first answer that no original is known ends a reversal.";
    LaterAsDone "later_as_done" "M6"
        "A bank that asks for a reversal later is taken to have done it.";
    NoCases "no_cases" "M6"
        "A reversal that would become a case is called done.";
    SendOverdue "send_overdue" "M6"
        "A line's writer does not look at deadlines.";
    OtherDay "other_day" "M7"
        "The bank books by its own date, and not by DE 15.";
    HalfBooked "half_booked" "M8"
        "The bank books one side of a reversal.";
    WrongAmount "wrong_amount" "M9"
        "The message asks for a cent more.";
    OtherCard "other_card" "M9"
        "An encoder uses the card of the message before.";
    TellPartialAsFull "tell_partial_as_full" "M10"
        "A partial approval is told as a full one.";
    OtherReversal "other_reversal" "M11"
        "A reversal names another amount than its original.";
    ForgetReversed "forget_reversed" "M12"
        "The bank does not know a repeated reversal again.";
    ForgetFollowUps "forget_follow_ups" "M13"
        "The projection forgets what followed a payment.";
    OtherOriginal "other_original" "M13"
        "A completion, void or refund names another payment of the merchant.";
    SwallowLate "swallow_late" "M14"
        "An approval that comes late is thrown away.";
    NotSentLie "not_sent_lie" "M15"
        "A message that was written is called not sent.";
    ReverseAnswered "reverse_answered" "M16"
        "A payment that was answered is reversed.";
    SameNumber "same_number" "S1"
        "A terminal's second payment in a second gets the numbers of the first.";
    BelieveContradiction "believe_contradiction" "S2"
        "A reply that contradicts its request is believed.";
    ReuseNumber "reuse_number" "S3 S1"
        "A STAN and RRN are given out twice.";
    ForgetLease "forget_lease" "S3 S1"
        "A start gives out numbers that an earlier run leased.";
    OtherRrn "other_rrn" "S3"
        "A merchant is told the RRN of another payment.";
    FreshKey "fresh_key" "M1 S4"
        "A retry reaches the engine under a key of its own.";
    SwapAnswers "swap_answers" "S4"
        "An answer goes to somebody else who waits.";
    NoSignOn "no_sign_on" "S5"
        "Requests go out before the sign-on is answered.";
    IgnoreSignOff "ignore_sign_off" "S5"
        "A line that the bank signed off goes on.";
    OtherDate "other_date" "S7"
        "A reversal carries another date than its original.";
    HastyCutOver "hasty_cut_over" "S7"
        "A cut-over is agreed to before its date is durable.";
    ForgetDate "forget_date" "S7"
        "A start takes the date of the clock, and not of the journal.";
    UnmarkRepeat "unmark_repeat" "S8"
        "A repeat is not marked as one.";
    WriteTwice "write_twice" "S8"
        "A writer that was interrupted writes a message again.";
    WrittenWhenQueued "written_when_queued" "F1 D8 S8"
        "A reversal counts as written when one of two encoders has it.";
    WallDeadlines "wall_deadlines" "K2"
        "Deadlines run by the wall clock.";
    StaleLock "stale_lock" "L1"
        "A killed process leaves its lock, and no start gets past it.";
    OnePerson "one_person" "X6"
        "One person's word counts twice, from two sessions.";
}

/// What is known of a planted bug.
#[derive(Debug, Clone, Copy)]
pub struct Planted {
    /// The bug.
    pub bug: Sabotage,
    /// Its name in options and reports.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// The invariants of which it breaks one first, by blanks.
    pub breaks: &'static str,
}

impl Planted {
    /// Whether it is planted for this invariant, the first that it names.
    pub fn is_for(&self, invariant: &str) -> bool {
        self.breaks.split(' ').next() == Some(invariant)
    }

    /// Whether it may break this one first.
    pub fn may_break(&self, invariant: &str) -> bool {
        self.breaks.split(' ').any(|known| known == invariant)
    }
}

impl Sabotage {
    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        PLANTED.iter().find(|planted| planted.name == name).map(|planted| planted.bug)
    }
}
