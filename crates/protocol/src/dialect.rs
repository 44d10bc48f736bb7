//! A dialect file: how one host writes ISO 8583, which message type answers which, and by which
//! elements a reply finds its request.

use sha2::{Digest, Sha256};
use tidegate_iso8583::{
    dialect::{BitmapEncoding, Dialect, DialectFault, DialectSpec, MtiEncoding},
    error::ParseError,
    explain::{ExplainOptions, Explanation, explain},
    field::{Content, Encoding, Mask},
    mti::{Class, Mti},
    parse::Message,
};

use crate::{
    fields::{Fields, TEXT},
    source::{Collector, Faults, Source},
    toml_reader::{At, Item, Section, need_word, parse, take_word},
};

/// A dialect that was read from its file and checked.
#[derive(Debug)]
pub struct HostDialect {
    pub(crate) wire: Dialect,
    /// Request and the type that answers it.
    pub(crate) replies: Vec<(Mti, Mti)>,
    /// First message and the type that marks it as repeated.
    repeats: Vec<(Mti, Mti)>,
    /// The elements that pair replies of payments and of their reversals with the requests.
    pub(crate) financial_key: Vec<u8>,
    /// The elements that pair network replies with the requests.
    pub(crate) network_key: Vec<u8>,
    /// The elements that are compared with the request's where a reply carries them.
    pub(crate) compared: Vec<u8>,
    pub(crate) hash: [u8; 32],
}

impl HostDialect {
    /// Reads and checks a dialect file.
    ///
    /// # Errors
    /// Every fault of the file, with line and caret.
    pub fn read(source: Source<'_>) -> Result<Self, Faults> {
        let mut faults = Collector::new(source);
        let dialect = read(source, &mut faults);
        match (Collector::gather([faults]), dialect) {
            (None, Some(dialect)) => Ok(dialect),
            (Some(faults), _) => Err(faults),
            (None, None) => Err(Collector::incomplete(source)),
        }
    }

    /// The dialect's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.wire.name()
    }

    /// The wire format alone.
    #[must_use]
    pub fn wire(&self) -> &Dialect {
        &self.wire
    }

    /// Reads the body of a frame.
    ///
    /// # Errors
    /// As [`Dialect::parse`].
    pub fn parse<'a>(&'a self, body: &'a [u8]) -> Result<Message<'a>, ParseError> {
        self.wire.parse(body)
    }

    /// Explains the body of a frame to a person, card data masked.
    #[must_use]
    pub fn explain(&self, body: &[u8], options: ExplainOptions) -> Explanation {
        explain(&self.wire, body, options)
    }

    /// The type that answers this one, by the file.
    #[must_use]
    pub fn reply_to(&self, request: Mti) -> Option<Mti> {
        lookup(&self.replies, request)
    }

    /// The type that marks this one as a repeat, by the file.
    #[must_use]
    pub fn repeat_of(&self, first: Mti) -> Option<Mti> {
        lookup(&self.repeats, first)
    }

    /// SHA-256 of the file's text.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

fn lookup(table: &[(Mti, Mti)], key: Mti) -> Option<Mti> {
    table.iter().find(|(from, _)| *from == key).map(|(_, to)| *to)
}

/// Reads a dialect as far as its faults allow.
pub(crate) fn read(source: Source<'_>, faults: &mut Collector<'_>) -> Option<HostDialect> {
    let table = parse(source, faults)?;
    let mut root = Section::root(&table);
    let name = root.need("name", faults).and_then(|item| item.text(faults));
    let mti = need_word(&mut root, "mti", MTI, faults);
    let bitmap = need_word(&mut root, "bitmap", BITMAP, faults);
    need_word(&mut root, "transmission_time", &[("utc", ())], faults);
    let replies = read_types(&mut root, "reply", faults);
    let repeats = read_types(&mut root, "repeat", faults);
    check_types(&replies, &repeats, faults);
    let keys = root.need("match", faults).and_then(|item| item.section(faults));
    let text = take_word(&mut root, "text", TEXT, faults).unwrap_or(Encoding::Ascii);
    let mut fields = Fields::read(&mut root, text, faults);
    let overrides = fields.read_overrides(&mut root, faults);
    root.finish(
        "one of name, mti, bitmap, text, transmission_time, reply, repeat, match, field, override",
        faults,
    );
    let (financial, network, compared) = read_keys(keys?, &fields, faults);
    let spec = DialectSpec {
        name: name?.value.to_owned(),
        mti: mti?,
        bitmap: bitmap?,
        fields: fields.complete(),
        overrides,
    };
    let wire = match Dialect::build(spec) {
        Ok(wire) => wire,
        Err(found) => {
            found.into_iter().for_each(|fault| note(&fault, &fields, faults));
            return None;
        }
    };
    Some(HostDialect {
        wire,
        replies: replies.into_iter().map(|row| row.value).collect(),
        repeats: repeats.into_iter().map(|row| row.value).collect(),
        financial_key: financial?,
        network_key: network?,
        compared: compared?,
        hash: Sha256::digest(source.text).into(),
    })
}

pub(crate) const MTI: &[(&str, MtiEncoding)] =
    &[("ascii", MtiEncoding::Ascii), ("bcd", MtiEncoding::Bcd), ("ebcdic", MtiEncoding::Ebcdic)];
/// How bitmaps may be written.
pub(crate) const BITMAP: &[(&str, BitmapEncoding)] = &[
    ("hex", BitmapEncoding::Hex),
    ("binary", BitmapEncoding::Binary),
    ("hex-ebcdic", BitmapEncoding::HexEbcdic),
];
/// A table of message types, such as `"0200" = "0210"`.
fn read_types(
    root: &mut Section<'_>,
    key: &str,
    faults: &mut Collector<'_>,
) -> Vec<At<(Mti, Mti)>> {
    let section = root.need(key, faults).and_then(|item| item.section(faults));
    let Some(mut section) = section else { return Vec::new() };
    let mut rows = Vec::new();
    for (from, item) in section.rest() {
        let from = read_mti(&from.with(from.value.as_str()), faults);
        let to = item.text(faults).and_then(|text| read_mti(&text, faults));
        if let (Some(from), Some(to)) = (from, to) {
            rows.push(At { value: (from, to), span: item.span.clone() });
        }
    }
    rows
}

/// Reads a message type.
pub(crate) fn read_mti(text: &At<&str>, faults: &mut Collector<'_>) -> Option<Mti> {
    let mti = Mti::parse(text.value);
    if mti.is_err() {
        faults.add(&text.span, format!("`{}` is no message type", text.value), "four digits");
    }
    mti.ok()
}

/// Refuses tables of message types that would confuse who asks with who answers, or one business
/// with another.
fn check_types(replies: &[At<(Mti, Mti)>], repeats: &[At<(Mti, Mti)>], faults: &mut Collector<'_>) {
    let same_business = |a: Mti, b: Mti| a.class() == b.class() && a.edition() == b.edition();
    for row in replies {
        let (request, reply) = row.value;
        if !request.is_request() || !reply.is_reply() || !same_business(request, reply) {
            let wanted = request.reply().map(|mti| format!("`{mti}`")).unwrap_or_default();
            faults.add(&row.span, format!("`{reply}` cannot answer `{request}`"), &wanted);
        }
    }
    for row in repeats {
        let (first, repeat) = row.value;
        if Some(repeat) != first.repeat() || first.is_repeat() {
            let wanted = first.repeat().map(|mti| format!("`{mti}`")).unwrap_or_default();
            faults.add(&row.span, format!("`{repeat}` cannot repeat `{first}`"), &wanted);
        }
    }
    let answered = |mti| replies.iter().any(|row| row.value.0 == mti);
    for row in repeats.iter().filter(|row| !answered(row.value.1)) {
        let message = format!("nothing in [reply] answers the repeat `{}`", row.value.1);
        faults.add(&row.span, message, "a row of [reply] for it");
    }
    let reversal = replies.iter().any(|row| row.value.0.class() == Class::Reversal);
    if !reversal && let Some(row) = replies.first() {
        faults.add(&row.span, "nothing in [reply] answers a reversal", "a row for it");
    }
}

/// The number of an element, from a key such as `2`.
pub(crate) fn element(key: &At<&str>, faults: &mut Collector<'_>) -> Option<u8> {
    let number = key.value.parse().ok().filter(|number| (2..=128).contains(number));
    // `02` would be a second name of the same element.
    let number = number.filter(|_| !key.value.starts_with(['0', '+']));
    if number.is_none() {
        let message = format!("`{}` is no element of a message", key.value);
        faults.add(&key.span, message, "a number from 2 to 128");
    }
    number
}

type Keys = (Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

fn read_keys(mut section: Section<'_>, fields: &Fields, faults: &mut Collector<'_>) -> Keys {
    let mut take = |key: &str, faults: &mut Collector<'_>| {
        let items = section.need(key, faults)?.list(faults)?;
        let read = |item| read_key(item, key != "compared", fields, faults);
        let mut numbers: Vec<u8> = items.iter().filter_map(read).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Some(numbers)
    };
    let keys = (take("financial", faults), take("network", faults), take("compared", faults));
    section.finish("one of financial, network, compared", faults);
    keys
}

fn read_key(
    item: &Item<'_>,
    is_key: bool,
    fields: &Fields,
    faults: &mut Collector<'_>,
) -> Option<u8> {
    let number: At<u8> = item.number("a number from 2 to 128", faults)?;
    let Some(spec) = fields.get(number.value) else {
        let message = format!("DE{}: the dialect does not define it", number.value);
        faults.add(&number.span, message, "an element of [field]");
        return None;
    };
    if let (true, Some(spec)) = (is_key, spec) {
        if spec.content == Content::B {
            let message = format!("DE{}: bytes cannot pair messages", number.value);
            faults.add(&number.span, message, "an element of text");
        } else if spec.mask != Mask::Clear {
            let message = format!("DE{}: keys are shown to people, this is hidden", number.value);
            faults.add(&number.span, message, "an element with mask = \"clear\"");
        }
    }
    Some(number.value)
}

/// Notes what the wire format finds wrong, at the element or the part that it is about.
fn note(fault: &DialectFault, fields: &Fields, faults: &mut Collector<'_>) {
    let span = fields.span(&fault.path);
    let text = fault.to_string();
    match text.split_once(", wanted ") {
        Some((message, wanted)) => faults.add(&span, message, wanted),
        None => faults.add(&span, text, ""),
    }
}
