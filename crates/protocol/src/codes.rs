//! Response codes by their meaning: what the host decided about a request, and whether it took an advice
//! or a reversal into custody.

use std::collections::BTreeMap;

use tidegate_payment::record::AnswerClass;

use crate::{
    source::Collector,
    toml_reader::{At, Section, one_of},
};

/// What the host did with an advice or a reversal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Custody {
    /// It took it.
    Taken,
    /// It has it already. So a repeat is done; about a first attempt it says nothing.
    Duplicate,
    /// It knows no original of a reversal.
    UnknownOriginal,
    /// It cannot take it now.
    Later,
    /// It will not take it.
    Refused,
}

/// What codes to advices and reversals mean.
#[derive(Debug)]
pub(crate) struct CustodyCodes {
    pub(crate) codes: BTreeMap<String, At<Custody>>,
}

impl CustodyCodes {
    /// What a code means. `repeat`: the host may have seen the message before.
    pub(crate) fn meaning(&self, code: &str, repeat: bool) -> Option<Custody> {
        match self.codes.get(code).map(|custody| custody.value) {
            Some(Custody::Duplicate) if repeat => Some(Custody::Taken),
            Some(Custody::Duplicate) => None,
            listed => listed,
        }
    }

    pub(crate) fn lists(&self, code: &str) -> bool {
        self.codes.contains_key(code)
    }

    /// Whether the mapping says which codes refuse. One that does not lets any other code refuse.
    pub(crate) fn lists_refusals(&self) -> bool {
        self.codes.values().any(|custody| custody.value == Custody::Refused)
    }
}

const ANSWERS: &[(&str, AnswerClass)] = &[
    ("approved", AnswerClass::Approved),
    ("partial", AnswerClass::Partial),
    ("declined", AnswerClass::Declined),
    ("pick_up", AnswerClass::PickUp),
];
const REVERSALS: &[(&str, Custody)] = &[
    ("accepted", Custody::Taken),
    ("duplicate", Custody::Duplicate),
    ("unknown_original", Custody::UnknownOriginal),
    ("retry", Custody::Later),
    ("park", Custody::Refused),
];
const ADVICES: &[(&str, Custody)] = &[
    ("done", Custody::Taken),
    ("duplicate", Custody::Duplicate),
    ("retry", Custody::Later),
    ("park", Custody::Refused),
];

/// `[response_codes]`, which must be there.
pub(crate) fn read_answers(
    root: &mut Section<'_>,
    faults: &mut Collector<'_>,
) -> BTreeMap<String, At<AnswerClass>> {
    let section = root.need("response_codes", faults).and_then(|item| item.section(faults));
    section.map_or_else(BTreeMap::new, |section| {
        read_codes(section, "response_codes", ANSWERS, faults)
    })
}

/// `[reversal_codes]`, which must be there.
pub(crate) fn read_reversals(root: &mut Section<'_>, faults: &mut Collector<'_>) -> CustodyCodes {
    let section = root.need("reversal_codes", faults).and_then(|item| item.section(faults));
    let codes = section.map_or_else(BTreeMap::new, |section| {
        read_codes(section, "reversal_codes", REVERSALS, faults)
    });
    CustodyCodes { codes }
}

/// `[advice_codes]`, which may be left out: then advices are judged as requests are.
pub(crate) fn read_advices(root: &mut Section<'_>, faults: &mut Collector<'_>) -> CustodyCodes {
    let section = root.take("advice_codes").and_then(|item| item.section(faults));
    let codes = section
        .map_or_else(BTreeMap::new, |section| read_codes(section, "advice_codes", ADVICES, faults));
    CustodyCodes { codes }
}

/// Lists of response codes, one list for each meaning. Meanings without a list have no codes.
fn read_codes<T: Copy>(
    mut section: Section<'_>,
    key: &str,
    meanings: &[(&str, T)],
    faults: &mut Collector<'_>,
) -> BTreeMap<String, At<T>> {
    let mut codes = BTreeMap::new();
    for (name, meaning) in meanings {
        let list = section.take(name).and_then(|item| item.texts(faults)).unwrap_or_default();
        for code in list {
            if codes.insert(code.value.to_owned(), code.with(*meaning)).is_some() {
                let message = format!("the code `{}` has a meaning already", code.value);
                faults.add(&code.span, message, "each code once");
            }
        }
    }
    let names: Vec<_> = meanings.iter().map(|(name, _)| (*name).to_owned()).collect();
    let span = section.span.clone();
    section.finish(&one_of(&names), faults);
    if codes.is_empty() {
        faults.add(&span, format!("`{key}` lists no code"), "at least one");
    }
    codes
}
