//! Of a script: the cases, their steps, and what is expected of each.

use super::host::Card;
use super::section::Section;
use crate::certify::role::Role;
use crate::operation::Operation;
use std::collections::{BTreeMap, BTreeSet};

/// A test case.
pub struct Case {
    /// Its name.
    pub name: String,
    /// What it shows, for people.
    pub sentence: String,
    /// Whether the merchant takes a part of an amount.
    pub partial_approval: bool,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// A step of a case.
pub struct Step {
    /// What is done.
    pub deed: Deed,
    /// The card.
    pub card: Option<String>,
    /// Minor units.
    pub amount: Option<i64>,
    /// The earlier step that it is about.
    pub of: Option<usize>,
    /// What the proxy does to the first frame of each role.
    pub wire: BTreeMap<Role, Action>,
    /// The line, if not the first.
    pub line: Option<String>,
    /// What must come of it.
    pub expect: Expectation,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A merchant asks for this.
    Operation(Operation),
    /// A merchant asks the same again, with the same key.
    Retry,
    /// A merchant asks what became of it.
    Status,
    /// An operator signs a line off and on again.
    SignOn,
    /// A line is silent until it is asked for an echo.
    Echo,
    /// The proxy sends a cut-over in the host's name.
    CutOver,
    /// The host sends its cut-over.
    HostCutsOver,
    /// Every line is connected and signed on again after one fell.
    Reconnect,
}

/// What the proxy does to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is lost.
    Lose,
    /// It is held until the gateway has sent a reversal or a repeat, and then passes.
    Hold,
    /// It passes twice.
    Double,
    /// The line is cut in its place.
    Cut,
}

/// What must come of a step. What is not said may be anything.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// What the merchant is told at first, by the field of the answer.
    pub told: BTreeMap<&'static str, String>,
    /// The minor units that are approved.
    pub approved: Option<i64>,
    /// Whether balances are told.
    pub balances: Option<bool>,
    /// The code of a refusal.
    pub refused: Option<String>,
    /// What the merchant is told in the end: a result, or `result/reason`.
    pub finally: Option<String>,
    /// The frames about this payment, in order.
    pub frames: Option<Vec<Role>>,
    /// Fields of the first frame of a role; field 0 is the message type.
    pub fields: BTreeMap<Role, BTreeMap<u8, Want>>,
}

/// What a field must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// This text.
    Text(String),
    /// Anything, or, if `false`, it must not be there.
    Present(bool),
    /// What stands in the same field of the first frame of this role.
    SameAs(Role),
}

const DEEDS: &[(&str, Deed)] = &[
    ("purchase", Deed::Operation(Operation::Purchase)),
    ("pre_authorization", Deed::Operation(Operation::PreAuthorization)),
    ("completion", Deed::Operation(Operation::Completion)),
    ("void", Deed::Operation(Operation::Void)),
    ("refund", Deed::Operation(Operation::Refund)),
    ("balance_inquiry", Deed::Operation(Operation::BalanceInquiry)),
    ("card_verification", Deed::Operation(Operation::CardVerification)),
    ("retry", Deed::Retry),
    ("status", Deed::Status),
    ("sign_on", Deed::SignOn),
    ("echo", Deed::Echo),
    ("cut_over", Deed::CutOver),
    ("host_cuts_over", Deed::HostCutsOver),
    ("reconnect", Deed::Reconnect),
];

const ACTIONS: &[(&str, Action)] = &[
    ("lose", Action::Lose),
    ("hold", Action::Hold),
    ("double", Action::Double),
    ("cut", Action::Cut),
];

impl Deed {
    /// Its name in a script.
    pub fn name(self) -> &'static str {
        DEEDS.iter().find(|(_, deed)| *deed == self).map_or("", |(name, _)| name)
    }

    fn needs_card(self) -> bool {
        use Operation as O;
        matches!(
            self,
            Self::Operation(
                O::Purchase | O::PreAuthorization | O::BalanceInquiry | O::CardVerification
            )
        )
    }

    fn needs_original(self) -> bool {
        use Operation as O;
        matches!(self, Self::Operation(O::Completion | O::Void | O::Refund))
            || matches!(self, Self::Retry | Self::Status)
    }

    fn needs_amount(self) -> bool {
        use Operation as O;
        matches!(self, Self::Operation(O::Purchase | O::PreAuthorization | O::Refund))
    }
}

pub(super) fn cases(root: &mut Section<'_>, cards: &BTreeMap<String, Card>) -> Vec<Case> {
    let mut names = BTreeSet::new();
    let mut cases = Vec::new();
    for mut section in root.sections("case") {
        let name = section.wanted("name", "a name of its own").unwrap_or_default();
        if !names.insert(name.clone()) {
            section.fault("name", "a name of its own");
        }
        let sentence = section.wanted("sentence", "a sentence: what it shows").unwrap_or_default();
        let partial_approval = section.flag("partial_approval").unwrap_or(false);
        let mut steps: Vec<Step> = Vec::new();
        let mut known = BTreeMap::new();
        for mut one in section.sections("step") {
            let own_name = one.text("name", "a name of its own in the case");
            steps.extend(step(&mut one, cards, &known, &steps));
            if let Some(own) = own_name
                && known.insert(own, steps.len().saturating_sub(1)).is_some()
            {
                one.fault("name", "a name of its own in the case");
            }
            one.end();
        }
        if steps.is_empty() {
            section.fault("step", "one or more [[case.step]]");
        }
        section.end();
        cases.push(Case { name, sentence, partial_approval, steps });
    }
    if cases.is_empty() {
        root.fault("case", "one or more [[case]]");
    }
    cases
}

fn step(
    section: &mut Section<'_>,
    cards: &BTreeMap<String, Card>,
    known: &BTreeMap<String, usize>,
    earlier: &[Step],
) -> Option<Step> {
    let names: Vec<&str> = DEEDS.iter().map(|(name, _)| *name).collect();
    let names = format!("one of {}", names.join(", "));
    let name = section.wanted("do", &names);
    let deed = name.as_ref().and_then(|name| DEEDS.iter().find(|(known, _)| known == name));
    if name.is_some() && deed.is_none() {
        section.fault("do", &names);
    }
    let card = section.text("card", "the name of a [card.NAME]");
    if card.as_ref().is_some_and(|card| !cards.contains_key(card)) {
        section.fault("card", "the name of a [card.NAME]");
    }
    let amount = section.number("amount");
    let original = section.text("of", "the name of an earlier step of the case");
    let of = original.as_ref().and_then(|name| known.get(name)).copied();
    if original.is_some() && of.is_none() {
        section.fault("of", "the name of an earlier step of the case");
    }
    let wire = wire(section);
    let line = section.text("line", "the name of a line");
    let expect = expectation(section);
    let deed = deed.map(|(_, deed)| *deed)?;
    if deed.needs_card() != card.is_some() {
        section.fault("card", if card.is_some() { "none: it has no card" } else { "a card" });
    }
    if deed.needs_amount() && amount.is_none() {
        section.fault("amount", "minor units");
    }
    if deed.needs_original() != original.is_some() {
        let wanted = if original.is_some() { "none" } else { "the name of an earlier step" };
        section.fault("of", wanted);
    }
    let of_operation = |of| matches!(earlier.get(of), Some(Step { deed: Deed::Operation(_), .. }));
    if of.is_some_and(|of| !of_operation(of)) {
        section.fault("of", "a step that asks for an operation");
    }
    if !wire.is_empty() && !matches!(deed, Deed::Operation(_)) {
        section.fault("wire", "none: only payments are disturbed");
    }
    Some(Step { deed, card, amount, of, wire, line, expect })
}

fn wire(section: &mut Section<'_>) -> BTreeMap<Role, Action> {
    let wanted = format!(
        "of {} one of lose, hold, double, cut; hold for a reply alone",
        Role::OF_PAYMENTS.map(Role::name).join(", ")
    );
    let mut wire = BTreeMap::new();
    for (name, value) in section.table("wire").unwrap_or_default() {
        let action = value.as_str().and_then(|name| ACTIONS.iter().find(|(it, _)| *it == name));
        match (Role::named(&name), action) {
            (Some(role), Some((_, action))) if *action != Action::Hold || role == Role::Reply => {
                wire.insert(role, *action);
            }
            _ => section.fault("wire", &wanted),
        }
    }
    wire
}

/// Keys of what a merchant is told.
const TOLD: [&str; 3] = ["result", "reason", "response_code"];

fn expectation(section: &mut Section<'_>) -> Expectation {
    let mut expect = Expectation::default();
    let Some(table) = section.table("expect") else {
        section.fault("expect", "what must come of it");
        return expect;
    };
    let empty = table.is_empty();
    let mut inner = section.within("expect", table);
    for key in TOLD {
        expect.told.extend(inner.text(key, "a text").map(|text| (key, text)));
    }
    expect.approved = inner.number("approved");
    expect.balances = inner.flag("balances");
    expect.refused = inner.text("refused", "the code of a refusal");
    expect.finally = inner.text("finally", "approved, declined, reversed or pending");
    expect.frames = frames(&mut inner);
    for role in Role::OF_PAYMENTS {
        if let Some(table) = inner.table(role.name()) {
            expect.fields.insert(role, fields(&inner, role.name(), table));
        }
    }
    inner.end();
    if empty {
        section.fault("expect", "what must come of it: a step that cannot fail shows nothing");
    }
    expect
}

fn frames(section: &mut Section<'_>) -> Option<Vec<Role>> {
    let wanted = format!("a list of {}", Role::OF_PAYMENTS.map(Role::name).join(", "));
    let value = section.take("frames")?;
    let list = value.as_array();
    let role = |value: &toml::Value| value.as_str().and_then(Role::named);
    let roles = list.and_then(|list| list.iter().map(role).collect());
    if roles.is_none() {
        section.fault("frames", &wanted);
    }
    roles
}

fn fields(section: &Section<'_>, role: &str, table: toml::Table) -> BTreeMap<u8, Want> {
    let mut fields = BTreeMap::new();
    for (key, value) in table {
        let number = match key.as_str() {
            "mti" => Some(0),
            _ => key.parse::<u8>().ok().filter(|number| (2..=128).contains(number)),
        };
        let want = match &value {
            toml::Value::String(text) => Some(Want::Text(text.clone())),
            toml::Value::Boolean(present) => Some(Want::Present(*present)),
            toml::Value::Table(table) if table.len() == 1 => {
                let of = table.get("same_as").and_then(toml::Value::as_str);
                of.and_then(Role::named).map(Want::SameAs)
            }
            _ => None,
        };
        match (number, want) {
            (Some(number), Some(want)) => {
                fields.insert(number, want);
            }
            _ => section.fault(
                &format!("{role}.{key}"),
                "\"mti\" or a field's number, and a text, true (present), false (absent) or \
                 { same_as = \"request\" }",
            ),
        }
    }
    fields
}
