//! A mapping file: what a payment means in a dialect. Which element carries what, which silence
//! calls for what, and what each response code stands for.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use tidegate_iso8583::mti::Mti;
use tidegate_payment::{
    record::AnswerClass,
    request::{Operation, Silence},
};

use crate::{
    codes::{CustodyCodes, read_advices, read_answers, read_reversals},
    dialect::{element, read_mti},
    element::{Meaning, TAGGED_MAX},
    fact::Fact,
    network::NetworkKind,
    source::{Collector, Source},
    toml_reader::{At, Item, Section, one_of, parse, word},
};

/// A mapping as its file says it, not yet checked against the dialect.
#[derive(Debug)]
pub(crate) struct Mapping {
    pub(crate) dialect: At<String>,
    /// The element of a reply that says what became of the request.
    pub(crate) response_code: At<u8>,
    /// The element of a reply that carries the approval code.
    pub(crate) approval_code: At<u8>,
    /// The element of a reply that carries amounts on the card, if the mapping names it.
    pub(crate) balances: Option<At<u8>>,
    pub(crate) operations: Vec<OperationPlan>,
    pub(crate) codes: BTreeMap<String, At<AnswerClass>>,
    pub(crate) reversal_codes: CustodyCodes,
    /// What stands here is said of advices by this list, the rest by `codes`.
    pub(crate) advice_codes: CustodyCodes,
    pub(crate) reasons: BTreeMap<String, At<String>>,
    pub(crate) network: NetworkPlan,
    pub(crate) hash: [u8; 32],
}

/// The messages of one operation. A reversal stands there exactly for [`Silence::Reversal`].
#[derive(Debug)]
pub(crate) struct OperationPlan {
    pub(crate) operation: Operation,
    pub(crate) silence: At<Silence>,
    pub(crate) original: Plan,
    pub(crate) reversal: Option<Plan>,
}

/// One message: its type and what its elements carry, in order of their numbers.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) mti: At<Mti>,
    pub(crate) fields: Vec<At<(u8, Meaning)>>,
}

/// Network messages: one shape, told apart by a code.
#[derive(Debug)]
pub(crate) struct NetworkPlan {
    pub(crate) plan: Plan,
    pub(crate) codes: Vec<(NetworkKind, At<String>)>,
    /// The element of the host's cut-over message that carries the new business date, if it has one.
    pub(crate) business_date: Option<At<u8>>,
    /// Response codes by which the host agrees.
    pub(crate) accepted: Vec<At<String>>,
}

impl Plan {
    pub(crate) fn meaning(&self, number: u8) -> Option<&Meaning> {
        let field = self.fields.iter().find(|field| field.value.0 == number)?;
        Some(&field.value.1)
    }

    pub(crate) fn has(&self, fact: Fact) -> bool {
        self.fields.iter().any(|field| field.value.1 == Meaning::Fact(fact))
    }
}

/// Reads a mapping as far as its faults allow.
pub(crate) fn read(source: Source<'_>, faults: &mut Collector<'_>) -> Option<Mapping> {
    let table = parse(source, faults)?;
    let mut root = Section::root(&table);
    let dialect = root.need("dialect", faults).and_then(|item| item.text(faults));
    let answer = read_answer(&mut root, faults);
    let operations = read_operations(&mut root, faults);
    let codes = read_answers(&mut root, faults);
    let reversal_codes = read_reversals(&mut root, faults);
    let advice_codes = read_advices(&mut root, faults);
    let reasons = read_reasons(&mut root, faults);
    let network = read_network(&mut root, faults);
    root.finish(
        "one of dialect, answer, operation, response_codes, reversal_codes, advice_codes, reasons, \
         network",
        faults,
    );
    let (response_code, approval_code, balances) = answer?;
    let dialect = dialect?;
    Some(Mapping {
        dialect: dialect.with(dialect.value.to_owned()),
        response_code,
        approval_code,
        balances,
        operations: operations?,
        codes,
        reversal_codes,
        advice_codes,
        reasons,
        network: network?,
        hash: Sha256::digest(source.text).into(),
    })
}

const SILENCE: &[(&str, Silence)] =
    &[("reversal", Silence::Reversal), ("advice", Silence::Advice), ("inquiry", Silence::Inquiry)];
const NETWORK: &[(&str, NetworkKind)] = &[
    ("sign_on", NetworkKind::SignOn),
    ("sign_off", NetworkKind::SignOff),
    ("echo", NetworkKind::Echo),
    ("cut_over", NetworkKind::CutOver),
    ("key_exchange", NetworkKind::KeyExchange),
];

/// The elements of the response code, the approval code and the balances.
type AnswerElements = (At<u8>, At<u8>, Option<At<u8>>);

fn read_answer(root: &mut Section<'_>, faults: &mut Collector<'_>) -> Option<AnswerElements> {
    let mut section = root.need("answer", faults)?.section(faults)?;
    let wanted = "a number from 2 to 128";
    let mut need =
        |key| section.need(key, faults).and_then(|item| item.number::<u8>(wanted, faults));
    let (response_code, approval_code) = (need("response_code"), need("approval_code"));
    let balances = section.take("balances").map(|item| item.number(wanted, faults));
    section.finish("one of response_code, approval_code, balances", faults);
    let balances = match balances {
        Some(read) => Some(read?),
        None => None,
    };
    Some((response_code?, approval_code?, balances))
}

fn read_operations(
    root: &mut Section<'_>,
    faults: &mut Collector<'_>,
) -> Option<Vec<OperationPlan>> {
    let mut section = root.need("operation", faults)?.section(faults)?;
    let (mut plans, mut is_sound) = (Vec::new(), true);
    for operation in Operation::ALL {
        let item = match operation {
            Operation::Purchase => section.need(operation.name(), faults),
            _ => section.take(operation.name()),
        };
        let is_needed = item.is_some() || operation == Operation::Purchase;
        let plan = item
            .and_then(|item| item.section(faults))
            .and_then(|section| read_operation(operation, section, faults));
        is_sound &= plan.is_some() || !is_needed;
        plans.extend(plan);
    }
    section.finish(&one_of(&Operation::ALL.map(|it| it.name().to_owned())), faults);
    is_sound.then_some(plans)
}

fn read_operation(
    operation: Operation,
    mut section: Section<'_>,
    faults: &mut Collector<'_>,
) -> Option<OperationPlan> {
    let silence = section.need("on_silence", faults).and_then(|item| item.text(faults));
    let silence = silence.and_then(|text| {
        let class = word(&text, "on_silence", SILENCE, faults)?;
        Some(text.with(class))
    });
    let original = read_plan(&mut section, faults);
    let reversal = match silence.as_ref().map(|silence| silence.value) {
        Some(Silence::Reversal) => section.need("reversal", faults),
        _ => section.take("reversal"),
    };
    section.finish("one of mti, on_silence, fields, reversal", faults);
    let reversal = match reversal {
        Some(item) => Some(read_reversal(silence.as_ref(), item, faults)?),
        None => None,
    };
    let silence = silence?;
    let is_whole = reversal.is_some() == (silence.value == Silence::Reversal);
    is_whole.then_some(OperationPlan { operation, silence, original: original?, reversal })
}

fn read_reversal(
    silence: Option<&At<Silence>>,
    item: Item<'_>,
    faults: &mut Collector<'_>,
) -> Option<Plan> {
    if silence.is_some_and(|silence| silence.value != Silence::Reversal) {
        let wanted = "on_silence = \"reversal\", or no such table";
        faults.add(&item.span, "an operation that is not reversed has a reversal", wanted);
    }
    let mut section = item.section(faults)?;
    let plan = read_plan(&mut section, faults);
    section.finish("mti or fields", faults);
    plan
}

fn read_plan(section: &mut Section<'_>, faults: &mut Collector<'_>) -> Option<Plan> {
    let mti = section.need("mti", faults).and_then(|item| {
        let text = item.text(faults)?;
        Some(text.with(read_mti(&text, faults)?))
    });
    let mut table = section.need("fields", faults)?.section(faults)?;
    let mut fields = Vec::new();
    for (key, item) in table.rest() {
        let number = element(&key.with(key.value.as_str()), faults);
        let span = item.span.clone();
        let meaning = read_meaning(item, faults);
        if let (Some(number), Some(meaning)) = (number, meaning) {
            fields.push(At { value: (number, meaning), span });
        }
    }
    fields.sort_by_key(|field| field.value.0);
    Some(Plan { mti: mti?, fields })
}

/// `"stan"`, `{ constant = "59" }` or `{ tagged = [["CV", "card.security_code"]] }`.
fn read_meaning(item: Item<'_>, faults: &mut Collector<'_>) -> Option<Meaning> {
    if !item.is_table() {
        let text = item.text(faults)?;
        return word(&text, "element", Fact::ALL, faults).map(Meaning::Fact);
    }
    let span = item.span.clone();
    let mut section = item.section(faults)?;
    let constant = section.take("constant");
    let tagged = section.take("tagged");
    section.finish("constant or tagged", faults);
    match (constant, tagged) {
        (Some(item), None) => Some(Meaning::Constant(item.text(faults)?.value.to_owned())),
        (None, Some(item)) => read_tagged(&item, faults),
        _ => {
            let wanted = "a fact in quotes, { constant = .. } or { tagged = .. }";
            faults.add(&span, "an element has exactly one content", wanted);
            None
        }
    }
}

fn read_tagged(item: &Item<'_>, faults: &mut Collector<'_>) -> Option<Meaning> {
    let mut parts = Vec::new();
    for pair in item.list(faults)? {
        let words = pair.texts(faults)?;
        let [tag, name] = words.as_slice() else {
            faults.add(&pair.span, "not a tag and a fact", "a pair such as [\"EC\", \"eci\"]");
            continue;
        };
        if tag.value.len() != 2 || !tag.value.bytes().all(|byte| byte.is_ascii_uppercase()) {
            faults.add(&tag.span, format!("`{}` is no tag", tag.value), "two letters A to Z");
        }
        let fact = word(name, "tagged", Fact::ALL, faults);
        parts.extend(fact.map(|fact| (tag.value.to_owned(), fact)));
    }
    let meaning = Meaning::Tagged(parts);
    let length = meaning.shape().max;
    if !(1..=TAGGED_MAX).contains(&length) {
        let message = format!("the tagged facts may take {length} characters");
        faults.add(&item.span, message, &format!("1 to {TAGGED_MAX}"));
    }
    Some(meaning)
}

fn read_reasons(
    root: &mut Section<'_>,
    faults: &mut Collector<'_>,
) -> BTreeMap<String, At<String>> {
    let section = root.take("reasons").and_then(|item| item.section(faults));
    let Some(mut section) = section else { return BTreeMap::new() };
    let mut reasons = BTreeMap::new();
    for (code, item) in section.rest() {
        let Some(text) = item.text(faults) else { continue };
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        if text.value.is_empty() || !text.value.bytes().all(fits) {
            let message = format!("`{}` is no reason", text.value);
            faults.add(&text.span, message, "a name of a-z and _, such as expired_card");
        }
        reasons.insert(code.value, text.with(text.value.to_owned()));
    }
    reasons
}

fn read_network(root: &mut Section<'_>, faults: &mut Collector<'_>) -> Option<NetworkPlan> {
    let mut section = root.need("network", faults)?.section(faults)?;
    let plan = read_plan(&mut section, faults);
    let accepted = section.need("accepted", faults).and_then(|item| item.texts(faults));
    let codes = section.need("codes", faults).and_then(|item| item.section(faults));
    let date = section.take("business_date");
    let date = date.map(|item| item.number::<u8>("a number from 2 to 128", faults));
    section.finish("one of mti, fields, accepted, business_date, codes", faults);
    let business_date = match date {
        Some(read) => Some(read?),
        None => None,
    };
    let mut table = codes?;
    let mut codes = Vec::new();
    for (name, kind) in NETWORK {
        let item = match kind {
            NetworkKind::SignOn | NetworkKind::SignOff | NetworkKind::Echo => {
                table.need(name, faults)
            }
            _ => table.take(name),
        };
        let text = item.and_then(|item| item.text(faults));
        codes.extend(text.map(|text| (*kind, text.with(text.value.to_owned()))));
    }
    table.finish("one of sign_on, sign_off, echo, cut_over, key_exchange", faults);
    let accepted = accepted?.iter().map(|code| code.with(code.value.to_owned())).collect();
    Some(NetworkPlan { plan: plan?, codes, business_date, accepted })
}
