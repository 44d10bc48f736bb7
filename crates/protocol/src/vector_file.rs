//! Reads a vector file.

use std::{ops::Range, time::Duration};

use data_encoding::HEXUPPER_PERMISSIVE;
use tidegate_iso8583::mti::Mti;
use tidegate_payment::{
    card::{CardHash, CardRef, Expiry, Pan, SecurityCode},
    effect::Outgoing,
    id::{
        ChannelId, HostId, IdempotencyKey, MerchantId, Nonce, OrderId, PaymentId, Rrn, Stan,
        TerminalId,
    },
    input::Attempt,
    money::{Currency, Money},
    request::{Acceptor, Definitions, Eci, Freshness, HostFields, Operation, Request, Route},
    time::{BusinessDate, LocalTime, Mono, Timestamp},
};

use crate::{
    calendar::parse_instant,
    dialect::{element, read_mti},
    network::NetworkKind,
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
    Message { mti: Mti, fields: Vec<(u8, String)> },
    Bad { error: String },
    Sent { message: SampleMessage, approval_code: Option<String> },
    Reply { to: SampleMessage, says: String },
    Network { kind: NetworkKind, stan: Stan, transmitted: Timestamp },
    Host { kind: String, answer: Vec<u8> },
}

/// A message of the sample payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SampleMessage {
    Original,
    Reversal,
    Repeat,
}

/// The payment that a file's vectors are about.
pub(crate) struct SamplePayment {
    pub(crate) card: Pan,
    pub(crate) security_code: Option<SecurityCode>,
    request: Request,
    fields: HostFields,
}

impl SamplePayment {
    /// One of its messages, as the engine would hand it out.
    pub(crate) fn outgoing(&self, message: SampleMessage) -> Outgoing {
        let (attempt, repeat) = match message {
            SampleMessage::Original => (Attempt::Original, false),
            SampleMessage::Reversal => (Attempt::Reversal(1), false),
            SampleMessage::Repeat => (Attempt::Reversal(2), true),
        };
        Outgoing {
            id: PaymentId(1),
            attempt,
            repeat,
            request: self.request.clone(),
            fields: self.fields.clone(),
            approval_code: None,
            deadline: Mono(Duration::ZERO),
        }
    }
}

const MESSAGES: &[(&str, SampleMessage)] = &[
    ("original", SampleMessage::Original),
    ("reversal", SampleMessage::Reversal),
    ("repeat", SampleMessage::Repeat),
];
const ANSWERED: &[(&str, SampleMessage)] =
    &[("original", SampleMessage::Original), ("reversal", SampleMessage::Reversal)];
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
                .and_then(|text| word(&text, "to", ANSWERED, faults));
            let says = need(&mut section, "says", faults);
            to.zip(says).map(|(to, says)| Case::Reply { to, says: says.value.to_owned() })
        }
        "network" => read_network(&mut section, faults),
        _ => {
            let kind = need(&mut section, "kind", faults);
            let answer = read_bytes("answer", &mut section, faults);
            kind.zip(answer)
                .map(|(kind, answer)| Case::Host { kind: kind.value.to_owned(), answer })
        }
    };
    section.finish(&format!("a key of [[{kind}]]"), faults);
    Some(Vector { name: name?.value.to_owned(), wire: wire?, case: case? })
}

fn need<'t>(
    section: &mut Section<'t>,
    key: &str,
    faults: &mut Collector<'_>,
) -> Option<At<&'t str>> {
    section.need(key, faults)?.text(faults)
}

/// `NAME_hex`, or `NAME_text` as a text or a list of texts.
fn read_bytes(
    name: &str,
    section: &mut Section<'_>,
    faults: &mut Collector<'_>,
) -> Option<Vec<u8>> {
    if let Some(item) = section.take(&format!("{name}_hex")) {
        let text = item.text(faults)?;
        let digits: String = text.value.split_whitespace().collect();
        let bytes = HEXUPPER_PERMISSIVE.decode(digits.as_bytes());
        if bytes.is_err() {
            faults.add(&text.span, "not bytes in hex", "pairs of hex digits");
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
    let mut fields = Vec::new();
    for (key, item) in table.rest() {
        let number = element(&key.with(key.value.as_str()), faults);
        let value = item.text(faults);
        fields.extend(number.zip(value).map(|(number, text)| (number, text.value.to_owned())));
    }
    Some(Case::Message { mti: mti?, fields })
}

fn read_network(section: &mut Section<'_>, faults: &mut Collector<'_>) -> Option<Case> {
    let kind =
        need(section, "request", faults).and_then(|text| word(&text, "request", REQUESTS, faults));
    let mut reader = FactReader { section, faults };
    let stan = reader.stan();
    let transmitted = reader.fact("transmitted", "YYYY-MM-DDThh:mm:ssZ", parse_instant);
    Some(Case::Network { kind: kind?, stan: stan?, transmitted: transmitted? })
}

/// Reads the facts of a payment, each from a text.
struct FactReader<'s, 't, 'f, 'u> {
    section: &'s mut Section<'t>,
    faults: &'f mut Collector<'u>,
}

impl FactReader<'_, '_, '_, '_> {
    fn fact<T>(
        &mut self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = need(self.section, key, self.faults)?;
        self.judge(&text, key, wanted, read)
    }

    /// A fact that may be missing; a wrong one is noted.
    fn option<T>(
        &mut self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.section.take(key)?.text(self.faults)?;
        self.judge(&text, key, wanted, read)
    }

    fn judge<T>(
        &mut self,
        text: &At<&str>,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let fact = read(text.value);
        if fact.is_none() {
            self.faults.add(&text.span, format!("`{key}` is not what it should be"), wanted);
        }
        fact
    }

    fn stan(&mut self) -> Option<Stan> {
        self.fact("stan", "1 to 999999", |text| Stan::new(text.parse().ok()?).ok())
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.fact(key, "a text", |text| Some(text.to_owned()))
    }
}

/// Two digits of a text.
fn digits(text: &str, range: Range<usize>) -> Option<u8> {
    text.get(range)?.parse().ok()
}

fn read_payment(mut section: Section<'_>, faults: &mut Collector<'_>) -> Option<SamplePayment> {
    let mut reader = FactReader { section: &mut section, faults };
    let card = reader.fact("card", "a test card number", |text| Pan::parse(text).ok());
    let expiry = reader.fact("expiry", "YYYY-MM", |text| Expiry::parse_iso(text).ok());
    let security_code =
        reader.option("security_code", "3 or 4 digits", |text| SecurityCode::parse(text).ok());
    let eci = reader.option("eci", "two digits", Eci::parse);
    let currency =
        reader.fact("currency", "a code such as EUR", |text| Currency::from_alphabetic(text).ok());
    let minor = reader.fact("amount", "minor units", |text| text.parse().ok());
    let fields = read_host_fields(&mut reader);
    section.finish("a fact of a payment", faults);
    let (card, amount) = (card?, Money::payable(minor?, currency?).ok()?);
    let card_ref = CardRef {
        bin: card.bin().to_owned(),
        last4: card.last4().to_owned(),
        hash: CardHash([0; 32]),
        expiry: expiry?,
        sealed: Vec::new(),
    };
    let request = Request {
        merchant: MerchantId::parse("m-1001").ok()?,
        channel: ChannelId::parse("vectors").ok()?,
        operation: Operation::Purchase,
        key: IdempotencyKey::parse("vector-1").ok()?,
        freshness: Freshness { created: Timestamp(0), nonce: Nonce::parse("00000000").ok()? },
        order: OrderId::parse("A-1001").ok()?,
        amount,
        card: card_ref,
        eci,
        ds_transaction: None,
        original: None,
    };
    Some(SamplePayment { card, security_code, request, fields: fields? })
}

fn read_host_fields(reader: &mut FactReader<'_, '_, '_, '_>) -> Option<HostFields> {
    let stan = reader.stan();
    let rrn = reader.fact("rrn", "12 letters or digits", |text| Rrn::parse(text).ok());
    let transmitted = reader.fact("transmitted", "YYYY-MM-DDThh:mm:ssZ", parse_instant);
    let local = reader.fact("local", "MMDDhhmmss", |text| {
        Some(LocalTime {
            month: digits(text, 0..2)?,
            day: digits(text, 2..4)?,
            hour: digits(text, 4..6)?,
            minute: digits(text, 6..8)?,
            second: digits(text, 8..10)?,
        })
    });
    let business_date = reader.fact("business_date", "YYYY-MM-DD", |text| {
        let year = text.get(..4)?.parse().ok()?;
        Some(BusinessDate { year, month: digits(text, 5..7)?, day: digits(text, 8..10)? })
    });
    let terminal = reader.fact("terminal", "8 characters", |text| TerminalId::parse(text).ok());
    let category = reader.text("category");
    let number = reader.text("acceptor");
    let name_location = reader.text("name_location");
    let acquirer = reader.text("acquirer");
    let forwarder = reader.option("forwarder", "a text", |text| Some(text.to_owned()));
    Some(HostFields {
        route: Route {
            host: HostId::parse("bank").ok()?,
            acquirer: acquirer?,
            forwarder,
            definitions: Definitions { dialect: [0; 32], mapping: [0; 32] },
            silence: tidegate_payment::request::Silence::Reversal,
        },
        acceptor: Acceptor {
            category: category?,
            terminal: terminal?,
            number: number?,
            name_location: name_location?,
        },
        stan: stan?,
        rrn: rrn?,
        transmitted: transmitted?,
        local: local?,
        business_date: business_date?,
        original: None,
    })
}
