//! What operators ask the running gateway: `status`, `payment`, `cases`, `line`, `report`.

use super::arguments::{
    Asked, CasesArguments, CasesTask, LineArguments, LineTask, PaymentArguments, PaymentTask,
    ReportArguments, ReportTask, Resolution, Word,
};
use super::outcome::{Done, Exit, Failure, print_json};
use crate::config;
use crate::control::client::{Client, ClientError};
use crate::control::view::{
    CaseClosing, CaseResolution, CaseView, CaseWord, LineView, PaymentView, StatusView, TotalsView,
};
use serde::Serialize;
use std::future::Future;
use std::io::{self, Write};

/// Asks the gateway and prints its answer.
fn ask<T, W>(
    asked: &Asked,
    out: &mut dyn Write,
    question: impl FnOnce(Client) -> W,
    print: impl FnOnce(&T, &mut dyn Write) -> io::Result<()>,
) -> Result<T, Failure>
where
    T: Serialize,
    W: Future<Output = Result<T, ClientError>>,
{
    let socket = match &asked.socket {
        Some(socket) => socket.clone(),
        None => config::load(&asked.reach.config)?.internal.control_socket,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|fault| Failure::new("starting", fault))?;
    let answer = runtime.block_on(question(Client::new(&socket)))?;
    match asked.json {
        true => print_json(out, &answer)?,
        false => print(&answer, out)?,
    }
    Ok(answer)
}

pub(super) fn status(asked: &Asked, out: &mut dyn Write) -> Done {
    let question = |client: Client| async move { client.get("/status").await };
    let status = ask(asked, out, question, |status: &StatusView, out| {
        let StatusView { name, version, started, business_date, .. } = status;
        writeln!(out, "{name} {version}, since {started}, business date {business_date}")?;
        for unmet in &status.unmet {
            writeln!(out, "  not ready: {unmet}")?;
        }
        let StatusView { open_payments, open_reversals, cases, .. } = status;
        writeln!(
            out,
            "  {open_payments} open payments, {open_reversals} open reversals, {cases} cases"
        )
    })?;
    Ok(if status.ready { Exit::Good } else { Exit::Wrong })
}

pub(super) fn payment(asked: &PaymentArguments, out: &mut dyn Write) -> Done {
    let PaymentTask::Show { id, asked } = &asked.what;
    let target = format!("/payments/{}", escape(id));
    ask(asked, out, |client| async move { client.get(&target).await }, print_payment)?;
    Ok(Exit::Good)
}

fn print_payment(payment: &PaymentView, out: &mut dyn Write) -> io::Result<()> {
    let PaymentView { id, operation, result, amount, merchant, order_id, host, .. } = payment;
    let reason = payment.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    writeln!(out, "{id}  {operation} of {amount}: {result}{reason}")?;
    writeln!(out, "  merchant {merchant}, order {order_id}, host {host}")?;
    writeln!(out, "  card {}******{}", payment.card_bin, payment.card_last4)?;
    let facts = [
        ("STAN", &payment.stan),
        ("RRN", &payment.rrn),
        ("response code", &payment.response_code),
        ("approval code", &payment.approval_code),
        ("business date", &payment.business_date),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            writeln!(out, "  {name} {value}")?;
        }
    }
    let suspect = if payment.suspect { ", suspect until reconciled" } else { "" };
    writeln!(out, "  state {}{suspect}, version {}", payment.state, payment.version)?;
    for entry in &payment.timeline {
        writeln!(out, "  {}  {:<20} {}", entry.at, entry.what, entry.detail)?;
    }
    Ok(())
}

pub(super) fn cases(asked: &CasesArguments, out: &mut dyn Write) -> Done {
    match &asked.what {
        CasesTask::List { asked } => {
            let question = |client: Client| async move { client.get("/cases").await };
            ask(asked, out, question, |cases: &Vec<CaseView>, out| {
                cases.iter().try_for_each(|case| print_case(case, out))?;
                writeln!(out, "{} cases", cases.len())
            })?;
        }
        CasesTask::Show { id, asked } => {
            let target = format!("/cases/{}", escape(id));
            ask(asked, out, |client| async move { client.get(&target).await }, print_case)?;
        }
        CasesTask::Retry { id, word, asked } => {
            let target = format!("/cases/{}/retry", escape(id));
            let (by, reason) = said(word);
            let word = CaseWord { by, reason };
            ask(asked, out, |client| async move { client.post(&target, &word).await }, print_case)?;
        }
        CasesTask::Close { id, resolution, word, asked } => {
            let target = format!("/cases/{}/close", escape(id));
            let (by, reason) = said(word);
            let resolution = match resolution {
                Resolution::Reversed => CaseResolution::Reversed,
                Resolution::NeverPosted => CaseResolution::NeverPosted,
            };
            let closing = CaseClosing { by, reason, resolution };
            let question = |client: Client| async move { client.post(&target, &closing).await };
            ask(asked, out, question, print_payment)?;
        }
    }
    Ok(Exit::Good)
}

fn print_case(case: &CaseView, out: &mut dyn Write) -> io::Result<()> {
    let CaseView { id, opened, why, merchant, amount, host, attempts, .. } = case;
    writeln!(out, "{id}  since {opened}  {amount}  {why}")?;
    let stan = case.stan.as_deref().unwrap_or("-");
    let rrn = case.rrn.as_deref().unwrap_or("-");
    writeln!(out, "  merchant {merchant}, host {host}, STAN {stan}, RRN {rrn}, {attempts} attempts")
}

/// Who says so: by default the user who is logged in.
fn said(word: &Word) -> (String, String) {
    let user = || std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    let by = word.by.clone().or_else(|| user().ok()).unwrap_or_default();
    (by, word.reason.clone())
}

pub(super) fn line(asked: &LineArguments, out: &mut dyn Write) -> Done {
    let LineTask::Status { asked } = &asked.what;
    let question = |client: Client| async move { client.get("/lines").await };
    let lines = ask(asked, out, question, |lines: &Vec<LineView>, out| {
        for line in lines {
            let LineView { host, line: name, address, state, since, .. } = line;
            let fault = line.fault.as_deref().unwrap_or("");
            writeln!(out, "{host}/{name}  {address}  {state} since {since}  {fault}")?;
            let LineView { in_flight, quarantined, .. } = line;
            writeln!(out, "  {in_flight} in flight, {quarantined} frames laid aside")?;
        }
        Ok(())
    })?;
    let all_up = !lines.is_empty() && lines.iter().all(|line| line.state == "up");
    Ok(if all_up { Exit::Good } else { Exit::Wrong })
}

pub(super) fn report(asked: &ReportArguments, out: &mut dyn Write) -> Done {
    let ReportTask::Totals { date, asked } = &asked.what;
    let target = format!("/totals/{}", escape(date));
    let question = |client: Client| async move { client.get(&target).await };
    ask(asked, out, question, |totals: &TotalsView, out| {
        writeln!(out, "business date {}", totals.business_date)?;
        for row in &totals.rows {
            let (merchant, currency, class) = (&row.merchant, &row.currency, &row.class);
            let (count, minor) = (row.count, row.minor);
            writeln!(out, "{merchant:<32} {currency} {class:<10} {count:>10} {minor:>16}")?;
        }
        Ok(())
    })?;
    Ok(Exit::Good)
}

/// Keeps an argument inside one segment of a path.
fn escape(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    text.chars().map(|c| if plain(c) { c } else { '_' }).collect()
}
