//! Reads the payment that the vectors of a file are about.

use std::{ops::Range, time::Duration};

use tidegate_payment::{
    card::{CardHash, CardRef, Cavv, Expiry, Pan, Secrets, SecurityCode},
    effect::Outgoing,
    id::{
        ChannelId, HostId, IdempotencyKey, MerchantId, Nonce, OrderId, PaymentId, Rrn, Stan,
        TerminalId,
    },
    input::Attempt,
    money::{Currency, Money},
    request::{
        Acceptor, Definitions, DsTransaction, Eci, Freshness, HostFields, Operation,
        OriginalFields, Request, Route, Silence,
    },
    time::{BusinessDate, LocalTime, Mono, Timestamp},
};

use crate::{
    calendar::parse_instant,
    source::Collector,
    toml_reader::{At, Item, Section, word},
    vector_file::need,
};

/// A message of the sample payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SampleMessage {
    Original,
    /// The original again, marked so: of an advice.
    AdviceRepeat,
    Reversal,
    /// The reversal again, marked so.
    Repeat,
}

/// The payment that a file's vectors are about.
pub(crate) struct SamplePayment {
    pub(crate) card: Pan,
    pub(crate) secrets: Secrets,
    request: Request,
    fields: HostFields,
}

impl SamplePayment {
    /// One of its messages, as the engine would hand it out.
    pub(crate) fn outgoing(&self, message: SampleMessage) -> Outgoing {
        let (attempt, repeat) = match message {
            SampleMessage::Original => (Attempt::Original, false),
            SampleMessage::AdviceRepeat => (Attempt::Repeat(2), true),
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

/// Reads the facts of a payment, each from a text.
pub(crate) struct FactReader<'s, 't, 'f, 'u> {
    pub(crate) section: &'s mut Section<'t>,
    pub(crate) faults: &'f mut Collector<'u>,
}

impl FactReader<'_, '_, '_, '_> {
    pub(crate) fn fact<T>(
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

    pub(crate) fn stan(&mut self) -> Option<Stan> {
        self.fact("stan", "1 to 999999", |text| Stan::new(text.parse().ok()?).ok())
    }

    fn rrn(&mut self) -> Option<Rrn> {
        self.fact("rrn", "12 letters or digits", |text| Rrn::parse(text).ok())
    }

    fn transmitted(&mut self) -> Option<Timestamp> {
        self.fact("transmitted", "YYYY-MM-DDThh:mm:ssZ", parse_instant)
    }

    fn business_date(&mut self) -> Option<BusinessDate> {
        self.fact("business_date", "YYYY-MM-DD", |text| {
            let year = text.get(..4)?.parse().ok()?;
            Some(BusinessDate { year, month: digits(text, 5..7)?, day: digits(text, 8..10)? })
        })
    }

    /// Minor units; whether an operation can be of nothing is not for vectors to say.
    fn minor(&mut self) -> Option<i64> {
        self.fact("amount", "0 to 999999999999 minor units", |text| {
            text.parse().ok().filter(|minor| (0..=Money::MAX_MINOR).contains(minor))
        })
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.fact(key, "a text", |text| Some(text.to_owned()))
    }
}

/// Two digits of a text.
fn digits(text: &str, range: Range<usize>) -> Option<u8> {
    text.get(range)?.parse().ok()
}

pub(crate) fn read_payment(
    mut section: Section<'_>,
    faults: &mut Collector<'_>,
) -> Option<SamplePayment> {
    let original = section.take("original").map(|item| item.section(faults));
    let mut reader = FactReader { section: &mut section, faults };
    let operation = match reader.section.take("operation") {
        Some(item) => read_operation(&item, reader.faults),
        None => Some(Operation::Purchase),
    };
    let card = reader.fact("card", "a test card number", |text| Pan::parse(text).ok());
    let expiry = reader.fact("expiry", "YYYY-MM", |text| Expiry::parse_iso(text).ok());
    let security_code =
        reader.option("security_code", "3 or 4 digits", |text| SecurityCode::parse(text).ok());
    let cavv = reader.option("cavv", "28 characters of base64", |text| Cavv::parse(text).ok());
    let ds_transaction = reader.option("ds_transaction", "a UUID", DsTransaction::parse);
    let eci = reader.option("eci", "two digits", Eci::parse);
    let currency =
        reader.fact("currency", "a code such as EUR", |text| Currency::from_alphabetic(text).ok());
    let minor = reader.minor();
    let fields = read_host_fields(&mut reader);
    section.finish("a fact of a payment", faults);
    let amount = Money { minor: minor?, currency: currency? };
    let original = match original {
        Some(section) => Some(Box::new(read_original(section?, amount.currency, faults)?)),
        None => None,
    };
    let card = card?;
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
        operation: operation?,
        key: IdempotencyKey::parse("vector-1").ok()?,
        freshness: Freshness { created: Timestamp(0), nonce: Nonce::parse("00000000").ok()? },
        order: OrderId::parse("A-1001").ok()?,
        amount,
        card: card_ref,
        eci,
        ds_transaction,
        original: original.as_ref().map(|_| PaymentId(2)),
    };
    let secrets = Secrets { security_code, cavv };
    Some(SamplePayment { card, secrets, request, fields: HostFields { original, ..fields? } })
}

fn read_operation(item: &Item<'_>, faults: &mut Collector<'_>) -> Option<Operation> {
    let operations = Operation::ALL.map(|operation| (operation.name(), operation));
    word(&item.text(faults)?, "operation", &operations, faults)
}

/// The payment that a follow-up is about.
fn read_original(
    mut section: Section<'_>,
    currency: Currency,
    faults: &mut Collector<'_>,
) -> Option<OriginalFields> {
    let operation = section.need("operation", faults);
    let operation = operation.and_then(|item| read_operation(&item, faults));
    let mut reader = FactReader { section: &mut section, faults };
    let stan = reader.stan();
    let rrn = reader.rrn();
    let transmitted = reader.transmitted();
    let business_date = reader.business_date();
    let minor = reader.minor();
    let approval_code =
        reader.option("approval_code", "1 to 6 characters", |text| Some(text.to_owned()));
    section.finish("a fact of an original payment", faults);
    Some(OriginalFields {
        operation: operation?,
        stan: stan?,
        rrn: rrn?,
        transmitted: transmitted?,
        business_date: business_date?,
        approval_code,
        amount: Money { minor: minor?, currency },
    })
}

fn read_host_fields(reader: &mut FactReader<'_, '_, '_, '_>) -> Option<HostFields> {
    let stan = reader.stan();
    let rrn = reader.rrn();
    let transmitted = reader.transmitted();
    let local = reader.fact("local", "MMDDhhmmss", |text| {
        Some(LocalTime {
            month: digits(text, 0..2)?,
            day: digits(text, 2..4)?,
            hour: digits(text, 4..6)?,
            minute: digits(text, 6..8)?,
            second: digits(text, 8..10)?,
        })
    });
    let business_date = reader.business_date();
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
            // Of no account here: how a message is written does not hang on it.
            silence: Silence::Reversal,
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
