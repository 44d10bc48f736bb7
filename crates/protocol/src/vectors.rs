//! Runs the test vectors that lie beside a definition: bytes and their meaning, both ways, and
//! bytes that must be refused.
//!
//! A vector file has any number of these tables. Bytes are given as `wire_text` (ASCII) or
//! `wire_hex`, each a text or a list of texts to be joined.
//!
//! | table | says | needs |
//! |---|---|---|
//! | `[[message]]` | the bytes are read as `mti` and `fields` (`"48.01"` is a part), and written again so | dialect |
//! | `[[bad]]` | the bytes are refused with the text `error` | dialect |
//! | `[payment]` | the payment that the following tables are about | mapping |
//! | `[payment.original]` | the payment that it is about, if it is a follow-up | mapping |
//! | `[[sent]]` | its `message` is written as the bytes | mapping |
//! | `[[reply]]` | the bytes, as a reply `to` one of its messages, say `says` | mapping |
//! | `[[network]]` | the network `request` is written as the bytes | mapping |
//! | `[[host]]` | the bytes are a network request of `kind`, answered by `answer_text` | mapping |
//!
//! The messages of a payment: `original`, `advice_repeat` (the original marked as a repeat),
//! `reversal`, and `repeat` (the reversal marked as a repeat).

use tidegate_iso8583::{field::Mask, mti::Mti, pack::Builder, parse::Message, tree::Value};
use tidegate_payment::{
    effect::Outgoing,
    input::Attempt,
    money::{Balance, BalanceKind},
    record::{AnswerClass, ReversalVerdict},
};

use crate::{
    definition::Definition,
    dialect::HostDialect,
    encode::RecoveredKeys,
    judge::Judged,
    sample_payment::{SampleMessage, SamplePayment},
    source::{Collector, Faults, Source},
    vector_file::{self, Case, Vector},
};

/// What became of one vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorResult {
    /// The vector's name.
    pub name: String,
    /// What was found instead, if it failed. Holds no card data.
    pub fault: Option<String>,
}

impl HostDialect {
    /// Runs the vectors of a dialect.
    ///
    /// # Errors
    /// Every fault of the vector file itself, with line and caret; tables that need a mapping are
    /// among them.
    pub fn run_vectors(&self, source: Source<'_>) -> Result<Vec<VectorResult>, Faults> {
        run(self, None, source)
    }
}

impl Definition {
    /// Runs the vectors of a dialect or of a mapping.
    ///
    /// # Errors
    /// Every fault of the vector file itself, with line and caret.
    pub fn run_vectors(&self, source: Source<'_>) -> Result<Vec<VectorResult>, Faults> {
        run(&self.dialect, Some(self), source)
    }
}

fn run(
    dialect: &HostDialect,
    definition: Option<&Definition>,
    source: Source<'_>,
) -> Result<Vec<VectorResult>, Faults> {
    let mut faults = Collector::new(source);
    let file = vector_file::read(source, definition.is_some(), &mut faults);
    if let Some(faults) = Collector::gather([faults]) {
        return Err(faults);
    }
    let (payment, vectors) = file;
    let results = vectors.into_iter().map(|Vector { name, wire, case }| {
        let outcome = match (case, definition, &payment) {
            (Case::Message { mti, fields, parts }, ..) => {
                message(dialect, &wire, mti, &fields, &parts)
            }
            (Case::Bad { error }, ..) => bad(dialect, &wire, &error),
            (Case::Sent { message, approval_code }, Some(definition), Some(payment)) => {
                sent(definition, payment, message, approval_code, &wire)
            }
            (Case::Reply { to, says }, Some(definition), Some(payment)) => {
                reply(definition, payment, to, &says, &wire)
            }
            (Case::Network { kind, stan, transmitted }, Some(definition), _) => {
                let mut found = Vec::new();
                match definition.network_request(kind, stan, transmitted, &mut found) {
                    Ok(_) => same(dialect, &wire, &found),
                    Err(error) => Err(error.to_string()),
                }
            }
            (Case::Host { kind, answer, begins }, Some(definition), _) => {
                host(definition, &kind, &answer, &wire)
                    .and_then(|()| begun(definition, begins.as_deref(), &wire))
            }
            _ => Err("there is no payment that it is about".to_owned()),
        };
        VectorResult { name, fault: outcome.err() }
    });
    Ok(results.collect())
}

fn message(
    dialect: &HostDialect,
    wire: &[u8],
    mti: Mti,
    fields: &[(u8, String)],
    parts: &[(u8, String, String)],
) -> Result<(), String> {
    let message = dialect.parse(wire).map_err(|error| error.to_string())?;
    if message.mti() != mti {
        return Err(format!("MTI: expected {mti}, found {}", message.mti()));
    }
    let expected = |number: &u8| {
        fields.iter().any(|(known, _)| known == number)
            || parts.iter().any(|(known, _, _)| known == number)
    };
    if let Some(number) = message.numbers().find(|number| !expected(number)) {
        return Err(format!("DE{number}: not expected"));
    }
    let mut builder = Builder::new(dialect.wire(), mti);
    for (number, expected) in fields {
        let found = message.get(*number);
        if found.as_deref() != Some(expected.as_str()) {
            return Err(difference(dialect, *number, Some(expected), found.as_deref()));
        }
        builder.set(*number, expected).map_err(|error| error.to_string())?;
    }
    for (number, part, expected) in parts {
        let path = format!("{number}.{part}");
        let found = message.part(&path);
        if found.as_ref() != Some(expected) {
            return Err(part_difference(&path, expected, found.as_deref()));
        }
    }
    let whole = |number: u8| fields.iter().any(|(known, _)| *known == number);
    let mut composites: Vec<u8> = parts.iter().map(|(number, _, _)| *number).collect();
    composites.dedup();
    for number in composites.into_iter().filter(|number| !whole(*number)) {
        let of_field = parts.iter().filter(|(known, _, _)| *known == number);
        let tree = of_field
            .fold(Value::Parts(Vec::new()), |tree, (_, part, value)| tree.with(part, value));
        builder.set_value(number, &tree).map_err(|error| error.to_string())?;
    }
    let mut again = Vec::new();
    builder.pack(&mut again).map_err(|error| error.to_string())?;
    same(dialect, wire, &again)
}

/// Parts may be card data wherever they stand, so lengths alone are told.
fn part_difference(path: &str, expected: &str, found: Option<&str>) -> String {
    let found = found.map_or("nothing".to_owned(), |text| format!("{} others", text.len()));
    format!("DE{path}: expected {} characters (hidden), found {found}", expected.len())
}

fn bad(dialect: &HostDialect, wire: &[u8], expected: &str) -> Result<(), String> {
    match dialect.parse(wire) {
        Ok(_) => Err("it was not refused".to_owned()),
        Err(error) if error.to_string() == expected => Ok(()),
        Err(error) => Err(format!("it was refused with `{error}`")),
    }
}

fn sent(
    definition: &Definition,
    payment: &SamplePayment,
    message: SampleMessage,
    approval_code: Option<String>,
    wire: &[u8],
) -> Result<(), String> {
    let out = Outgoing { approval_code, ..payment.outgoing(message) };
    let mut found = Vec::new();
    let keys = definition
        .encode(&out, &payment.card, &payment.secrets, &mut found)
        .map_err(|error| error.to_string())?;
    same(&definition.dialect, wire, &found)?;
    let back = definition.dialect.parse(&found).map_err(|error| error.to_string())?;
    let key = definition.key_of(&back, &definition.dialect.financial_key);
    if key.as_ref() != Ok(&keys.match_key) {
        return Err("its match key is not the one that its bytes have".to_owned());
    }
    let recovered = definition.recovered_keys(out.request.operation, &out.fields);
    let recovered = recovered.map_err(|error| error.to_string())?;
    if key_of(recovered, out.attempt).as_ref() != Some(&keys.match_key) {
        return Err("its match key is another after a restart".to_owned());
    }
    Ok(())
}

fn key_of(keys: RecoveredKeys, attempt: Attempt) -> Option<Vec<u8>> {
    match attempt {
        Attempt::Original | Attempt::Repeat(_) => Some(keys.original),
        Attempt::Reversal(_) => keys.reversal,
    }
}

fn reply(
    definition: &Definition,
    payment: &SamplePayment,
    to: SampleMessage,
    says: &str,
    wire: &[u8],
) -> Result<(), String> {
    let out = payment.outgoing(to);
    let keys = definition
        .recovered_keys(out.request.operation, &out.fields)
        .map_err(|error| error.to_string())?;
    let key = key_of(keys, out.attempt).ok_or("the mapping does not reverse it")?;
    let message = definition.read(wire).map_err(|error| error.to_string())?;
    let found = if message.match_key() == Some(key.as_slice()) {
        match definition.judge(&message, &out, &|digits| digits == payment.card.expose()) {
            Ok(judged) => in_words(&judged),
            Err(disagreement) => format!("disagrees: {disagreement}"),
        }
    } else {
        format!("answers something else: {}", message.kind())
    };
    if found == says { Ok(()) } else { Err(format!("it says `{found}`")) }
}

/// What a reply says, as vectors write it.
fn in_words(judged: &Judged) -> String {
    match judged {
        Judged::Answer(answer) => {
            let class = match answer.class {
                AnswerClass::Approved => "approved",
                AnswerClass::Partial => "partial",
                AnswerClass::Declined => "declined",
                AnswerClass::PickUp => "pick-up",
            };
            let code = answer.approval_code.as_deref().unwrap_or("-");
            let (said, amount) = (&answer.response_code, answer.amount);
            let mut words = format!("{class} {said}, {amount}, approval code {code}");
            for Balance { kind, amount } in &answer.balances {
                let kind = match kind {
                    BalanceKind::Ledger => "ledger",
                    BalanceKind::Available => "available",
                };
                words.push_str(&format!(", {kind} {amount}"));
            }
            if let Some(fault) = answer.balances_fault {
                words.push_str(&format!(", no balances: {fault}"));
            }
            words
        }
        Judged::Reversal(said) => {
            let verdict = match said.verdict {
                ReversalVerdict::Accepted => "accepted",
                ReversalVerdict::UnknownOriginal => "unknown original",
                ReversalVerdict::Refused => "refused",
            };
            format!("reversal {verdict} {}", said.response_code)
        }
        Judged::Deferred(code) => format!("asked for later {code}"),
        Judged::Refused(code) => format!("advice refused {code}"),
        Judged::UnknownCode(code) => format!("unknown code {code}"),
    }
}

fn host(definition: &Definition, kind: &str, answer: &[u8], wire: &[u8]) -> Result<(), String> {
    let message = definition.read(wire).map_err(|error| error.to_string())?;
    if message.kind().to_string() != kind {
        return Err(format!("it is a `{}`", message.kind()));
    }
    let mut found = Vec::new();
    let code = definition.mapping.network.accepted.first().map_or("00", |code| &code.value);
    definition.network_answer(&message, code, &mut found).map_err(|error| error.to_string())?;
    same(&definition.dialect, answer, &found)
}

/// Whether a cut-over begins the date that the vector names (`MM-DD`), if it names one.
fn begun(definition: &Definition, begins: Option<&str>, wire: &[u8]) -> Result<(), String> {
    let Some(begins) = begins else { return Ok(()) };
    let message = definition.read(wire).map_err(|error| error.to_string())?;
    let date = definition.cut_over_date(&message).map_err(|error| error.to_string())?;
    let found = date.map(|(month, day)| format!("{month:02}-{day:02}"));
    if found.as_deref() == Some(begins) { Ok(()) } else { Err(format!("it begins {found:?}")) }
}

/// Compares bytes; where both can be read, the first element that differs is named.
fn same(dialect: &HostDialect, expected: &[u8], found: &[u8]) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    let (Ok(left), Ok(right)) = (dialect.parse(expected), dialect.parse(found)) else {
        return Err("the bytes are others".to_owned());
    };
    if left.mti() != right.mti() {
        return Err(format!("MTI: expected {}, found {}", left.mti(), right.mti()));
    }
    let text =
        |message: &Message<'_>, number| message.get(number).map(std::borrow::Cow::into_owned);
    for number in 2..=128 {
        let (left, right) = (text(&left, number), text(&right, number));
        if left != right {
            return Err(difference(dialect, number, left.as_deref(), right.as_deref()));
        }
    }
    Err("the bytes are others that say the same".to_owned())
}

fn difference(
    dialect: &HostDialect,
    number: u8,
    expected: Option<&str>,
    found: Option<&str>,
) -> String {
    let clear = dialect.wire.field(number).is_some_and(|spec| spec.mask == Mask::Clear);
    let shown = |text: Option<&str>| match text {
        None => "nothing".to_owned(),
        Some(text) if clear => format!("`{text}`"),
        Some(text) => format!("{} characters (hidden)", text.len()),
    };
    format!("DE{number}: expected {}, found {}", shown(expected), shown(found))
}

#[cfg(test)]
#[allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sample;

    const PURCHASE: &str =
        include_str!("../../../protocols/mappings/iso87-ascii/vectors/purchase.toml");

    /// The vector files of a folder under `protocols/`, by name.
    fn files(folder: &str) -> Vec<(String, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../protocols").join(folder);
        let entries = std::fs::read_dir(&folder).unwrap();
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.unwrap().path();
            (path.display().to_string(), std::fs::read_to_string(path).unwrap())
        };
        let files: Vec<_> = entries.map(read).collect();
        assert!(files.len() > 1, "{}", folder.display());
        files
    }

    fn failures(results: &[VectorResult]) -> Vec<String> {
        let failed = |result: &VectorResult| {
            result.fault.as_ref().map(|fault| format!("{}: {fault}", result.name))
        };
        results.iter().filter_map(failed).collect()
    }

    #[test]
    fn every_vector_beside_the_definitions_holds() {
        let mut failed = Vec::new();
        for definition in [sample::definition(), sample::binary()] {
            let name = definition.dialect.name();
            let of_dialect = files(&format!("dialects/{name}/vectors"));
            let of_mapping = files(&format!("mappings/{name}/vectors"));
            for (name, text) in of_dialect.iter().chain(&of_mapping) {
                let results = definition.run_vectors(Source { name, text });
                let results = results.unwrap_or_else(|faults| panic!("{faults}"));
                failed.extend(failures(&results).iter().map(|fault| format!("{name}: {fault}")));
            }
            for (name, text) in &of_dialect {
                let results = definition.dialect.run_vectors(Source { name, text });
                failed.extend(failures(&results.unwrap()));
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[track_caller]
    fn fails(text: &str, expected: &str) {
        let definition = sample::definition();
        let payment = PURCHASE.split("[[sent]]").next().unwrap();
        let text = format!("{payment}\n{text}");
        let results = definition.run_vectors(Source { name: "v.toml", text: &text });
        let results = results.unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(failures(&results), [format!("x: {expected}")]);
    }

    #[test]
    fn a_vector_that_does_not_hold_says_how() {
        let bytes = "wire_text = \"02000020000000000000000001\"";
        fails(
            &format!("[[message]]\nname = \"x\"\nmti = \"0210\"\n{bytes}\nfields = {{}}"),
            "MTI: expected 0210, found 0200",
        );
        fails(
            &format!("[[message]]\nname = \"x\"\nmti = \"0200\"\n{bytes}\nfields = {{}}"),
            "DE11: not expected",
        );
        fails(
            &format!(
                "[[message]]\nname = \"x\"\nmti = \"0200\"\n{bytes}\n\
                 fields = {{ 11 = \"000002\", 2 = \"4000000000000002\" }}"
            ),
            "DE11: expected `000002`, found `000001`",
        );
        fails(
            &format!(
                "[[message]]\nname = \"x\"\nmti = \"0200\"\n{bytes}\n\
                 fields = {{ 11 = \"000001\", 2 = \"4000000000000002\" }}"
            ),
            "DE2: expected 16 characters (hidden), found nothing",
        );
        fails(&format!("[[bad]]\nname = \"x\"\nerror = \"e\"\n{bytes}"), "it was not refused");
        fails(
            "[[bad]]\nname = \"x\"\nerror = \"e\"\nwire_hex = \"30 32\"",
            "it was refused with `MTI at byte 0: expected 4 digits, found only 2 bytes left`",
        );
        fails(
            &format!("[[reply]]\nname = \"x\"\nto = \"original\"\nsays = \"yes\"\n{bytes}"),
            "it says `answers something else: a 0200 was not asked for`",
        );
        fails(
            &format!(
                "[[network]]\nname = \"x\"\nrequest = \"echo\"\nstan = \"1\"\n\
                 transmitted = \"2026-01-01T00:00:00Z\"\n{bytes}"
            ),
            "MTI: expected 0200, found 0800",
        );
        fails(
            &format!("[[host]]\nname = \"x\"\nkind = \"k\"\nanswer_text = \"\"\n{bytes}"),
            "it is a `a 0200 was not asked for`",
        );
    }

    #[test]
    fn a_cut_over_that_begins_another_date_or_none_is_told() {
        let cut_over = |date: &str, begins: &str| {
            let bitmap = if date.is_empty() { "8220" } else { "8222" };
            format!(
                "[[host]]\nname = \"x\"\nkind = \"network request: cut-over\"\n\
                 begins = \"{begins}\"\nanswer_text = \"0810822000000200000004000000000000000101\
                 00000000000700201\"\nwire_text = \"0800{bitmap}0000000000000400000000000000\
                 0101000000000007{date}201\""
            )
        };
        fails(&cut_over("0102", "01-03"), "it begins Some(\"01-02\")");
        fails(&cut_over("", "01-03"), "it begins None");
        fails(&cut_over("1302", "01-03"), "DE15: no date (MMDD)");
    }

    #[test]
    fn a_changed_message_is_named_by_its_element() {
        let vector = PURCHASE.split("[[sent]]").nth(2).unwrap();
        let vector = vector.split_once("name = ").unwrap().1.split_once('\n').unwrap().1;
        let fails_with = |from: &str, to: &str, expected: &str| {
            assert_eq!(vector.matches(from).count(), 1, "{from}");
            let changed = vector.replace(from, to);
            fails(&format!("[[sent]]\nname = \"x\"\n{changed}"), expected);
        };
        fails_with("\"5942\"", "\"5943\"", "DE18: expected `5943`, found `5942`");
        fails_with("\"0420\"", "\"0421\"", "MTI: expected 0421, found 0420");
        fails_with(
            "\"164000000000000002\"",
            "\"164000000000000010\"",
            "DE2: expected 16 characters (hidden), found 16 characters (hidden)",
        );
        fails_with("\"978\"", "\"97\"", "the bytes are others");
    }

    #[test]
    fn a_vector_file_with_faults_shows_them() {
        let text = "[[sent]]\nname = \"x\"\nmessage = \"revocation\"\nwire_hex = \"0\"\n\
                    [[other]]\n[payment]\ncard = \"1\"\n";
        let source = Source { name: "v.toml", text };
        let definition = sample::definition();
        let faults = definition.run_vectors(source).unwrap_err().to_string();
        for expected in [
            "message: unknown word `revocation`",
            "not bytes in hex",
            "unknown key `other`",
            "`card` is not what it should be",
            "the key `rrn` of `payment` is missing",
        ] {
            assert!(faults.contains(expected), "{expected} in {faults}");
        }
        let faults = definition.dialect.run_vectors(source).unwrap_err().to_string();
        assert!(faults.contains("unknown key `sent`"), "{faults}");
    }
}
