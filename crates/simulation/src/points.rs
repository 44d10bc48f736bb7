//! The branches that a simulation is made for: each must happen in some seed of a run.

/// A branch that must happen sometimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// An approval came at the last moment before the deadline.
    LateBefore,
    /// An approval came at the very deadline.
    LateAt,
    /// An approval came after the time-out, before the reversal left.
    LateAfter,
    /// An approval came after the reversal had left.
    LateAfterReversal,
    /// An approval came after the reversal was accepted.
    LateAfterReversed,
    /// A reversal reached the bank before its original.
    Overtaken,
    /// The bank answered 25 to a reversal, and 00 to its repeat.
    UnknownThenFound,
    /// A start cut a torn batch.
    TornTail,
    /// A group survived a crash though nobody was told so.
    KeptUnacknowledged,
    /// A group was lost in a crash before anybody was told of it.
    LostUnacknowledged,
    /// A conflict refused a new payment.
    ConflictNew,
    /// A conflict refused a record of an open payment.
    ConflictOpen,
    /// A refused reversal was parked.
    RefusedReversal,
    /// A refused advice was parked.
    RefusedAdvice,
    /// The bank asked for a reversal later.
    ReversalLater,
    /// The bank asked for an advice later.
    AdviceLater,
    /// A reversal or advice was parked for its age.
    Exhausted,
    /// An operator had a case tried again.
    OperatorRetried,
    /// An operator closed a case.
    OperatorClosed,
    /// An operator's word was not enough, as it was the same one's.
    SecondPersonWanted,
    /// Two operators closed a case as posted.
    ClosedByTwo,
    /// Of two racing refunds one was refused, for nothing was left for it.
    RefundsRaced,
    /// Of two racing follow-ups one was refused.
    FollowUpsRaced,
    /// Of two payments of one order one was refused.
    OrdersRaced,
    /// The bank's cut-over moved the business date with requests in flight.
    CutOverInFlight,
    /// The clock moved the business date with requests in flight.
    DateMoved,
    /// A cut-over waited for its answer until its date was durable.
    CutOverWaited,
    /// A cut-over came that had moved the date before.
    CutOverRepeated,
    /// A cut-over to a date that cannot be was refused.
    CutOverRefused,
    /// A reversal went out with the date of its original, which was over.
    OldDateReversed,
    /// What was owed waited for its turn by the host's pace.
    Paced,
    /// A payment was refused, as the host's room was taken by those that are open.
    HostFull,
    /// The process died between a durable intent and its message.
    CrashBeforeSend,
    /// The process died while requests were unanswered.
    CrashInFlight,
    /// The power failed while the gateway started.
    CrashInRecovery,
    /// The power failed at an operation of the disk.
    CrashAtWrite,
    /// A repeat went out that an earlier run had begun.
    RepeatAfterRestart,
    /// A retry waited beside the first request.
    RetryJoined,
    /// A retry was answered from the record.
    RetryAnswered,
    /// A retry was answered for a payment that memory had forgotten.
    RetryFromStore,
    /// A key with other content was refused.
    KeyMismatch,
    /// A full disk declined a new payment.
    DiskFullDeclined,
    /// A reversal was written while the disk was full.
    DiskFullDrained,
    /// A projection far behind declined a new payment.
    BehindDeclined,
    /// A failed sync ended the run.
    SyncFailed,
    /// A failed write ended the run.
    WriteFailed,
    /// A second reply was quarantined.
    DuplicateReply,
    /// A reply that nobody waited for was quarantined.
    UnmatchedReply,
    /// A reply that contradicts its request was quarantined.
    Contradiction,
    /// A reply with an unlisted code counted as silence.
    UnlistedCode,
    /// A frame that nobody can read was quarantined.
    Unparsable,
    /// A request was refused while a reversal of its card had not left.
    CardHeld,
    /// A line was lost with requests in flight.
    LineLost,
    /// A half-open line was found by its echo.
    HalfOpenFound,
    /// A queued message was proved unsent.
    WriteRefused,
    /// A message met its deadline in a queue.
    Overdue,
    /// A message found no line.
    NoLine,
    /// A message met a full queue.
    QueueFull,
    /// A reply came on another line than its request.
    OtherLine,
    /// A partial approval was told as partial.
    PartialTold,
    /// A partial approval was refused and reversed.
    PartialRefused,
    /// A card was to be kept.
    PickUp,
    /// An advice was repeated.
    AdviceRepeated,
    /// A repeated advice was answered.
    AdviceAnswered,
    /// An inquiry was not answered.
    InquiryLapsed,
    /// A follow-up met an original that was not final.
    NotFinal,
    /// A follow-up asked for more than was left.
    OverOriginal,
    /// A merchant hung up before the answer.
    ClientGone,
    /// A merchant asked what became of a payment.
    Queried,
    /// A merchant was left in doubt by a crash, and learned the truth later.
    StoppedUnknown,
    /// The wall clock jumped back with requests in flight.
    WallBack,
    /// The wall clock jumped forth with requests in flight.
    WallForth,
    /// The process stood still with requests in flight.
    Paused,
    /// The projection was made again from the journal.
    ProjectionLost,
    /// The journal began a next segment.
    SegmentTurned,
    /// A sync took longer than the host may.
    SlowSync,
    /// A start found open payments.
    RecoveredOpen,
    /// A line's writer was stuck past a deadline.
    StuckWriter,
}

impl Point {
    /// All of them.
    pub const ALL: [(Self, &'static str); 78] = [
        (Self::LateBefore, "late_before"),
        (Self::LateAt, "late_at"),
        (Self::LateAfter, "late_after"),
        (Self::LateAfterReversal, "late_after_reversal"),
        (Self::LateAfterReversed, "late_after_reversed"),
        (Self::Overtaken, "overtaken"),
        (Self::UnknownThenFound, "unknown_then_found"),
        (Self::TornTail, "torn_tail"),
        (Self::KeptUnacknowledged, "kept_unacknowledged"),
        (Self::LostUnacknowledged, "lost_unacknowledged"),
        (Self::ConflictNew, "conflict_new"),
        (Self::ConflictOpen, "conflict_open"),
        (Self::RefusedReversal, "refused_reversal"),
        (Self::RefusedAdvice, "refused_advice"),
        (Self::ReversalLater, "reversal_later"),
        (Self::AdviceLater, "advice_later"),
        (Self::Exhausted, "exhausted"),
        (Self::OperatorRetried, "operator_retried"),
        (Self::OperatorClosed, "operator_closed"),
        (Self::SecondPersonWanted, "second_person_wanted"),
        (Self::ClosedByTwo, "closed_by_two"),
        (Self::RefundsRaced, "refunds_raced"),
        (Self::FollowUpsRaced, "follow_ups_raced"),
        (Self::OrdersRaced, "orders_raced"),
        (Self::CutOverInFlight, "cut_over_in_flight"),
        (Self::DateMoved, "date_moved"),
        (Self::CutOverWaited, "cut_over_waited"),
        (Self::CutOverRepeated, "cut_over_repeated"),
        (Self::CutOverRefused, "cut_over_refused"),
        (Self::OldDateReversed, "old_date_reversed"),
        (Self::Paced, "paced"),
        (Self::HostFull, "host_full"),
        (Self::CrashBeforeSend, "crash_before_send"),
        (Self::CrashInFlight, "crash_in_flight"),
        (Self::CrashInRecovery, "crash_in_recovery"),
        (Self::CrashAtWrite, "crash_at_write"),
        (Self::RepeatAfterRestart, "repeat_after_restart"),
        (Self::RetryJoined, "retry_joined"),
        (Self::RetryAnswered, "retry_answered"),
        (Self::RetryFromStore, "retry_from_store"),
        (Self::KeyMismatch, "key_mismatch"),
        (Self::DiskFullDeclined, "disk_full_declined"),
        (Self::DiskFullDrained, "disk_full_drained"),
        (Self::BehindDeclined, "behind_declined"),
        (Self::SyncFailed, "sync_failed"),
        (Self::WriteFailed, "write_failed"),
        (Self::DuplicateReply, "duplicate_reply"),
        (Self::UnmatchedReply, "unmatched_reply"),
        (Self::Contradiction, "contradiction"),
        (Self::UnlistedCode, "unlisted_code"),
        (Self::Unparsable, "unparsable"),
        (Self::CardHeld, "card_held"),
        (Self::LineLost, "line_lost"),
        (Self::HalfOpenFound, "half_open_found"),
        (Self::WriteRefused, "write_refused"),
        (Self::Overdue, "overdue"),
        (Self::NoLine, "no_line"),
        (Self::QueueFull, "queue_full"),
        (Self::OtherLine, "other_line"),
        (Self::PartialTold, "partial_told"),
        (Self::PartialRefused, "partial_refused"),
        (Self::PickUp, "pick_up"),
        (Self::AdviceRepeated, "advice_repeated"),
        (Self::AdviceAnswered, "advice_answered"),
        (Self::InquiryLapsed, "inquiry_lapsed"),
        (Self::NotFinal, "not_final"),
        (Self::OverOriginal, "over_original"),
        (Self::ClientGone, "client_gone"),
        (Self::Queried, "queried"),
        (Self::StoppedUnknown, "stopped_unknown"),
        (Self::WallBack, "wall_back"),
        (Self::WallForth, "wall_forth"),
        (Self::Paused, "paused"),
        (Self::ProjectionLost, "projection_lost"),
        (Self::SegmentTurned, "segment_turned"),
        (Self::SlowSync, "slow_sync"),
        (Self::RecoveredOpen, "recovered_open"),
        (Self::StuckWriter, "stuck_writer"),
    ];
}

/// How often each happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Points([u64; Point::ALL.len()]);

impl Default for Points {
    fn default() -> Self {
        Self([0; Point::ALL.len()])
    }
}

impl Points {
    /// It happened.
    pub fn hit(&mut self, point: Point) {
        if let Some(count) = self.0.get_mut(point as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// It happened, if so.
    pub fn hit_if(&mut self, happened: bool, point: Point) {
        if happened {
            self.hit(point);
        }
    }

    /// How often it happened.
    pub fn count(&self, point: Point) -> u64 {
        self.0.get(point as usize).copied().unwrap_or(0)
    }

    /// Adds what happened elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }

    /// The names of those that never happened.
    pub fn missed(&self) -> Vec<&'static str> {
        let never = Point::ALL.iter().filter(|(point, _)| self.count(*point) == 0);
        never.map(|(_, name)| *name).collect()
    }
}
