//! The numbers that stand for the variants of short lists. What was given out once stays.

use tidegate_payment::money::BalanceKind;
use tidegate_payment::record::{
    AnswerClass, NotSentReason, ParkReason, Resolution, ReversalVerdict, SilenceReason,
};
use tidegate_payment::request::{Operation, Silence};

pub(super) fn flag_of(code: u8) -> Option<bool> {
    match code {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// A closed list of variants and their numbers, in both directions.
macro_rules! codes {
    ($to:ident, $from:ident, $name:ident: $($code:literal = $variant:ident),+ $(,)?) => {
        pub(super) fn $to(value: $name) -> u8 {
            match value { $($name::$variant => $code),+ }
        }

        pub(super) fn $from(code: u8) -> Option<$name> {
            match code { $($code => Some($name::$variant),)+ _ => None }
        }
    };
}

codes!(operation_code, operation_of, Operation:
    1 = Purchase, 2 = PreAuthorization, 3 = Completion, 4 = Void, 5 = Refund, 6 = BalanceInquiry,
    7 = CardVerification);
codes!(silence_class_code, silence_class_of, Silence: 1 = Reversal, 2 = Advice, 3 = Inquiry);
codes!(balance_code, balance_of, BalanceKind: 1 = Ledger, 2 = Available);
codes!(not_sent_code, not_sent_of, NotSentReason:
    1 = NoLine, 2 = QueueFull, 3 = Overdue, 4 = EncodeFailed);
codes!(silence_code, silence_of, SilenceReason: 1 = Deadline, 2 = Restart, 3 = PartialRefused);
codes!(class_code, class_of, AnswerClass: 1 = Approved, 2 = Partial, 3 = Declined, 4 = PickUp);
codes!(reversal_verdict_code, reversal_verdict_of, ReversalVerdict:
    1 = Accepted, 2 = UnknownOriginal, 3 = Refused);
codes!(park_code, park_of, ParkReason: 1 = Refused, 2 = Exhausted);
codes!(resolution_code, resolution_of, Resolution: 1 = Reversed, 2 = DeclinedNeverPosted,
    3 = Posted);
