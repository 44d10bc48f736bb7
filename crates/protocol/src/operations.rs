//! Checks the operations of a mapping: each has messages of the right type, meets silence in a way
//! that fits what it does with money, and names what it undoes or is about.

use tidegate_iso8583::mti::Class;
use tidegate_payment::request::{Operation, Silence};

use crate::{
    consistency::{Part, check_key, check_plan, check_type},
    dialect::HostDialect,
    element::Meaning,
    fact::Fact,
    mapping::{Mapping, OperationPlan, Plan},
    source::Collector,
};

/// The elements of the original that DE90 is composed of.
/// Standard: ISO 8583:1987, DE 90.
pub(crate) const DE90_PARTS: [(u8, usize); 4] = [(11, 6), (7, 10), (32, 11), (33, 11)];

/// What every message of an operation carries, and what those that move money carry besides.
const OF_ALL: [Fact; 4] = [Fact::CardNumber, Fact::Stan, Fact::Rrn, Fact::Transmitted];
const OF_MONEY: [Fact; 2] = [Fact::AmountMinor, Fact::AmountCurrency];

/// What fits an operation.
struct Fit {
    /// The classes of its message, and how a fault calls them.
    classes: &'static [Class],
    wanted: &'static str,
    /// What silence may call for, why, and how a fault calls it.
    silence: &'static [Silence],
    because: &'static str,
    wanted_silence: &'static str,
}

impl Fit {
    fn of(operation: Operation) -> Self {
        const REVERSED: &[Silence] = &[Silence::Reversal];
        const FOLLOWING: &[Silence] = &[Silence::Advice, Silence::Reversal];
        let (wanted, classes): (_, &[Class]) = match operation {
            Operation::Purchase => ("a financial request, such as `0200`", &[Class::Financial]),
            Operation::PreAuthorization => {
                ("an authorization request, such as `0100`", &[Class::Authorization])
            }
            Operation::Completion | Operation::Refund => {
                ("a financial advice or request, such as `0220`", &[Class::Financial])
            }
            Operation::Void => ("a reversal, such as `0420`", &[Class::Reversal]),
            Operation::BalanceInquiry | Operation::CardVerification => (
                "an authorization or financial request, such as `0100`",
                &[Class::Authorization, Class::Financial],
            ),
        };
        let (because, silence) = match operation {
            Operation::Purchase => {
                ("a purchase takes money: silence about it calls for a reversal", REVERSED)
            }
            Operation::PreAuthorization => {
                ("a pre-authorization sets money aside: silence calls for a reversal", REVERSED)
            }
            Operation::Completion | Operation::Refund => {
                ("it moves money: silence calls for repeats, or for a reversal", FOLLOWING)
            }
            Operation::Void => (
                "a void is a reversal itself: silence calls for repeats",
                [Silence::Advice].as_slice(),
            ),
            Operation::BalanceInquiry | Operation::CardVerification => {
                ("it moves no money: silence calls for nothing", [Silence::Inquiry].as_slice())
            }
        };
        let wanted_silence = match silence {
            [Silence::Reversal] => "`reversal`",
            [Silence::Advice] => "`advice`",
            [Silence::Inquiry] => "`inquiry`",
            _ => "`advice` or `reversal`",
        };
        Self { classes, wanted, silence, because, wanted_silence }
    }
}

pub(crate) fn check_operation(
    dialect: &HostDialect,
    mapping: &Mapping,
    plan: &OperationPlan,
    faults: &mut Collector<'_>,
) {
    let OperationPlan { operation, original, reversal, silence } = plan;
    let (operation, is_advice) = (*operation, silence.value == Silence::Advice);
    let fit = Fit::of(operation);
    if !fit.silence.contains(&silence.value) {
        faults.add(&silence.span, fit.because, fit.wanted_silence);
    }
    check_plan(dialect, Part::Original { operation, is_advice }, original, faults);
    check_type(dialect, &original.mti, fit.classes, fit.wanted, faults);
    if is_advice {
        check_repeat(dialect, original, faults);
    }
    check_carried(dialect, operation, original, faults);
    for field in &original.fields {
        let compared = dialect.compared.contains(&field.value.0);
        if compared && matches!(field.value.1, Meaning::Tagged(_)) {
            let message =
                format!("DE{}: tagged facts cannot be compared in replies", field.value.0);
            let wanted = format!("an element outside `compared` of `{}`", dialect.name());
            faults.add(&field.span, message, &wanted);
        }
    }
    if let Some(reversal) = reversal {
        check_plan(dialect, Part::Reversal(operation), reversal, faults);
        let wanted = "a reversal, such as `0420`";
        check_type(dialect, &reversal.mti, &[Class::Reversal], wanted, faults);
        check_repeat(dialect, reversal, faults);
        check_carried(dialect, operation, reversal, faults);
        check_same_sources(original, reversal, faults);
        check_undone(original, reversal, faults);
    }
    if operation.is_follow_up() {
        check_followed(mapping, operation, original, faults);
    }
}

/// What is repeated needs a type that says so.
fn check_repeat(dialect: &HostDialect, plan: &Plan, faults: &mut Collector<'_>) {
    if dialect.repeat_of(plan.mti.value).is_none() {
        let message = format!("the dialect has no repeat of `{}`", plan.mti.value);
        faults.add(&plan.mti.span, message, "a type of its [repeat]");
    }
}

fn check_carried(
    dialect: &HostDialect,
    operation: Operation,
    plan: &Plan,
    faults: &mut Collector<'_>,
) {
    check_key(dialect, &dialect.financial_key, plan, faults);
    let is_inquiry = matches!(operation, Operation::BalanceInquiry | Operation::CardVerification);
    let of_money = OF_MONEY.into_iter().filter(|_| !is_inquiry);
    for fact in OF_ALL.into_iter().chain(of_money) {
        if !plan.has(fact) {
            let message = format!("no element of `{}` carries `{}`", plan.mti.value, fact.name());
            faults.add(&plan.mti.span, message, "an element for it");
        }
    }
}

/// A reversal names its original by the same elements: what the original takes from the payment,
/// the reversal takes from the same place.
fn check_same_sources(original: &Plan, reversal: &Plan, faults: &mut Collector<'_>) {
    for field in &reversal.fields {
        let (number, meaning) = &field.value;
        let Some(Meaning::Fact(fact)) = original.meaning(*number) else { continue };
        // A reversal names by DE90 what it undoes, whatever that itself is about.
        if *meaning != Meaning::Fact(*fact) && *fact != Fact::OriginalApprovalCode {
            let message = format!("DE{number} is not what the original carries there");
            faults.add(&field.span, message, &format!("`{}`", fact.name()));
        }
    }
}

/// DE90 is composed of the original's own elements, so these must be what DE90 says they are.
fn check_undone(original: &Plan, reversal: &Plan, faults: &mut Collector<'_>) {
    if !reversal.has(Fact::OriginalData) {
        let message = format!("no element of `{}` names the original", reversal.mti.value);
        faults.add(&reversal.mti.span, message, "90 = \"original_data\"");
        return;
    }
    check_place(reversal, faults);
    let parts = [
        (11, Fact::Stan, true),
        (7, Fact::Transmitted, true),
        (32, Fact::RouteAcquirer, false),
        (33, Fact::RouteForwarder, false),
    ];
    for (number, fact, needed) in parts {
        let right = match original.meaning(number) {
            Some(meaning) => *meaning == Meaning::Fact(fact),
            None => !needed,
        };
        if !right {
            let message = format!("DE{number} of `{}` is a part of DE90", original.mti.value);
            let carrier = original.fields.iter().find(|field| field.value.0 == number);
            let span = carrier.map_or(&original.mti.span, |field| &field.span);
            faults.add(span, message, &format!("`{}`", fact.name()));
        }
    }
}

fn check_place(plan: &Plan, faults: &mut Collector<'_>) {
    let mut fields = plan.fields.iter();
    let found = fields.find(|field| field.value.1 == Meaning::Fact(Fact::OriginalData));
    if let Some(field) = found.filter(|field| field.value.0 != 90) {
        let message = format!("DE{}: `original_data` is composed for DE90", field.value.0);
        faults.add(&field.span, message, "DE90");
    }
}

/// A follow-up names the payment that it is about. The parts of DE90 need no look here: every payment
/// that can be followed can be reversed, and is looked at there.
fn check_followed(
    mapping: &Mapping,
    operation: Operation,
    plan: &Plan,
    faults: &mut Collector<'_>,
) {
    let names = [Fact::OriginalData, Fact::OriginalStan, Fact::OriginalRrn];
    if !names.into_iter().any(|fact| plan.has(fact)) {
        let message = format!("no element of `{}` names the original payment", plan.mti.value);
        let wanted = "90 = \"original_data\", or an element for original.stan or original.rrn";
        faults.add(&plan.mti.span, message, wanted);
    }
    check_place(plan, faults);
    let has_held =
        mapping.operations.iter().any(|plan| plan.operation == Operation::PreAuthorization);
    if operation == Operation::Completion && !has_held {
        let message = "a completion without a pre-authorization has nothing to take";
        faults.add(&plan.mti.span, message, "[operation.pre_authorization]");
    }
}
