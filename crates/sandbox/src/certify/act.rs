//! Does what the steps say, as merchant, operator or host, and gathers what came of it.

use super::configuration::MERCHANTS;
use super::judge::{Came, about, conversation, is_word};
use super::role::{From, Role};
use super::script::{Case, Deed, Script, Step};
use super::wire::{Frame, Seen, Wire};
use crate::gateway::Gateway;
use crate::history::{self, Told};
use crate::merchant::body::target_of;
use crate::merchant::envelope::{EnvelopeError, Recipe};
use crate::merchant::signature::Signed;
use crate::merchant::{Exchange, Merchant, Outcome};
use crate::operation::Operation;
use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long between two questions what became of a payment.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How long a connection may take to stand again beyond the gateway's own gaps.
const RECONNECT: Duration = Duration::from_secs(60);

/// Who acts.
pub struct Actor<'a> {
    pub(super) script: &'a Script,
    pub(super) wire: &'a Wire,
    pub(super) gateway: &'a Gateway,
    pub(super) merchants: &'a [Merchant],
    /// Keeps the keys of this run apart from those of others.
    pub(super) run: &'a str,
}

/// What was asked in a step.
#[derive(Clone)]
struct Asked {
    operation: Operation,
    key: String,
    order: String,
    card: Option<String>,
    amount: Option<i64>,
    /// The payment that it is about.
    original: Option<String>,
    /// The payment that came of it.
    id: Option<String>,
}

impl Actor<'_> {
    /// Plays a case; what came of each step. A step whose forerunner brought no payment ends the case.
    /// # Errors
    /// If the gateway cannot be operated.
    pub async fn play(&self, case: &Case) -> anyhow::Result<Vec<Came>> {
        self.wire.begin_case(&case.name);
        let mut asked: Vec<Option<Asked>> = Vec::new();
        let mut all = Vec::new();
        if !self.lines_stand().await {
            return Ok(vec![Came::fault("not every line could be signed on")]);
        }
        for (place, step) in case.steps.iter().enumerate() {
            let number = place.saturating_add(1);
            let voids = step.deed == Deed::Operation(Operation::Void);
            self.wire.begin_step(number, voids, step.wire.clone());
            let earlier = step.of.and_then(|of| asked.get(of)).cloned().flatten();
            if step.of.is_some() && earlier.as_ref().is_none_or(|it| it.id.is_none()) {
                all.push(Came::fault("what it is about brought no payment"));
                break;
            }
            let came = match step.deed {
                Deed::Operation(operation) => {
                    let one = self.asked(case, number, step, operation, earlier.as_ref());
                    let (came, one) = self.pay(case, number, step, one).await?;
                    asked.push(Some(one));
                    came
                }
                _ => {
                    let came = self.other(case, step, number, earlier.as_ref()).await?;
                    asked.push(None);
                    came
                }
            };
            all.push(came);
        }
        if let Some(last) = all.last_mut() {
            self.wire.seen(|seen| last.faults.extend(seen.faults.iter().cloned()));
        }
        Ok(all)
    }

    async fn other(
        &self,
        case: &Case,
        step: &Step,
        number: usize,
        earlier: Option<&Asked>,
    ) -> anyhow::Result<Came> {
        match (step.deed, earlier) {
            (Deed::Retry, Some(earlier)) => self.retry(case, number, earlier).await,
            (Deed::Status, Some(earlier)) => {
                let id = earlier.id.as_deref().unwrap_or_default();
                let exchange = self.merchant(case)?.query(0, history::Act::Query, id).await?;
                Ok(Came { frames: self.heard(number), ..came_of(&exchange) })
            }
            (Deed::Reconnect, _) => Ok(self.reconnected().await),
            (Deed::Echo, _) => {
                let patience = self.script.host.echo_after.saturating_mul(2);
                let patience = patience.saturating_add(self.script.host.reply_timeout);
                Ok(self.network("echo", number, patience, From::Gateway).await)
            }
            (Deed::CutOver, _) => {
                self.cut_over(step)?;
                let patience = self.script.host.reply_timeout;
                Ok(self.network("cut_over", number, patience, From::Proxy).await)
            }
            (Deed::HostCutsOver, _) => {
                Ok(self.network("cut_over", number, HOST_CUTS_OVER, From::Host).await)
            }
            _ => self.sign_on(step, number).await,
        }
    }

    fn asked(
        &self,
        case: &Case,
        number: usize,
        step: &Step,
        operation: Operation,
        earlier: Option<&Asked>,
    ) -> Asked {
        let place = self.script.cases.iter().position(|other| other.name == case.name);
        let name = format!("{}-{}-{number}", self.run, place.unwrap_or_default());
        Asked {
            operation,
            order: format!("order-{name}"),
            key: format!("key-{name}"),
            card: step.card.clone(),
            amount: step.amount,
            original: earlier.and_then(|earlier| earlier.id.clone()),
            id: None,
        }
    }

    /// Asks, waits for the last word and for the frames that are expected.
    async fn pay(
        &self,
        case: &Case,
        number: usize,
        step: &Step,
        mut asked: Asked,
    ) -> anyhow::Result<(Came, Asked)> {
        let merchant = self.merchant(case)?;
        let request = self.request(merchant, &asked)?;
        let exchange = merchant.exchange(0, history::Act::Pay, None, &request).await;
        let mut came = came_of(&exchange);
        asked.id = came.told.as_ref().map(|told| told.id.clone());
        if let Some(id) = &asked.id {
            came.finally = self.last_word(merchant, id, step).await?;
        }
        let rrn = came.finally.clone().or_else(|| came.told.clone());
        let wanted = step.expect.frames.as_ref().map_or(0, Vec::len);
        let agreement = self.wire.agreement();
        let gather = |seen: &Seen| about(of_step(seen, number), rrn.as_ref(), agreement);
        let enough = |seen: &Seen| {
            let frames = gather(seen);
            frames.len() >= wanted && is_answered(&frames)
        };
        self.wire.until(self.script.host.reply_timeout, enough).await;
        came.frames = self.wire.seen(gather);
        Ok((came, asked))
    }

    /// The same again; it must be answered from the record, and the host hear nothing.
    async fn retry(&self, case: &Case, number: usize, earlier: &Asked) -> anyhow::Result<Came> {
        let merchant = self.merchant(case)?;
        let request = self.request(merchant, earlier)?;
        let exchange = merchant.exchange(0, history::Act::Retry, None, &request).await;
        let mut came = came_of(&exchange);
        if came.told.as_ref().map(|told| &told.id) != earlier.id.as_ref() {
            came.faults.push("the retry was answered with another payment".to_owned());
        }
        came.frames = self.heard(number);
        Ok(came)
    }

    /// Whatever the host heard of any payment in this step.
    fn heard(&self, number: usize) -> Vec<Frame> {
        let agreement = self.wire.agreement();
        self.wire.seen(|seen| about(of_step(seen, number), None, agreement))
    }

    /// Until the payment is final, or what the step expects.
    async fn last_word(
        &self,
        merchant: &Merchant,
        id: &str,
        step: &Step,
    ) -> anyhow::Result<Option<Told>> {
        let patience = self.script.patience();
        let began = Instant::now();
        loop {
            let exchange = merchant.query(0, history::Act::Query, id).await?;
            if let Outcome::Told(told) = exchange.outcome {
                let expected =
                    step.expect.finally.as_ref().is_some_and(|wanted| is_word(&told, wanted));
                if told.is_final() || expected || began.elapsed() > patience {
                    return Ok(Some(*told));
                }
            } else if began.elapsed() > patience {
                return Ok(None);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    fn request(&self, merchant: &Merchant, asked: &Asked) -> Result<Signed, EnvelopeError> {
        let currency = &self.script.acceptor.currency;
        let mut body = json!({});
        let mut set = |key: &str, value| {
            if let Some(body) = body.as_object_mut() {
                body.insert(key.to_owned(), value);
            }
        };
        if let Some(card) = asked.card.as_ref().and_then(|name| self.script.cards.get(name)) {
            let mut data = json!({"number": card.number, "expiry": card.expiry});
            if let (Some(code), Some(data)) = (&card.security_code, data.as_object_mut()) {
                data.insert("security_code".to_owned(), code.as_str().into());
            }
            set("card", merchant.seal(Recipe::EcdhEs, &data)?);
            set("order_id", asked.order.as_str().into());
        }
        match (asked.operation, asked.amount) {
            (Operation::BalanceInquiry | Operation::CardVerification, _) => {
                set("currency", currency.as_str().into());
            }
            (_, Some(minor)) => set("amount", json!({"minor": minor, "currency": currency})),
            (_, None) => {}
        }
        if asked.operation == Operation::PreAuthorization {
            set("capture", false.into());
        }
        let id = asked.original.as_deref().unwrap_or_default();
        merchant.post(&target_of(asked.operation, id), &asked.key, body.to_string().into_bytes())
    }

    fn merchant(&self, case: &Case) -> anyhow::Result<&Merchant> {
        let place = MERCHANTS.iter().position(|(_, partial)| *partial == case.partial_approval);
        place.and_then(|place| self.merchants.get(place)).context("a merchant is missing")
    }

    /// Whether every line is signed on.
    async fn lines_stand(&self) -> bool {
        let lines = &self.script.host.lines;
        let all = |seen: &Seen| lines.iter().all(|(name, _)| seen.signed_on.contains_key(name));
        self.wire.until(RECONNECT, all).await
    }

    async fn reconnected(&self) -> Came {
        let mut faults = Vec::new();
        if !self.lines_stand().await {
            faults.push("not every line was signed on again".to_owned());
        }
        let sign_on = self.wire.agreement().code_of("sign_on").map(str::to_owned);
        let frames = self.wire.seen(|seen| self.with_code(&seen.frames, sign_on.as_deref()));
        if frames.is_empty() {
            faults.push("no line fell in this case".to_owned());
        }
        Came { frames, faults, ..Came::default() }
    }

    /// Takes a line out of service and back, as an operator does.
    async fn sign_on(&self, step: &Step, number: usize) -> anyhow::Result<Came> {
        let line = self.line(step)?;
        let name = format!("{}/{line}", self.script.host.name);
        let reason = ["--reason", "certification"];
        self.gateway.command(&[&["line", "sign-off", &name][..], &reason].concat())?;
        let down = |seen: &Seen| !seen.signed_on.contains_key(&line);
        let patience = self.script.host.reply_timeout.saturating_add(RECONNECT);
        let fell = self.wire.until(patience, down).await;
        self.gateway.command(&[&["line", "sign-on", &name][..], &reason].concat())?;
        let mut came = self.network("sign_on", number, patience, From::Gateway).await;
        if !fell {
            came.faults.push("the line did not close after its sign-off".to_owned());
        }
        Ok(came)
    }

    /// Waits for a network message of a kind in this step and its answer.
    async fn network(&self, kind: &str, number: usize, patience: Duration, from: From) -> Came {
        let code = self.wire.agreement().code_of(kind).map(str::to_owned);
        let gather = |seen: &Seen| {
            conversation(self.with_code(&of_step(seen, number), code.as_deref()), from)
        };
        let both = |seen: &Seen| {
            let has = |role| gather(seen).iter().any(|frame| frame.role == Some(role));
            has(Role::Network) && has(Role::NetworkReply)
        };
        let mut faults = Vec::new();
        if !self.wire.until(patience, both).await {
            faults.push(format!("no {kind} and its answer within {} s", patience.as_secs()));
        }
        Came { frames: self.wire.seen(gather), faults, ..Came::default() }
    }

    fn with_code(&self, frames: &[Frame], code: Option<&str>) -> Vec<Frame> {
        let field = self.wire.agreement().code;
        let has = |frame: &&Frame| code.is_some() && frame.shown.text(field) == code;
        frames.iter().filter(has).cloned().collect()
    }

    /// The proxy speaks in the host's name: the date of tomorrow begins.
    fn cut_over(&self, step: &Step) -> anyhow::Result<()> {
        let agreement = self.wire.agreement();
        let code = agreement.code_of("cut_over").context("the mapping has no cut-over")?;
        let now = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
        let mut fields = BTreeMap::from([
            (agreement.transmitted, now.strftime("%m%d%H%M%S").to_string()),
            (agreement.stan, now.strftime("9%M%S0").to_string()),
            (agreement.code, code.to_owned()),
        ]);
        if let Some(field) = agreement.business_date {
            fields.insert(field, now.tomorrow()?.strftime("%m%d").to_string());
        }
        self.wire.say(&self.line(step)?, &agreement.network, &fields)
    }

    fn line(&self, step: &Step) -> anyhow::Result<String> {
        let first = self.script.host.lines.first().map(|(name, _)| name.clone());
        step.line.clone().or(first).context("the host has no line")
    }
}

/// How long the host's operators have for their cut-over.
const HOST_CUTS_OVER: Duration = Duration::from_secs(600);

fn of_step(seen: &Seen, number: usize) -> Vec<Frame> {
    seen.frames.iter().filter(|frame| frame.step == number).cloned().collect()
}

/// Whether every request that reached the host has an answer that reached the gateway, or will not have
/// one.
fn is_answered(frames: &[Frame]) -> bool {
    frames.last().is_none_or(|last| last.from == From::Host || last.fate != "passed")
}

fn came_of(exchange: &Exchange) -> Came {
    match &exchange.outcome {
        Outcome::Told(told) => Came { told: Some((**told).clone()), ..Came::default() },
        Outcome::Refused(code) => Came { refused: Some(code.clone()), ..Came::default() },
        Outcome::Busy => Came { refused: Some("busy".to_owned()), ..Came::default() },
        Outcome::Unknown => {
            Came { refused: Some("no answer that can be believed".to_owned()), ..Came::default() }
        }
    }
}
