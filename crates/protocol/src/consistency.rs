//! Checks a mapping against its dialect: every element exists and can carry what it shall, nothing
//! that may not be repeated stands in a reversal, and replies can find their requests.

use tidegate_iso8583::{
    field::{Content, FieldSpec, Length, Mask},
    mti::{Class, Mti},
    pack::Builder,
};
use tidegate_payment::{record::AnswerClass, request::Operation};

use crate::{
    dialect::HostDialect,
    element::Meaning,
    fact::Fact,
    mapping::{Mapping, Plan},
    operations::check_operation,
    source::Collector,
    toml_reader::At,
};

/// Tracks, PIN block and chip data: sensitive authentication data, which no mapping can fill and no
/// reversal may carry (PCI DSS 3.3).
const SENSITIVE: [u8; 5] = [35, 36, 45, 52, 55];

/// Elements that hold a card number: a constant there would be somebody's card.
const CARD_NUMBER: [u8; 2] = [2, 34];

/// Which message a plan is for; decides what may stand in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What an operation sends first; an advice is repeated as it is.
    Original {
        operation: Operation,
        is_advice: bool,
    },
    Reversal(Operation),
    Network,
}

impl Part {
    /// Whether it goes out again with the same elements.
    fn is_repeated(self) -> bool {
        matches!(self, Self::Reversal(_) | Self::Original { is_advice: true, .. })
    }

    /// Whether it belongs to a payment that is about another one.
    fn is_of_follow_up(self) -> bool {
        match self {
            Self::Original { operation, .. } | Self::Reversal(operation) => {
                operation.is_follow_up()
            }
            Self::Network => false,
        }
    }
}

pub(crate) fn check(dialect: &HostDialect, mapping: &Mapping, faults: &mut Collector<'_>) {
    if mapping.dialect.value != dialect.name() {
        let message = format!("the mapping is for the dialect `{}`", mapping.dialect.value);
        faults.add(&mapping.dialect.span, message, &format!("`{}`", dialect.name()));
    }
    for plan in &mapping.operations {
        check_operation(dialect, mapping, plan, faults);
    }
    check_network(dialect, mapping, faults);
    check_answer(dialect, mapping, faults);
}

/// The type belongs to one of these classes, is no repeat, and something answers it.
pub(crate) fn check_type(
    dialect: &HostDialect,
    mti: &At<Mti>,
    classes: &[Class],
    wanted: &str,
    faults: &mut Collector<'_>,
) {
    if !classes.contains(&mti.value.class()) || mti.value.is_repeat() {
        faults.add(&mti.span, format!("`{}` does not fit here", mti.value), wanted);
    }
    if dialect.reply_to(mti.value).is_none() {
        let message = format!("the dialect does not say what answers `{}`", mti.value);
        faults.add(&mti.span, message, "a type of its [reply]");
    }
}

pub(crate) fn check_plan(
    dialect: &HostDialect,
    part: Part,
    plan: &Plan,
    faults: &mut Collector<'_>,
) {
    for field in &plan.fields {
        let (number, meaning) = &field.value;
        let Some(spec) = dialect.wire.field(*number) else {
            let message = format!("DE{number}: the dialect does not define it");
            faults.add(&field.span, message, "an element of the dialect");
            continue;
        };
        if SENSITIVE.contains(number) {
            let message = format!("DE{number}: tracks, PIN blocks and chip data are not mapped");
            faults.add(&field.span, message, "no such element");
        }
        if CARD_NUMBER.contains(number) && *meaning != Meaning::Fact(Fact::CardNumber) {
            let message = format!("DE{number}: holds a card number and nothing else");
            faults.add(&field.span, message, "`card.number`");
        }
        check_facts(part, field, spec, faults);
        if let Meaning::Constant(text) = meaning {
            let mut builder = Builder::new(&dialect.wire, plan.mti.value);
            if let Err(error) = builder.set(*number, text) {
                faults.add(&field.span, error.to_string(), "");
            }
        } else if let Some(wanted) = meaning.shape().misfit(spec) {
            let what = match meaning {
                Meaning::Fact(fact) => format!("`{}`", fact.name()),
                _ => "these tagged facts".to_owned(),
            };
            faults.add(&field.span, format!("DE{number} cannot carry {what}"), &wanted);
        }
    }
}

/// Refuses facts that the message cannot know or must not show.
fn check_facts(
    part: Part,
    field: &At<(u8, Meaning)>,
    spec: &FieldSpec,
    faults: &mut Collector<'_>,
) {
    let (number, meaning) = &field.value;
    for fact in meaning.facts() {
        let hidden = match fact {
            Fact::SecurityCode | Fact::Cavv => spec.mask == Mask::Never,
            Fact::CardNumber => spec.mask != Mask::Clear,
            _ => true,
        };
        if !hidden {
            let message = format!("DE{number} would show `{}` to people", fact.name());
            faults.add(&field.span, message, "an element that the dialect masks");
        }
        let wanted = match (part, fact) {
            (part, fact) if part.is_repeated() && fact.is_secret() => {
                "a fact that may be kept and repeated"
            }
            (Part::Network, Fact::Stan | Fact::Transmitted | Fact::NetworkCode) => continue,
            (Part::Network, _) => "stan, transmitted, network.code or a constant",
            (_, Fact::NetworkCode) => "a fact of a payment",
            (Part::Original { .. }, Fact::ApprovalCode) => {
                "a fact that is known before the host answers"
            }
            (Part::Original { operation, .. }, Fact::OriginalData) if !operation.is_follow_up() => {
                "a fact that is known before the host answers"
            }
            (part, fact) if fact.is_of_original() && !part.is_of_follow_up() => {
                "a fact of the payment itself: only follow-ups have an original"
            }
            _ if matches!(meaning, Meaning::Tagged(_))
                && matches!(fact, Fact::CardNumber | Fact::OriginalData) =>
            {
                "a fact that is no card number and no DE90"
            }
            _ => continue,
        };
        let message = format!("DE{number}: `{}` cannot stand here", fact.name());
        faults.add(&field.span, message, wanted);
    }
}

/// Every element of a key must be in the message, and known again from the journal alone.
pub(crate) fn check_key(
    dialect: &HostDialect,
    key: &[u8],
    plan: &Plan,
    faults: &mut Collector<'_>,
) {
    for number in key {
        let found = match plan.meaning(*number) {
            Some(Meaning::Constant(_)) => continue,
            Some(Meaning::Fact(fact)) if fact.is_host_field() => continue,
            Some(Meaning::Fact(Fact::NetworkCode))
                if plan.mti.value.class() == Class::NetworkManagement =>
            {
                continue;
            }
            Some(Meaning::Fact(fact)) if fact.is_of_original() => "is another message's",
            Some(_) => "is not known any more after a restart",
            None => "is not in the message",
        };
        let span = plan.fields.iter().find(|field| field.value.0 == *number);
        let span = span.map_or(&plan.mti.span, |field| &field.span);
        let message = format!("DE{number} pairs replies with `{}`, but {found}", plan.mti.value);
        let wanted = format!("an element of the match key of `{}`", dialect.name());
        faults.add(span, message, &wanted);
    }
}

fn check_network(dialect: &HostDialect, mapping: &Mapping, faults: &mut Collector<'_>) {
    let network = &mapping.network;
    let plan = &network.plan;
    let wanted = "a network management request, such as `0800`";
    check_type(dialect, &plan.mti, &[Class::NetworkManagement], wanted, faults);
    check_plan(dialect, Part::Network, plan, faults);
    check_key(dialect, &dialect.network_key, plan, faults);
    if !plan.has(Fact::NetworkCode) {
        let message = "no element says what a network message is about";
        faults.add(&plan.mti.span, message, "70 = \"network.code\"");
    }
    for (place, (_, code)) in network.codes.iter().enumerate() {
        if code.value.len() != 3 || !code.value.bytes().all(|byte| byte.is_ascii_digit()) {
            faults.add(&code.span, format!("`{}` is no network code", code.value), "three digits");
        }
        if network.codes.iter().take(place).any(|(_, other)| other.value == code.value) {
            faults.add(&code.span, format!("`{}` stands for two things", code.value), "each once");
        }
    }
    let date = network.business_date.as_ref();
    if let Some(date) = date.filter(|date| !carries_date(dialect, date.value)) {
        let message = format!("DE{} does not hold a date of 4 digits", date.value);
        faults.add(&date.span, message, "an element of `n` with length 4, such as 15 (MMDD)");
    }
    if network.accepted.is_empty() {
        faults.add(&plan.mti.span, "no response code accepts a network message", "accepted = [..]");
    }
}

/// Whether an element holds month and day (`MMDD`).
/// Standard: ISO 8583:1987, DE 15 and DE 17.
fn carries_date(dialect: &HostDialect, number: u8) -> bool {
    let spec = dialect.wire.field(number);
    spec.is_some_and(|spec| spec.content == Content::N && spec.length == Length::Fixed(4))
}

fn check_answer(dialect: &HostDialect, mapping: &Mapping, faults: &mut Collector<'_>) {
    let elements = [&mapping.response_code, &mapping.approval_code];
    for field in elements.into_iter().chain(&mapping.balances) {
        if dialect.wire.field(field.value).is_none() {
            let message = format!("DE{}: the dialect does not define it", field.value);
            faults.add(&field.span, message, "an element of the dialect");
        }
    }
    let answers = mapping.codes.iter().map(|(code, at)| (code, &at.span));
    let custody = mapping.reversal_codes.codes.iter().chain(&mapping.advice_codes.codes);
    let custody = custody.map(|(code, at)| (code, &at.span));
    let network = mapping.network.accepted.iter().map(|code| (&code.value, &code.span));
    let reasons = mapping.reasons.iter().map(|(code, reason)| (code, &reason.span));
    let number = mapping.response_code.value;
    let reply = mapping.network.plan.mti.value;
    for (code, span) in answers.chain(custody).chain(network).chain(reasons) {
        let mut builder = Builder::new(&dialect.wire, reply);
        if let (true, Err(error)) =
            (dialect.wire.field(number).is_some(), builder.set(number, code))
        {
            faults.add(span, format!("`{code}` is no response code: {error}"), "");
        }
    }
    for (code, reason) in &mapping.reasons {
        let class = mapping.codes.get(code).map(|class| class.value);
        if !matches!(class, Some(AnswerClass::Declined | AnswerClass::PickUp)) {
            let message = format!("`{code}` has a reason but declines nothing");
            faults.add(&reason.span, message, "a code of declined or pick_up");
        }
    }
}
