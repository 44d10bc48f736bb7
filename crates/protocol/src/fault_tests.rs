//! Every rule of definition files, each broken once.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test stops at the first surprise"
)]

use crate::{definition::Definition, sample, schema_tests::is_taken_by_schema, source::Source};

/// What to change in a definition, and the faults that must be found: file, line from the change,
/// column, message and what was expected.
type Row = (&'static str, &'static str, &'static [&'static str]);

fn faults(in_dialect: bool, from: &str, to: &str) -> Vec<String> {
    let (mut dialect, mut mapping) = (sample::DIALECT.to_owned(), sample::PURCHASES.to_owned());
    let text = if in_dialect { &mut dialect } else { &mut mapping };
    assert_eq!(text.matches(from).count(), 1, "`{from}` must name one place");
    let line = text.split(from).next().unwrap().matches('\n').count();
    *text = text.replace(from, to);
    let changed = text.clone();
    let faults = Definition::build(
        Source { name: "d.toml", text: &dialect },
        Source { name: "m.toml", text: &mapping },
    );
    let Err(faults) = faults else { return Vec::new() };
    let shown = |fault: &crate::source::Fault| {
        let here = i64::try_from(fault.line).unwrap() - 1 - i64::try_from(line).unwrap();
        let place = format!("{} {here:+}:{}", fault.file, fault.column);
        match &fault.expected {
            Some(expected) => format!("{place} {}, expected {expected}", fault.message),
            None => format!("{place} {}", fault.message),
        }
    };
    // What is wrong by itself, an editor tells too.
    let by_itself = |fault: &crate::source::Fault| {
        let beginnings = ["unknown key", "the key `", "`match.financial[", "`bitmap` is"];
        let message = fault.message.as_str();
        let begins = beginnings.iter().any(|it| message.starts_with(it));
        begins
            || message.contains("unknown word")
            || message.ends_with("is no element of a message")
    };
    if in_dialect && faults.list().iter().any(by_itself) {
        assert!(!is_taken_by_schema(&changed), "`{from}` became `{to}`");
    }
    faults.list().iter().map(shown).collect()
}

#[track_caller]
fn check(in_dialect: bool, table: &[Row]) {
    for (from, to, expected) in table {
        let found = faults(in_dialect, from, to);
        assert_eq!(found, *expected, "`{from}` became `{to}`");
    }
}

#[test]
fn a_dialect_says_what_each_key_should_be() {
    check(
        true,
        &[
            (
                "name = \"iso87-ascii\"",
                "nmae = \"iso87-ascii\"",
                &[
                    "d.toml -7:1 the key `name` is missing",
                    "d.toml +0:1 unknown key `nmae`, expected one of name, mti, bitmap, text, \
                     transmission_time, reply, repeat, match, field, override",
                ],
            ),
            (
                "mti = \"ascii\" ",
                "mti = \"binary\" ",
                &[
                    "d.toml +0:7 mti: unknown word `binary`, expected one of `ascii`, `bcd`, `ebcdic`",
                ],
            ),
            (
                "bitmap = \"hex\" ",
                "bitmap = 16 ",
                &["d.toml +0:10 `bitmap` is of type integer, expected a text in quotes"],
            ),
            (
                "transmission_time = \"utc\"",
                "transmission_time = \"local\"",
                &["d.toml +0:21 transmission_time: unknown word `local`, expected `utc`"],
            ),
            (
                "\"0200\" = \"0210\"",
                "\"0200\" = \"0430\"",
                &["d.toml +0:10 `0430` cannot answer `0200`, expected `0210`"],
            ),
            (
                "\"0200\" = \"0210\"",
                "\"0200\" = \"210\"",
                &["d.toml +0:10 `210` is no message type, expected four digits"],
            ),
            (
                "\"0421\" = \"0430\"",
                "",
                &["d.toml +12:10 nothing in [reply] answers the repeat `0421`, expected a row \
                     of [reply] for it"],
            ),
            (
                "\"0420\" = \"0421\"",
                "\"0420\" = \"0422\"",
                &[
                    "d.toml +0:10 `0422` cannot repeat `0420`, expected `0421`",
                    "d.toml +0:10 nothing in [reply] answers the repeat `0422`, expected a row \
                     of [reply] for it",
                ],
            ),
            (
                "\"0420\" = \"0421\"",
                "",
                &["m.toml +7:7 the dialect has no repeat of `0420`, expected a type of its \
                     [repeat]"],
            ),
        ],
    );
}

#[test]
fn match_keys_are_text_that_is_known_after_a_restart() {
    check(
        true,
        &[
            (
                "financial = [7, 11, 37, 41, 42]",
                "financial = [7, 11, 65, 2, 52]",
                &[
                    "d.toml +0:21 DE65: the dialect does not define it, expected an element of \
                     [field]",
                    "d.toml +0:25 DE2: keys are shown to people, this is hidden, expected an \
                     element with mask = \"clear\"",
                    "d.toml +0:28 DE52: bytes cannot pair messages, expected an element of text",
                ],
            ),
            (
                "financial = [7, 11, 37, 41, 42]",
                "financial = [7, 11, 1000, \"x\"]",
                &[
                    "d.toml +0:21 `match.financial[2]` does not fit, expected a number from 2 \
                     to 128",
                    "d.toml +0:27 `match.financial[3]` is of type string, expected a number \
                     from 2 to 128",
                ],
            ),
            (
                "network = [7, 11, 70]",
                "network = [7, 11, 37]",
                &["m.toml +59:7 DE37 pairs replies with `0800`, but is not in the message, \
                     expected an element of the match key of `iso87-ascii`"],
            ),
            (
                "financial = [7, 11, 37, 41, 42]",
                "financial = [4, 33, 90]",
                &[
                    "m.toml -26:7 DE90 pairs replies with `0200`, but is not in the message, \
                     expected an element of the match key of `iso87-ascii`",
                    "m.toml -20:6 DE4 pairs replies with `0200`, but is not known any more \
                     after a restart, expected an element of the match key of `iso87-ascii`",
                    "m.toml -9:6 DE33 pairs replies with `0200`, but is not known any more \
                     after a restart, expected an element of the match key of `iso87-ascii`",
                    "m.toml +7:6 DE4 pairs replies with `0420`, but is not known any more \
                     after a restart, expected an element of the match key of `iso87-ascii`",
                    "m.toml +18:6 DE33 pairs replies with `0420`, but is not known any more \
                     after a restart, expected an element of the match key of `iso87-ascii`",
                    "m.toml +25:6 DE90 pairs replies with `0420`, but is not known any more \
                     after a restart, expected an element of the match key of `iso87-ascii`",
                ],
            ),
            (
                "compared = [2,",
                "compared = [48, 2,",
                &["m.toml -6:6 DE48: tagged facts cannot be compared in replies, expected an \
                     element outside `compared` of `iso87-ascii`"],
            ),
        ],
    );
}

#[test]
fn each_element_of_a_dialect_makes_sense() {
    check(
        true,
        &[
            (
                "content = \"n\", length = \"..19\", mask",
                "content = \"n\", length = \"19\", mask",
                &["d.toml +0:66 `19` is no length, expected dots and a number, such as \
                     \"..19\" or \"...999\""],
            ),
            (
                "length = \"..19\", mask = \"pan\"",
                "length = \"..19\", mask = \"clear\"",
                &["d.toml +0:1 DE2: carries card data, expected mask pan or never"],
            ),
            (
                "length = \"..19\", mask = \"pan\"",
                "length = \"..199\", mask = \"pan\"",
                &["d.toml +0:1 DE2: a length of 199, expected 1..=99"],
            ),
            (
                "length = \"..19\", mask = \"pan\"",
                "length = \"..18\", mask = \"pan\"",
                &[
                    "m.toml -30:6 DE2 cannot carry `card.number`, expected a length of up to 19",
                    "m.toml -3:6 DE2 cannot carry `card.number`, expected a length of up to 19",
                ],
            ),
            (
                "\n3   = {",
                "\n03  = {",
                &[
                    "d.toml -6:16 DE3: the dialect does not define it, expected an element of \
                     [field]",
                    "d.toml +1:1 `03` is no element of a message, expected a number from 2 to \
                     128",
                ],
            ),
            (
                "\n11  = {",
                "\n129  = {",
                &[
                    "d.toml -16:17 DE11: the dialect does not define it, expected an element of \
                     [field]",
                    "d.toml -15:15 DE11: the dialect does not define it, expected an element of \
                     [field]",
                    "d.toml -14:25 DE11: the dialect does not define it, expected an element of \
                     [field]",
                    "d.toml +1:1 `129` is no element of a message, expected a number from 2 to \
                     128",
                ],
            ),
            (
                "name = \"processing code\", ",
                "nama = \"processing code\", ",
                &[
                    "d.toml +0:7 the key `name` of `field.3` is missing",
                    "d.toml +0:9 unknown key `field.3.nama`, expected one of name, content, \
                     length, prefix, counts, inclusive, encoding, bytes, pad_left, pad_right, \
                     mask, parts, part, short, tag, value, unknown, part_bitmap",
                ],
            ),
            (
                "name = \"processing code\", ",
                "name = \"processing code\", pad_left = \"0\", pad_right = \"0\", ",
                &["d.toml +0:63 filled up on both sides, expected either pad_left or pad_right"],
            ),
            (
                "name = \"processing code\", ",
                "name = \"processing code\", pad_left = \"00\", ",
                &["d.toml +0:46 the filling is not one character, expected one ASCII character"],
            ),
            (
                "name = \"processing code\", content = \"n\"",
                "name = \"processing code\", content = \"m\"",
                &["d.toml +0:45 content: unknown word `m`, expected one of `n`, `a`, `an`, \
                     `ans`, `b`, `z`, `x+n`"],
            ),
            ("[match]", "[match", &["d.toml +0:7 unclosed table, expected `]`"]),
        ],
    );
}

#[test]
fn a_mapping_fits_its_dialect() {
    check(
        false,
        &[
            (
                "dialect = \"iso87-ascii\"",
                "dialect = \"iso87-binary\"",
                &["m.toml +0:11 the mapping is for the dialect `iso87-binary`, expected \
                     `iso87-ascii`"],
            ),
            (
                "response_code = 39",
                "response_code = 65",
                &["m.toml +0:17 DE65: the dialect does not define it, expected an element of \
                     the dialect"],
            ),
            (
                "on_silence = \"reversal\"",
                "on_silence = \"advice\"",
                &["m.toml +26:1 an operation that is not reversed has a reversal, expected \
                     on_silence = \"reversal\", or no such table"],
            ),
            (
                "on_silence = \"reversal\"",
                "on_silence = \"hope\"",
                &["m.toml +0:14 on_silence: unknown word `hope`, expected one of `reversal`, \
                     `advice`, `inquiry`"],
            ),
            (
                "mti = \"0200\"",
                "mti = \"0300\"",
                &[
                    "m.toml +0:7 `0300` does not fit here, expected a financial request, such \
                     as `0200`",
                    "m.toml +0:7 the dialect does not say what answers `0300`, expected a type \
                     of its [reply]",
                ],
            ),
            (
                "2  = \"card.number\"\n3  = { constant = \"000000\" }        ",
                "2  = { constant = \"4000000000000002\" }\n3  = { constant = \"000000\" }",
                &[
                    "m.toml -4:7 no element of `0200` carries `card.number`, expected an \
                     element for it",
                    "m.toml +0:6 DE2: holds a card number and nothing else, expected \
                     `card.number`",
                ],
            ),
            (
                "4  = \"amount.minor\"\n7  = \"transmitted\"\n11 = \"stan\"\n12 = \
                 \"local.time\"\n13 = \"local.date\"\n14 = \"card.expiry_yymm\"\n15 = \
                 \"business_date\"\n18 = \"acceptor.category\"\n22 = { constant = \"812\" \
                 }           ",
                "4 = \"amount.major\"\n22 = { constant = \"8120\" } ",
                &["m.toml +0:5 element: unknown word `amount.major`, expected one of \
                     `card.number`, `card.expiry_yymm`, `card.security_code`, `cavv`, \
                     `ds_transaction`, `amount.minor`, `amount.currency_numeric`, `eci`, `stan`, \
                     `rrn`, `transmitted`, `local.time`, `local.date`, `business_date`, \
                     `acceptor.category`, `acceptor.terminal`, `acceptor.number`, \
                     `acceptor.name_location`, `route.acquirer`, `route.forwarder`, \
                     `approval_code`, `original_data`, `original.stan`, `original.rrn`, \
                     `original.transmitted`, `original.amount`, `original.approval_code`, \
                     `original.business_date`, `network.code`"],
            ),
            (
                "25 = { constant = \"59\" }            ",
                "25 = { constnt = \"59\" } ",
                &[
                    "m.toml +0:6 an element has exactly one content, expected a fact in quotes, \
                     { constant = .. } or { tagged = .. }",
                    "m.toml +0:8 unknown key `operation.purchase.fields.25.constnt`, expected \
                     constant or tagged",
                ],
            ),
            (
                "41 = \"acceptor.terminal\"\n42 = \"acceptor.number\"\n43 = \
                 \"acceptor.name_location\"\n48",
                "48",
                &[
                    "m.toml -19:7 DE41 pairs replies with `0200`, but is not in the message, \
                     expected an element of the match key of `iso87-ascii`",
                    "m.toml -19:7 DE42 pairs replies with `0200`, but is not in the message, \
                     expected an element of the match key of `iso87-ascii`",
                ],
            ),
            (
                "[operation.purchase.reversal]",
                "[operation.rebate]\n[operation.purchase.reversal]",
                &["m.toml +0:12 unknown key `operation.rebate`, expected one of purchase, \
                     pre_authorization, completion, void, refund, balance_inquiry, \
                     card_verification"],
            ),
            (
                "4  = \"amount.minor\"\n7  = \"transmitted\"\n11 = \"stan\"\n12 = \
                 \"local.time\"\n13 = \"local.date\"\n14 = \"card.expiry_yymm\"\n15 = \
                 \"business_date\"\n18 = \"acceptor.category\"\n22 = { constant = \"812\" \
                 }           ",
                "22 = { constant = \"8120\" } ",
                &[
                    "m.toml -6:7 DE7 pairs replies with `0200`, but is not in the message, \
                     expected an element of the match key of `iso87-ascii`",
                    "m.toml -6:7 DE11 pairs replies with `0200`, but is not in the message, \
                     expected an element of the match key of `iso87-ascii`",
                    "m.toml -6:7 no element of `0200` carries `stan`, expected an element for it",
                    "m.toml -6:7 no element of `0200` carries `transmitted`, expected an \
                     element for it",
                    "m.toml -6:7 no element of `0200` carries `amount.minor`, expected an \
                     element for it",
                    "m.toml -6:7 DE11 of `0200` is a part of DE90, expected `stan`",
                    "m.toml -6:7 DE7 of `0200` is a part of DE90, expected `transmitted`",
                    "m.toml +0:6 DE22: expected a length of 3, found 4",
                ],
            ),
            (
                "37 = \"rrn\"\n41",
                "37 = \"rrn\"\n38 = \"approval_code\"\n41",
                &["m.toml +1:6 DE38: `approval_code` cannot stand here, expected a fact that \
                     is known before the host answers"],
            ),
        ],
    );
}

#[test]
fn tagged_facts_fit_and_hide_what_they_carry() {
    check(
        false,
        &[
            (
                "48 = { tagged",
                "35 = { tagged",
                &[
                    "m.toml +0:6 DE35: tracks, PIN blocks and chip data are not mapped, \
                     expected no such element",
                    "m.toml +0:6 DE35 cannot carry these tagged facts, expected content `an` or \
                     wider",
                ],
            ),
            (
                "48 = { tagged = [[\"CV\", \"card.security_code\"], [\"EC\", \"eci\"]] }",
                "44 = { tagged = [[\"cv\", \"card.number\"], [\"EC\"], [\"NO\", \
                 \"acceptor.name_location\"]] }",
                &[
                    "m.toml +0:19 `cv` is no tag, expected two letters A to Z",
                    "m.toml +0:41 not a tag and a fact, expected a pair such as [\"EC\", \
                     \"eci\"]",
                ],
            ),
            (
                "48 = { tagged = [[\"CV\", \"card.security_code\"], [\"EC\", \"eci\"]] }",
                "48 = { tagged = [] }",
                &["m.toml +0:17 the tagged facts may take 0 characters, expected 1 to 200"],
            ),
            (
                "48 = { tagged",
                "65 = { tagged",
                &["m.toml +0:6 DE65: the dialect does not define it, expected an element of \
                     the dialect"],
            ),
            (
                "48 = { tagged = [[\"CV\", \"card.security_code\"], [\"EC\", \"eci\"]] }",
                "48 = { tagged = [[\"N\", \"card.number\"], [\"NO\", \
                 \"acceptor.name_location\"], [\"NO\", \"acceptor.name_location\"], [\"NO\", \
                 \"acceptor.name_location\"], [\"NO\", \"acceptor.name_location\"], [\"NO\", \
                 \"acceptor.name_location\"]] }",
                &[
                    "m.toml +0:17 the tagged facts may take 243 characters, expected 1 to 200",
                    "m.toml +0:19 `N` is no tag, expected two letters A to Z",
                ],
            ),
            (
                "48 = { tagged = [[\"CV\", \"card.security_code\"], [\"EC\", \"eci\"]] }",
                "48 = { tagged = [[\"NR\", \"card.number\"], [\"OD\", \"original_data\"]] }",
                &[
                    "m.toml +0:6 DE48: `card.number` cannot stand here, expected a fact that is \
                     no card number and no DE90",
                    "m.toml +0:6 DE48: `original_data` cannot stand here, expected a fact that \
                     is known before the host answers",
                ],
            ),
        ],
    );
}

#[test]
fn a_reversal_names_its_original_and_repeats_no_secret() {
    check(
        false,
        &[
            (
                "mti = \"0420\"",
                "mti = \"0421\"",
                &[
                    "m.toml +0:7 `0421` does not fit here, expected a reversal, such as `0420`",
                    "m.toml +0:7 the dialect has no repeat of `0421`, expected a type of its \
                     [repeat]",
                ],
            ),
            (
                "38 = \"approval_code\"",
                "38 = \"card.security_code\"\n52 = { constant = \"0000000000000000\" }",
                &[
                    "m.toml +0:6 DE38 would show `card.security_code` to people, expected an \
                     element that the dialect masks",
                    "m.toml +0:6 DE38: `card.security_code` cannot stand here, expected a fact \
                     that may be kept and repeated",
                    "m.toml +1:6 DE52: tracks, PIN blocks and chip data are not mapped, \
                     expected no such element",
                ],
            ),
            (
                "38 = \"approval_code\"",
                "38 = \"approval_code\"\n48 = { tagged = [[\"CV\", \"card.security_code\"]] }",
                &["m.toml +1:6 DE48: `card.security_code` cannot stand here, expected a fact \
                     that may be kept and repeated"],
            ),
            (
                "38 = \"approval_code\"",
                "28 = \"approval_code\"",
                &["m.toml +0:6 DE28 cannot carry `approval_code`, expected content `an` or \
                     wider"],
            ),
            (
                "90 = \"original_data\"",
                "",
                &["m.toml -23:7 no element of `0420` names the original, expected 90 = \
                     \"original_data\""],
            ),
            (
                "90 = \"original_data\"",
                "95 = \"original_data\"",
                &["m.toml +0:6 DE95: `original_data` is composed for DE90, expected DE90"],
            ),
            (
                "90 = \"original_data\"",
                "90 = \"stan\"",
                &[
                    "m.toml -23:7 no element of `0420` names the original, expected 90 = \
                     \"original_data\"",
                    "m.toml +0:6 DE90 cannot carry `stan`, expected pad_left or pad_right, for \
                     texts shorter than the element",
                ],
            ),
            (
                "38 = \"approval_code\"",
                "38 = \"approval_code\"\n100 = \"card.number\"",
                &[
                    "m.toml +1:7 DE100 would show `card.number` to people, expected an element \
                     that the dialect masks",
                    "m.toml +1:7 DE100 cannot carry `card.number`, expected a length of up to 19",
                ],
            ),
            (
                "32 = \"route.acquirer\"\n33 = \"route.forwarder\"\n37 = \"rrn\"\n41",
                "32 = { constant = \"1\" }\n37 = \"rrn\"\n41",
                &["m.toml +0:6 DE32 of `0200` is a part of DE90, expected `route.acquirer`"],
            ),
            (
                "[operation.purchase.reversal.fields]\n2  = \"card.number\"\n3  = { constant = \
                 \"000000\" }\n4  = \"amount.minor\"\n7  = \"transmitted\"\n11 = \"stan\"\n12 = \
                 \"local.time\"\n13 = \"local.date\"",
                "[operation.purchase.reversal.fields]\n2  = \"card.number\"\n4  = \
                 \"amount.minor\"\n7  = \"transmitted\"\n11 = \"stan\"\n13 = \"business_date\"",
                &["m.toml +5:6 DE13 is not what the original carries there, expected \
                     `local.date`"],
            ),
        ],
    );
}

#[test]
fn each_code_means_one_thing() {
    check(
        false,
        &[
            (
                "partial = [\"10\"]",
                "partial = [\"10\", \"00\", \"100\"]",
                &["m.toml +0:18 the code `00` has a meaning already, expected each code once"],
            ),
            (
                "unknown_original = [\"25\"]",
                "refused = [\"25\"]",
                &["m.toml +0:1 unknown key `reversal_codes.refused`, expected one of accepted, \
                     duplicate, unknown_original, retry, park"],
            ),
            (
                "\"14\" = \"invalid_card\"",
                "\"00\" = \"Done!\"",
                &["m.toml +0:8 `Done!` is no reason, expected a name of a-z and _, such as \
                     expired_card"],
            ),
            (
                "partial = [\"10\"]",
                "partial = [\"100\"]",
                &["m.toml +0:12 `100` is no response code: DE39: expected a length of 2, \
                     found 3"],
            ),
            (
                "\"14\" = \"invalid_card\"",
                "\"00\" = \"fine\"",
                &["m.toml +0:8 `00` has a reason but declines nothing, expected a code of \
                     declined or pick_up"],
            ),
            (
                "\"14\" = \"invalid_card\"",
                "\"68\" = \"late\"",
                &["m.toml +0:8 `68` has a reason but declines nothing, expected a code of \
                     declined or pick_up"],
            ),
            (
                "[reasons]",
                "[advice_codes]\nretry = [\"91\"]\npark = [\"30\", \"91\", \"301\"]\nlater = []\n[reasons]",
                &[
                    "m.toml +2:15 the code `91` has a meaning already, expected each code once",
                    "m.toml +3:1 unknown key `advice_codes.later`, expected one of done, \
                     duplicate, retry, park",
                ],
            ),
            (
                "[reasons]",
                "[advice_codes]\npark = [\"301\"]\n[reasons]",
                &["m.toml +1:9 `301` is no response code: DE39: expected a length of 2, found 3"],
            ),
            (
                "[reasons]",
                "[advice_codes]\n[reasons]",
                &["m.toml +0:1 `advice_codes` lists no code, expected at least one"],
            ),
            (
                "accepted = [\"00\", \"08\", \"11\"]\nunknown_original = [\"25\"]",
                "",
                &["m.toml -1:1 `reversal_codes` lists no code, expected at least one"],
            ),
        ],
    );
}

#[test]
fn network_messages_say_what_they_are_about() {
    check(
        false,
        &[
            (
                "70 = \"network.code\"",
                "70 = \"network.code\"\n41 = \"acceptor.terminal\"",
                &["m.toml +1:6 DE41: `acceptor.terminal` cannot stand here, expected stan, \
                     transmitted, network.code or a constant"],
            ),
            (
                "70 = \"network.code\"",
                "",
                &[
                    "m.toml -6:7 DE70 pairs replies with `0800`, but is not in the message, \
                     expected an element of the match key of `iso87-ascii`",
                    "m.toml -6:7 no element says what a network message is about, expected 70 = \
                     \"network.code\"",
                ],
            ),
            (
                "sign_off = \"002\"",
                "sign_off = \"1\"",
                &["m.toml +0:12 `1` is no network code, expected three digits"],
            ),
            (
                "echo = \"301\"",
                "ping = \"301\"",
                &[
                    "m.toml -5:1 the key `echo` of `network.codes` is missing",
                    "m.toml +0:1 unknown key `network.codes.ping`, expected one of sign_on, \
                     sign_off, echo, cut_over, key_exchange",
                ],
            ),
            (
                "sign_off = \"002\"",
                "sign_off = \"001\"",
                &["m.toml +0:12 `001` stands for two things, expected each once"],
            ),
            (
                "accepted = [\"00\"]",
                "accepted = [\"00\"]\nbusiness_date = 11",
                &[
                    "m.toml +1:17 DE11 does not hold a date of 4 digits, expected an element of `n` \
                     with length 4, such as 15 (MMDD)",
                ],
            ),
            (
                "accepted = [\"00\"]",
                "accepted = []",
                &["m.toml -1:7 no response code accepts a network message, expected accepted \
                     = [..]"],
            ),
        ],
    );
}
