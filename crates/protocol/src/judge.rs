//! Judges a reply against the request that it claims to answer: right card, right amount, right
//! everything that it echoes; and says what its response code means.

use tidegate_iso8583::{field::Mask, mti::Mti, parse::Message};
use tidegate_payment::{
    effect::Outgoing,
    id::LineId,
    input::{Attempt, ReversalAnswer},
    money::{Balance, Money},
    record::{AnswerClass, HostAnswer, ReversalVerdict},
    request::{Operation, Silence},
};

use crate::{
    balances::{self, BalanceFault},
    codes::Custody,
    definition::Definition,
    element::{Meaning, Scratch, unfilled},
    encode::facts,
    fact::Fact,
    mapping::Plan,
    read::HostMessage,
};

/// What a reply says, after it agreed with its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// The answer to the request or the advice of a payment.
    Answer(Answer),
    /// The answer to a reversal.
    Reversal(ReversalSaid),
    /// The host cannot take the reversal or the advice now: it is to be asked again.
    Deferred(String),
    /// The host will not take the advice: repeating it is of no use.
    Refused(String),
    /// A response code that the mapping does not list: no answer at all. Treated as silence, and
    /// alarmed.
    UnknownCode(String),
}

/// The host's answer to a request; all of a [`HostAnswer`] but the line on which it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// DE 39.
    pub response_code: String,
    /// What it means by the mapping.
    pub class: AnswerClass,
    /// DE 38 without filling, if the reply carries one.
    pub approval_code: Option<String>,
    /// The amount approved, or asked for.
    pub amount: Money,
    /// What is on the card: for a balance inquiry, if the reply says so.
    pub balances: Vec<Balance>,
    /// Why the balances of the reply were dropped. The answer itself stands: what the host decided
    /// does not hang on what it tells besides.
    pub balances_fault: Option<BalanceFault>,
}

impl Answer {
    /// The same, as it came on this line.
    #[must_use]
    pub fn on(self, line: LineId) -> HostAnswer {
        let Self { response_code, class, approval_code, amount, balances, .. } = self;
        HostAnswer { response_code, class, approval_code, amount, line, balances }
    }
}

/// The host's answer to a reversal; all of a [`ReversalAnswer`] but the line on which it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReversalSaid {
    /// DE 39.
    pub response_code: String,
    /// What it means by the mapping.
    pub verdict: ReversalVerdict,
}

impl ReversalSaid {
    /// The same, as it came on this line.
    #[must_use]
    pub fn on(self, line: LineId) -> ReversalAnswer {
        let Self { response_code, verdict } = self;
        ReversalAnswer { response_code, verdict, line }
    }
}

/// Why a reply does not belong to the request that its key names. Never holds card data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// The mapping does not have the operation of the request, or that of the payment that it is
    /// about.
    #[error("the mapping does not have the operation of the request")]
    Operation,
    /// Another type of message.
    #[error("a {found} cannot answer, {wanted:?} was expected")]
    Type {
        /// The type of the reply.
        found: Mti,
        /// The type that answers the request.
        wanted: Option<Mti>,
    },
    /// Another card.
    #[error("DE{field}: another card")]
    Card {
        /// The element of the card number.
        field: u8,
    },
    /// An amount that the response code does not allow, or that is no amount.
    #[error("amount {found} where {asked} was asked, response code {code}")]
    Amount {
        /// What the reply says, in minor units.
        found: String,
        /// What was asked, in minor units.
        asked: i64,
        /// The response code.
        code: String,
    },
    /// Another value in an element that a reply must echo.
    #[error("DE{field}: {found}, {sent} was sent")]
    Echo {
        /// The element.
        field: u8,
        /// What the reply carries; hidden where the dialect masks the element.
        found: String,
        /// What the request carried; hidden likewise.
        sent: String,
    },
    /// A reply without an element that it cannot do without.
    #[error("DE{field} is missing")]
    Missing {
        /// The element.
        field: u8,
    },
}

impl Definition {
    /// Judges a reply against the message that it answers. `card_matches` is asked with the card
    /// number of the reply, if it carries one. An amount below the one asked is right with a code
    /// for partial approval and with no other, and only purchases and pre-authorizations can be
    /// approved in part: about anything else such a code says nothing.
    ///
    /// # Errors
    /// [`Disagreement`]: the reply is to be quarantined and alarmed, and the payment goes on
    /// waiting.
    pub fn judge(
        &self,
        reply: &HostMessage<'_>,
        out: &Outgoing,
        card_matches: &dyn Fn(&str) -> bool,
    ) -> Result<Judged, Disagreement> {
        let message = &reply.message;
        let operation = self.plan(out.request.operation).ok_or(Disagreement::Operation)?;
        let plan = operation.message(out.attempt).ok_or(Disagreement::Operation)?;
        let wanted = self.dialect.reply_to(plan.mti.value);
        if wanted != Some(message.mti()) {
            return Err(Disagreement::Type { found: message.mti(), wanted });
        }
        let original_data = self.original_data(operation, out);
        let original_data = original_data.map_err(|_| Disagreement::Operation)?;
        self.compare(message, plan, out, original_data.as_deref(), card_matches)?;
        let field = self.mapping.response_code.value;
        let code = message.get(field).ok_or(Disagreement::Missing { field })?.into_owned();
        if matches!(out.attempt, Attempt::Reversal(_)) {
            amount(plan, message, out, None, &code)?;
            return Ok(self.reversal_said(code, out.repeat));
        }
        let is_advice = operation.silence.value == Silence::Advice;
        let custody = &self.mapping.advice_codes;
        let taken = if is_advice && custody.lists(&code) {
            match custody.meaning(&code, out.repeat) {
                Some(Custody::Later) => return Ok(Judged::Deferred(code)),
                Some(Custody::Refused) => return Ok(Judged::Refused(code)),
                None | Some(Custody::UnknownOriginal) => return Ok(Judged::UnknownCode(code)),
                Some(Custody::Taken | Custody::Duplicate) => Some(AnswerClass::Approved),
            }
        } else {
            None
        };
        let class = self.mapping.codes.get(&code).map(|class| class.value);
        let in_part = |class: &AnswerClass| *class == AnswerClass::Partial;
        let class = class.filter(|it| out.request.operation.pays_for_order() || !in_part(it));
        let class = taken.or(class);
        let amount = amount(plan, message, out, class, &code)?;
        Ok(match class {
            None => Judged::UnknownCode(code),
            Some(class) => {
                let approval_code = self.approval_code(message);
                let (balances, balances_fault) = match self.balances(message, out) {
                    Ok(balances) => (balances, None),
                    Err(fault) => (Vec::new(), Some(fault)),
                };
                Judged::Answer(Answer {
                    response_code: code,
                    class,
                    approval_code,
                    amount,
                    balances,
                    balances_fault,
                })
            }
        })
    }

    fn reversal_said(&self, code: String, repeat: bool) -> Judged {
        let codes = &self.mapping.reversal_codes;
        let verdict = match codes.meaning(&code, repeat) {
            Some(Custody::Taken | Custody::Duplicate) => ReversalVerdict::Accepted,
            Some(Custody::UnknownOriginal) => ReversalVerdict::UnknownOriginal,
            Some(Custody::Refused) => ReversalVerdict::Refused,
            Some(Custody::Later) => return Judged::Deferred(code),
            None if codes.lists_refusals() || codes.lists(&code) => {
                return Judged::UnknownCode(code);
            }
            None => ReversalVerdict::Refused,
        };
        Judged::Reversal(ReversalSaid { response_code: code, verdict })
    }

    /// Compares every echoed element but the amount.
    fn compare(
        &self,
        message: &Message<'_>,
        plan: &Plan,
        out: &Outgoing,
        original_data: Option<&str>,
        card_matches: &dyn Fn(&str) -> bool,
    ) -> Result<(), Disagreement> {
        let facts = facts(out, original_data);
        let mut scratch = Scratch::new();
        for number in &self.dialect.compared {
            let (Some(found), Some(spec), Some(meaning)) =
                (message.get(*number), self.dialect.wire.field(*number), plan.meaning(*number))
            else {
                continue;
            };
            let found = unfilled(spec, &found);
            match meaning {
                Meaning::Fact(Fact::AmountMinor) | Meaning::Tagged(_) => {}
                Meaning::Fact(Fact::CardNumber) if card_matches(found) => {}
                Meaning::Fact(Fact::CardNumber) => {
                    return Err(Disagreement::Card { field: *number });
                }
                _ => {
                    let sent = meaning.text(&facts, &mut scratch);
                    let sent = sent.map(|sent| unfilled(spec, sent)).unwrap_or_default();
                    if sent != found {
                        let shown = |text: &str| match spec.mask {
                            Mask::Clear => format!("`{text}`"),
                            Mask::Pan | Mask::Never => "(hidden)".to_owned(),
                        };
                        let (found, sent) = (shown(found), shown(sent));
                        return Err(Disagreement::Echo { field: *number, found, sent });
                    }
                }
            }
        }
        Ok(())
    }

    /// What is on the card. Told to nobody who did not ask for it.
    fn balances(
        &self,
        message: &Message<'_>,
        out: &Outgoing,
    ) -> Result<Vec<Balance>, BalanceFault> {
        let number = self.mapping.balances.as_ref().map(|number| number.value);
        match number.and_then(|number| message.get(number)) {
            Some(text) if out.request.operation == Operation::BalanceInquiry => {
                balances::read(&text, out.request.amount.currency)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn approval_code(&self, message: &Message<'_>) -> Option<String> {
        let number = self.mapping.approval_code.value;
        let (text, spec) = (message.get(number)?, self.dialect.wire.field(number)?);
        let text = unfilled(spec, &text);
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// The amount of a reply. Absent, it is the one that was asked, unless the code says that it is
/// another.
fn amount(
    plan: &Plan,
    message: &Message<'_>,
    out: &Outgoing,
    class: Option<AnswerClass>,
    code: &str,
) -> Result<Money, Disagreement> {
    let asked = out.request.amount;
    let mut fields = plan.fields.iter();
    let field = fields.find(|field| field.value.1 == Meaning::Fact(Fact::AmountMinor));
    // An inquiry may carry none; then none is compared.
    let Some(number) = field.map(|field| field.value.0) else { return Ok(asked) };
    let partial = class == Some(AnswerClass::Partial);
    let Some(text) = message.get(number) else {
        return if partial { Err(Disagreement::Missing { field: number }) } else { Ok(asked) };
    };
    match text.trim().parse::<i64>() {
        Ok(minor) if minor == asked.minor => Ok(asked),
        Ok(minor) if partial && (1..asked.minor).contains(&minor) => Ok(Money { minor, ..asked }),
        _ => Err(Disagreement::Amount {
            found: text.into_owned(),
            asked: asked.minor,
            code: code.to_owned(),
        }),
    }
}
