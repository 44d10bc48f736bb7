//! Reads a vector file.

use data_encoding::HEXUPPER_PERMISSIVE;
use tidegate_iso8583::mti::Mti;
use tidegate_payment::{id::Stan, time::Timestamp};

use crate::{
    calendar::parse_instant,
    dialect::{element, read_mti},
    network::NetworkKind,
    sample_payment::{FactReader, SampleMessage, SamplePayment, read_payment},
    source::{Collector, Source},
    toml_reader::{At, Section, parse, word},
};

/// Bytes and what must be true of them.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) wire: Vec<u8>,
    pub(crate) case: Case,
}

/// What must be true.
pub(crate) enum Case {
    Message { mti: Mti, fields: Vec<(u8, String)>, parts: Vec<(u8, String, String)> },
    Bad { error: String },
    Sent { message: SampleMessage, approval_code: Option<String> },
    Reply { to: SampleMessage, says: String },
    Network { kind: NetworkKind, stan: Stan, transmitted: Timestamp },
    Host { kind: String, answer: Vec<u8>, begins: Option<String> },
}

const MESSAGES: &[(&str, SampleMessage)] = &[
    ("original", SampleMessage::Original),
    ("advice_repeat", SampleMessage::AdviceRepeat),
    ("reversal", SampleMessage::Reversal),
    ("repeat", SampleMessage::Repeat),
];
const REQUESTS: &[(&str, NetworkKind)] = &[
    ("sign_on", NetworkKind::SignOn),
    ("sign_off", NetworkKind::SignOff),
    ("echo", NetworkKind::Echo),
];
const KINDS: [&str; 6] = ["message", "bad", "sent", "reply", "network", "host"];

/// Reads the file. Without a mapping, only what a dialect alone can show is allowed.
pub(crate) fn read(
    source: Source<'_>,
    has_mapping: bool,
    faults: &mut Collector<'_>,
) -> (Option<SamplePayment>, Vec<Vector>) {
    let Some(table) = parse(source, faults) else { return (None, Vec::new()) };
    let mut root = Section::root(&table);
    let payment = root.take("payment").filter(|_| has_mapping);
    let payment = payment.and_then(|item| item.section(faults));
    let payment = payment.and_then(|section| read_payment(section, faults));
    let of_dialect = KINDS.iter().take(if has_mapping { KINDS.len() } else { 2 });
    let kinds: Vec<_> = of_dialect.copied().collect();
    let mut vectors = Vec::new();
    for kind in &kinds {
        let list = root.take(kind).and_then(|item| item.list(faults)).unwrap_or_default();
        for item in list {
            let vector =
                item.section(faults).and_then(|section| read_vector(kind, section, faults));
            vectors.extend(vector);
        }
    }
    root.finish(&format!("payment, or lists of {}", kinds.join(", ")), faults);
    if vectors.is_empty() {
        faults.add(&(0..0), "the file holds no vector", "");
    }
    (payment, vectors)
}

fn read_vector(kind: &str, mut section: Section<'_>, faults: &mut Collector<'_>) -> Option<Vector> {
    let name = section.need("name", faults).and_then(|item| item.text(faults));
    let wire = read_bytes("wire", &mut section, faults);
    let case = match kind {
        "message" => read_message(&mut section, faults),
        "bad" => need(&mut section, "error", faults)
            .map(|text| Case::Bad { error: text.value.to_owned() }),
        "sent" => {
            let message = need(&mut section, "message", faults)
                .and_then(|text| word(&text, "message", MESSAGES, faults));
            let approval_code = section.take("approval_code").and_then(|item| item.text(faults));
            let approval_code = approval_code.map(|text| text.value.to_owned());
            message.map(|message| Case::Sent { message, approval_code })
        }
        "reply" => {
            let to = need(&mut section, "to", faults)
                .and_then(|text| word(&text, "to", MESSAGES, faults));
            let says = need(&mut section, "says", faults);
            to.zip(says).map(|(to, says)| Case::Reply { to, says: says.value.to_owned() })
        }
        "network" => read_network(&mut section, faults),
        _ => {
            let kind = need(&mut section, "kind", faults);
            let answer = read_bytes("answer", &mut section, faults);
            let begins = section.take("begins").and_then(|item| item.text(faults));
            let begins = begins.map(|text| text.value.to_owned());
            kind.zip(answer).map(|(kind, answer)| Case::Host {
                kind: kind.value.to_owned(),
                answer,
                begins,
            })
        }
    };
    section.finish(&format!("a key of [[{kind}]]"), faults);
    Some(Vector { name: name?.value.to_owned(), wire: wire?, case: case? })
}

pub(crate) fn need<'t>(
    section: &mut Section<'t>,
    key: &str,
    faults: &mut Collector<'_>,
) -> Option<At<&'t str>> {
    section.need(key, faults)?.text(faults)
}

/// `NAME_hex` or `NAME_text`, each as a text or a list of texts.
fn read_bytes(
    name: &str,
    section: &mut Section<'_>,
    faults: &mut Collector<'_>,
) -> Option<Vec<u8>> {
    if let Some(item) = section.take(&format!("{name}_hex")) {
        let parts = if item.is_text() { vec![item.text(faults)?] } else { item.texts(faults)? };
        let digits: String = parts.iter().flat_map(|part| part.value.split_whitespace()).collect();
        let bytes = HEXUPPER_PERMISSIVE.decode(digits.as_bytes());
        if bytes.is_err() {
            faults.add(&item.span, "not bytes in hex", "pairs of hex digits");
        }
        return bytes.ok();
    }
    let item = section.need(&format!("{name}_text"), faults)?;
    if item.is_text() {
        return Some(item.text(faults)?.value.as_bytes().to_vec());
    }
    let parts = item.texts(faults)?;
    Some(parts.iter().flat_map(|part| part.value.bytes()).collect())
}

fn read_message(section: &mut Section<'_>, faults: &mut Collector<'_>) -> Option<Case> {
    let mti = need(section, "mti", faults).and_then(|text| read_mti(&text, faults));
    let mut table = section.need("fields", faults)?.section(faults)?;
    let (mut fields, mut parts) = (Vec::new(), Vec::new());
    for (key, item) in table.rest() {
        // `48.01` is a part of DE48.
        let (number, part) = match key.value.split_once('.') {
            Some((number, part)) => (number, Some(part.to_owned())),
            None => (key.value.as_str(), None),
        };
        let number = element(&key.with(number), faults);
        let Some((number, value)) = number.zip(item.text(faults)) else { continue };
        let value = value.value.to_owned();
        match part {
            Some(part) => parts.push((number, part, value)),
            None => fields.push((number, value)),
        }
    }
    Some(Case::Message { mti: mti?, fields, parts })
}

fn read_network(section: &mut Section<'_>, faults: &mut Collector<'_>) -> Option<Case> {
    let kind =
        need(section, "request", faults).and_then(|text| word(&text, "request", REQUESTS, faults));
    let mut reader = FactReader { section, faults };
    let stan = reader.stan();
    let transmitted = reader.fact("transmitted", "YYYY-MM-DDThh:mm:ssZ", parse_instant);
    Some(Case::Network { kind: kind?, stan: stan?, transmitted: transmitted? })
}
