//! Checks a mapping against its dialect: every element exists and can carry what it shall, nothing
//! that may not be repeated stands in a reversal, and replies can find their requests.

use tidegate_iso8583::{
    field::{FieldSpec, Mask},
    mti::{Class, Mti},
    pack::Builder,
};
use tidegate_payment::record::AnswerClass;

use crate::{
    definition::Silence,
    dialect::HostDialect,
    element::{Fact, Meaning},
    mapping::{Mapping, OperationPlan, Plan},
    source::Collector,
    toml_reader::At,
};

/// Tracks, PIN block and chip data: sensitive authentication data, which no mapping can fill and no
/// reversal may carry (PCI DSS 3.3).
const SENSITIVE: [u8; 5] = [35, 36, 45, 52, 55];

/// Elements that hold a card number: a constant there would be somebody's card.
const CARD_NUMBER: [u8; 2] = [2, 34];

/// The elements of the original that DE90 is composed of.
/// Standard: ISO 8583:1987, DE 90.
pub(crate) const DE90_PARTS: [(u8, usize); 4] = [(11, 6), (7, 10), (32, 11), (33, 11)];

/// Which message a plan is for; decides what may stand in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Original,
    Reversal,
    Network,
}

pub(crate) fn check(dialect: &HostDialect, mapping: &Mapping, faults: &mut Collector<'_>) {
    if mapping.dialect.value != dialect.name() {
        let message = format!("the mapping is for the dialect `{}`", mapping.dialect.value);
        faults.add(&mapping.dialect.span, message, &format!("`{}`", dialect.name()));
    }
    for plan in &mapping.operations {
        check_operation(dialect, plan, faults);
    }
    check_network(dialect, mapping, faults);
    check_answer(dialect, mapping, faults);
}

fn check_operation(dialect: &HostDialect, plan: &OperationPlan, faults: &mut Collector<'_>) {
    let OperationPlan { original, reversal, silence, .. } = plan;
    if silence.value != Silence::Reversal {
        let message = "a purchase takes money: silence about it calls for a reversal";
        faults.add(&silence.span, message, "`reversal`");
    }
    check_plan(dialect, Part::Original, original, faults);
    check_plan(dialect, Part::Reversal, reversal, faults);
    check_type(dialect, &original.mti, Class::Financial, faults);
    check_type(dialect, &reversal.mti, Class::Reversal, faults);
    if dialect.repeat_of(reversal.mti.value).is_none() {
        let message = format!("the dialect has no repeat of `{}`", reversal.mti.value);
        faults.add(&reversal.mti.span, message, "a type of its [repeat]");
    }
    for plan in [original, reversal] {
        check_key(dialect, &dialect.financial_key, plan, faults);
        for fact in [
            Fact::CardNumber,
            Fact::AmountMinor,
            Fact::AmountCurrency,
            Fact::Stan,
            Fact::Rrn,
            Fact::Transmitted,
        ] {
            if !plan.has(fact) {
                let message =
                    format!("no element of `{}` carries `{}`", plan.mti.value, fact.name());
                faults.add(&plan.mti.span, message, "an element for it");
            }
        }
    }
    for field in &original.fields {
        let compared = dialect.compared.contains(&field.value.0);
        if compared && matches!(field.value.1, Meaning::Tagged(_)) {
            let message =
                format!("DE{}: tagged facts cannot be compared in replies", field.value.0);
            let wanted = format!("an element outside `compared` of `{}`", dialect.name());
            faults.add(&field.span, message, &wanted);
        }
    }
    check_same_sources(original, reversal, faults);
    check_original_data(original, reversal, faults);
}

fn check_type(dialect: &HostDialect, mti: &At<Mti>, class: Class, faults: &mut Collector<'_>) {
    if mti.value.class() != class || mti.value.is_repeat() {
        let wanted = match class {
            Class::Financial => "a financial request, such as `0200`",
            Class::Reversal => "a reversal, such as `0420`",
            _ => "a network management request, such as `0800`",
        };
        faults.add(&mti.span, format!("`{}` does not fit here", mti.value), wanted);
    }
    if dialect.reply_to(mti.value).is_none() {
        let message = format!("the dialect does not say what answers `{}`", mti.value);
        faults.add(&mti.span, message, "a type of its [reply]");
    }
}

fn check_plan(dialect: &HostDialect, part: Part, plan: &Plan, faults: &mut Collector<'_>) {
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
            Fact::SecurityCode => spec.mask == Mask::Never,
            Fact::CardNumber => spec.mask != Mask::Clear,
            _ => true,
        };
        if !hidden {
            let message = format!("DE{number} would show `{}` to people", fact.name());
            faults.add(&field.span, message, "an element that the dialect masks");
        }
        let wanted = match (part, fact) {
            (Part::Reversal, Fact::SecurityCode) => "a fact that may be kept and repeated",
            (Part::Network, Fact::Stan | Fact::Transmitted | Fact::NetworkCode) => continue,
            (Part::Network, _) => "stan, transmitted, network.code or a constant",
            (_, Fact::NetworkCode) => "a fact of a payment",
            (Part::Original, Fact::ApprovalCode | Fact::OriginalData) => {
                "a fact that is known before the host answers"
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
fn check_key(dialect: &HostDialect, key: &[u8], plan: &Plan, faults: &mut Collector<'_>) {
    for number in key {
        let found = match plan.meaning(*number) {
            Some(Meaning::Constant(_)) => continue,
            Some(Meaning::Fact(fact)) if fact.is_host_field() => continue,
            Some(Meaning::Fact(Fact::NetworkCode))
                if plan.mti.value.class() == Class::NetworkManagement =>
            {
                continue;
            }
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

/// A reversal names its original by the same elements: what the original takes from the payment,
/// the reversal takes from the same place.
fn check_same_sources(original: &Plan, reversal: &Plan, faults: &mut Collector<'_>) {
    for field in &reversal.fields {
        let (number, meaning) = &field.value;
        let Some(Meaning::Fact(fact)) = original.meaning(*number) else { continue };
        if *meaning != Meaning::Fact(*fact) {
            let message = format!("DE{number} is not what the original carries there");
            faults.add(&field.span, message, &format!("`{}`", fact.name()));
        }
    }
}

/// DE90 is composed of the original's own elements, so these must be what DE90 says they are.
fn check_original_data(original: &Plan, reversal: &Plan, faults: &mut Collector<'_>) {
    let mut found = reversal.fields.iter();
    let Some(field) = found.find(|field| field.value.1 == Meaning::Fact(Fact::OriginalData)) else {
        let message = format!("no element of `{}` names the original", reversal.mti.value);
        faults.add(&reversal.mti.span, message, "90 = \"original_data\"");
        return;
    };
    if field.value.0 != 90 {
        let message = format!("DE{}: `original_data` is composed for DE90", field.value.0);
        faults.add(&field.span, message, "DE90");
    }
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

fn check_network(dialect: &HostDialect, mapping: &Mapping, faults: &mut Collector<'_>) {
    let network = &mapping.network;
    let plan = &network.plan;
    check_type(dialect, &plan.mti, Class::NetworkManagement, faults);
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
    if network.accepted.is_empty() {
        faults.add(&plan.mti.span, "no response code accepts a network message", "accepted = [..]");
    }
}

fn check_answer(dialect: &HostDialect, mapping: &Mapping, faults: &mut Collector<'_>) {
    for field in [&mapping.response_code, &mapping.approval_code] {
        if dialect.wire.field(field.value).is_none() {
            let message = format!("DE{}: the dialect does not define it", field.value);
            faults.add(&field.span, message, "an element of the dialect");
        }
    }
    let answers = mapping.codes.iter().map(|(code, at)| (code, &at.span));
    let reversals = mapping.reversal_codes.iter().map(|(code, at)| (code, &at.span));
    let network = mapping.network.accepted.iter().map(|code| (&code.value, &code.span));
    let reasons = mapping.reasons.iter().map(|(code, reason)| (code, &reason.span));
    let number = mapping.response_code.value;
    let reply = mapping.network.plan.mti.value;
    for (code, span) in answers.chain(reversals).chain(network).chain(reasons) {
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
