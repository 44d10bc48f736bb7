//! Carries operators' commands out: asks the engine, the ledger and the hosts.

use super::socket::Backend;
use super::{Answer, Command, Resolution, case, shown};
use crate::engine_task::EngineHandle;
use crate::gateway::{Hosts, Reloader};
use crate::out_of_service::{Order, OutOfService, OutOfServiceError, Part};
use crate::store::embedded::JournalStore;
use crate::store::ledger::{PaymentLine, TimelineEntry};
use crate::store::{Store, StoreError, export};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidegate_payment::card::has_card_number;
use tidegate_payment::effect::Reply;
use tidegate_payment::id::{HostId, LineId, PaymentId};
use tidegate_payment::input::{CaseAct, Input, OperatorAct, Query, QueryBy};
use tidegate_payment::payment::View;
use tidegate_payment::record;
use tidegate_payment::time::BusinessDate;

/// How long a look at the ledger waits for what is durable but not applied yet.
const CATCH_UP: Duration = Duration::from_secs(2);

/// The desk of the bank's staff.
pub struct Desk {
    engine: EngineHandle,
    store: Arc<JournalStore>,
    hosts: Hosts,
    out_of_service: Arc<OutOfService>,
    reloader: Arc<Reloader>,
}

/// What an operator does to a line or a route; both need a reason.
enum Act {
    TakeOut,
    PutBack,
}

/// Why a command was not carried out, in words for an operator.
struct Refused(String);

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<OutOfServiceError> for Refused {
    fn from(error: OutOfServiceError) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        Self(format!("{error}: {cause}; nothing was changed"))
    }
}

impl Backend for Desk {
    async fn answer(&self, command: Command, by: &str) -> Answer {
        let done = match command {
            Command::Payment { id } => self.payment(&id).await,
            Command::Cases => self.cases().await,
            Command::Case { id } => self.payment(&id).await,
            Command::RetryCase { id, reason } => {
                self.operate(&id, by, reason, CaseAct::Retry).await
            }
            Command::CloseCase { id, reason, resolution } => {
                let resolution = match resolution {
                    Resolution::Reversed => record::Resolution::Reversed,
                    Resolution::NeverPosted => record::Resolution::DeclinedNeverPosted,
                    Resolution::Posted => record::Resolution::Posted,
                };
                self.operate(&id, by, reason, CaseAct::Close(resolution)).await
            }
            Command::Lines => Ok(self.lines().await),
            Command::SignOffLine { host, line, reason } => {
                self.operate_line((&host, &line), by, &reason, Act::TakeOut).await
            }
            Command::SignOnLine { host, line, reason } => {
                self.operate_line((&host, &line), by, &reason, Act::PutBack).await
            }
            Command::Routes => Ok(self.routes()),
            Command::DeclineRoute { name, reason } => {
                self.operate_route(&name, by, &reason, &Act::TakeOut)
            }
            Command::ResumeRoute { name, reason } => {
                self.operate_route(&name, by, &reason, &Act::PutBack)
            }
            Command::Status => Ok(self.status()),
            Command::Reload { file } => self.reload(&file).await,
            Command::Totals { date } => self.totals(&date).await,
        };
        done.map_or_else(|Refused(why)| Answer::Refused(why), Answer::Done)
    }
}

impl Desk {
    /// A desk over the parts of a running gateway.
    pub fn new(
        engine: EngineHandle,
        store: Arc<JournalStore>,
        hosts: Hosts,
        reloader: Arc<Reloader>,
    ) -> Self {
        let out_of_service = hosts.out_of_service();
        Self { engine, store, hosts, out_of_service, reloader }
    }

    async fn reload(&self, file: &str) -> Result<Value, Refused> {
        let running = self.reloader.file();
        if running != Path::new(file) {
            let running = running.display();
            return Err(Refused(format!(
                "the gateway runs with {running}, not with {file}: nothing is reloaded"
            )));
        }
        Ok(self.reloader.reload().await.told())
    }

    async fn payment(&self, id: &str) -> Result<Value, Refused> {
        let id = parse_id(id)?;
        let ask = |waiter| Input::Query(Query { waiter, merchant: None, by: QueryBy::Id(id) });
        let view = view_of(self.engine.ask(ask).await)?;
        self.shown(&view).await
    }

    async fn operate(
        &self,
        id: &str,
        by: &str,
        reason: String,
        act: CaseAct,
    ) -> Result<Value, Refused> {
        let id = parse_id(id)?;
        check_reason(&reason)?;
        let by = by.to_owned();
        let act = |waiter| Input::Operator(OperatorAct { waiter, id, by, reason, act });
        let view = view_of(self.engine.ask(act).await)?;
        self.shown(&view).await
    }

    /// A payment and its timeline, as far as the ledger has it.
    async fn shown(&self, view: &View) -> Result<Value, Refused> {
        self.catch_up().await;
        let id = view.id;
        let timeline = self.store.read(move |reader| reader.payment_timeline(id)).await?;
        let events = timeline.iter().map(|entry| {
            let mut record = export::masked(&entry.record, entry.sequence, 0);
            let at = record.as_object_mut().and_then(|record| record.remove("at"));
            json!({ "at": at, "event": entry.record.name(), "detail": record })
        });
        let events: Vec<_> = events.collect();
        let case = case::about(&timeline);
        Ok(json!({ "payment": shown::payment(view), "case": case, "timeline": events }))
    }

    async fn cases(&self) -> Result<Value, Refused> {
        self.catch_up().await;
        let cases = self.store.read(|reader| {
            let lines = reader.cases()?.into_iter();
            lines.map(|line| Ok((reader.payment_timeline(line.id)?, line))).collect()
        });
        let cases: Vec<(Vec<TimelineEntry>, PaymentLine)> = cases.await?;
        let shown = cases.iter().map(|(timeline, line)| {
            let case = case::about(timeline);
            json!({
                "id": line.id.to_string(),
                "since": case.get("since"),
                "merchant": line.merchant,
                "order_id": line.order_id,
                "amount": shown::amount(line.amount_minor, &line.currency),
                "what": case.get("what"),
                "reason": case.get("reason"),
                "proposed": case.pointer("/proposed/by"),
            })
        });
        Ok(Value::Array(shown.collect()))
    }

    async fn lines(&self) -> Value {
        let mut lines = Vec::new();
        let signed_off = self.out_of_service.all().signed_off;
        for host in self.hosts.status().await {
            for line in &host.lines {
                let by = signed_off.get(&format!("{}/{}", host.host, line.line));
                lines.push(json!({
                    "host": host.host,
                    "line": line.line,
                    "address": line.address,
                    "state": line.state,
                    "signed_off_by_operator": line.signed_off_by_operator,
                    "by": by.map(|order| &order.by),
                    "reason": by.map(|order| &order.reason),
                    "since": by.map(|order| &order.since),
                    "since_ms": line.since_ms,
                    "last_received_ms": line.last_received_ms,
                    "in_flight": line.in_flight,
                    "breaker": line.breaker,
                    "breaker_opened": line.breaker_opened,
                    "host_window": host.window,
                    "host_breaker": host.breaker,
                    "host_breaker_opened": host.breaker_opened,
                    "signed_on": line.signed_on,
                    "half_open": line.half_open,
                    "received": line.received,
                    "unparsable": line.unparsable,
                    "quarantined": host.quarantined_in_all(),
                    "quarantined_by_reason": host.quarantined,
                }));
            }
        }
        Value::Array(lines)
    }

    async fn operate_line(
        &self,
        (host, line): (&str, &str),
        by: &str,
        reason: &str,
        act: Act,
    ) -> Result<Value, Refused> {
        check_reason(reason)?;
        let unknown =
            || Refused(format!("there is no line {host}/{line}: see `tidegate line status`"));
        let host_id = HostId::parse(host).map_err(|_| unknown())?;
        let line_id = LineId::parse(line).map_err(|_| unknown())?;
        if self.line(host, line).await.is_none() {
            return Err(unknown());
        }
        // What is kept first is true after a crash between the two.
        let part = Part::Line(&host_id, &line_id);
        let what = match act {
            Act::TakeOut => {
                self.out_of_service.take_out(part, order(by, reason))?;
                self.hosts.sign_off(&host_id, &line_id).await;
                "an operator signed a line off"
            }
            Act::PutBack => {
                self.out_of_service.put_back(part)?;
                self.hosts.sign_on(&host_id, &line_id).await;
                "an operator signed a line on"
            }
        };
        tracing::warn!(host, line, by, reason, "{what}");
        Ok(Value::Array(self.line(host, line).await.into_iter().collect()))
    }

    /// One of [`Self::lines`].
    async fn line(&self, host: &str, line: &str) -> Option<Value> {
        let is =
            |one: &Value, member: &str, name: &str| one.get(member).is_some_and(|it| it == name);
        let all = self.lines().await;
        let all = all.as_array().into_iter().flatten();
        all.clone().find(|one| is(one, "host", host) && is(one, "line", line)).cloned()
    }

    fn routes(&self) -> Value {
        let declined = self.out_of_service.all().declined;
        let ways = self.reloader.ways();
        let rows = ways.iter().map(|way| {
            let by = declined.get(&way.name);
            json!({
                "name": way.name,
                "kind": way.kind,
                "hosts": way.hosts.iter().map(HostId::as_str).collect::<Vec<_>>(),
                "declined": by.is_some(),
                "by": by.map(|order| &order.by),
                "reason": by.map(|order| &order.reason),
                "since": by.map(|order| &order.since),
            })
        });
        Value::Array(rows.collect())
    }

    fn operate_route(
        &self,
        name: &str,
        by: &str,
        reason: &str,
        act: &Act,
    ) -> Result<Value, Refused> {
        check_reason(reason)?;
        let known = self.reloader.ways().iter().any(|way| way.name == name);
        if !known && !self.out_of_service.declines(name) {
            let why = format!("there is no route and no host {name:?}: see `tidegate route list`");
            return Err(Refused(why));
        }
        let changed = match act {
            Act::TakeOut => {
                tracing::warn!(name, by, reason, "an operator declined a route");
                self.out_of_service.take_out(Part::Way(name), order(by, reason))?
            }
            Act::PutBack => {
                tracing::warn!(name, by, reason, "an operator resumed a route");
                self.out_of_service.put_back(Part::Way(name))?
            }
        };
        match (changed, act) {
            (true, _) => Ok(self.routes()),
            (false, Act::TakeOut) => Err(Refused(format!("{name} is declined already"))),
            (false, Act::PutBack) => Err(Refused(format!("{name} is not declined"))),
        }
    }

    fn status(&self) -> Value {
        let status = self.engine.status();
        let gauges = self.store.gauges();
        json!({
            "awaiting_host": status.awaiting_host,
            "reversing": status.reversing,
            "oldest_reversal": status.oldest_reversal.map(shown::rfc3339),
            "repeating": status.repeating,
            "oldest_advice": status.oldest_advice.map(shown::rfc3339),
            "paced": status.paced,
            "cases": status.cases,
            "in_memory": status.in_memory,
            "waiting": status.waiting,
            "declined_routes": self.out_of_service.all().declined.keys().collect::<Vec<_>>(),
            "journal_written": gauges.written.0,
            "ledger_applied": gauges.applied.0,
            "bounds": self.reloader.bounds(),
        })
    }

    async fn totals(&self, date: &str) -> Result<Value, Refused> {
        let date = parse_date(date)?;
        self.catch_up().await;
        let totals = self.store.read(move |reader| reader.totals(date)).await?;
        let rows = totals.iter().map(|total| {
            json!({
                "merchant": total.merchant,
                "operation": total.operation,
                "currency": total.currency,
                "result": total.verdict,
                "count": total.count,
                "sum": total.asked_minor,
                "approved": total.approved_minor,
            })
        });
        Ok(Value::Array(rows.collect()))
    }

    /// Waits, not for long, until the ledger holds what is durable now.
    async fn catch_up(&self) {
        let written = self.store.gauges().written;
        let mut applied = self.store.applied();
        let caught_up = applied.wait_for(|applied| *applied >= written);
        if tokio::time::timeout(CATCH_UP, caught_up).await.is_err() {
            tracing::warn!("the ledger is behind: an operator sees it as it is");
        }
    }
}

fn view_of(reply: Reply) -> Result<View, Refused> {
    match reply {
        Reply::Outcome { view, .. } => Ok(view.into_inner()),
        Reply::Refusal(refusal) => Err(Refused(refusal.to_string())),
        Reply::List(_) => Err(Refused("the engine answered another question".to_owned())),
    }
}

/// What an operator orders now.
fn order(by: &str, reason: &str) -> Order {
    let since = jiff::Timestamp::now().to_string();
    Order { by: by.to_owned(), reason: reason.to_owned(), since }
}

/// What an operator gives as a reason is kept.
fn check_reason(reason: &str) -> Result<(), Refused> {
    if reason.trim().is_empty() {
        return Err(Refused("a reason is wanted: it is kept".to_owned()));
    }
    if has_card_number(reason) {
        return Err(Refused(
            "the reason holds what may be a card number; name its last four".into(),
        ));
    }
    Ok(())
}

fn parse_id(id: &str) -> Result<PaymentId, Refused> {
    PaymentId::parse(id).map_err(|error| Refused(error.to_string()))
}

fn parse_date(text: &str) -> Result<BusinessDate, Refused> {
    let date: jiff::civil::Date = text
        .parse()
        .map_err(|_| Refused(format!("{text:?} is no date: YYYY-MM-DD is expected")))?;
    Ok(BusinessDate {
        year: date.year().unsigned_abs(),
        month: date.month().unsigned_abs(),
        day: date.day().unsigned_abs(),
    })
}
