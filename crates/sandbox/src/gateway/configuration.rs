//! The gateway's configuration, as an operator would write it.

use super::second::{Turn, tls_files};
use super::{HostLoad, PASSPHRASE_NAME, Settings, public_address};
use crate::hosts::{HostPlan, Rule};
use crate::merchant::Profile;
use crate::operation::Operation;

/// The configuration, as an operator would write it.
pub(super) fn configuration(settings: &Settings, turn: Option<Turn>) -> String {
    let waits = &settings.waits;
    let gaps_ms = &waits.reversal_gaps_ms;
    let (certificate, key) = tls_files(turn);
    // In turns connections are short, so that both certificates are met.
    let requests = if turn.is_some() { 50 } else { 10_000 };
    let mut text = format!(
        r#"# Written by the sandbox: everything on loopback, all waits shortened.
[gateway]
name = "sandbox"
mode = "development"
data_dir = "data"
protocols_dir = {protocols:?}
time_zone = "Europe/Berlin"
business_day_ends = "23:00"
drain_timeout_ms = 20000
log = {{ format = "json", level = "info" }}
[keys]
file = "tidegate.keys"
passphrase = {{ env = "{PASSPHRASE_NAME}" }}
[internal]
listen = "127.0.0.1:0"
control_socket = "tidegate.sock"
[reversal]
gaps_ms = {gaps_ms:?}
unknown_original_wait_ms = {unknown}
[[channel]]
name = "rest"
kind = "rest"
listen = "127.0.0.1:{port}"
public_address = "{address}"
tls = {{ certificate = {certificate:?}, key = {key:?} }}
# The sandbox's merchants all come from one address.
limits = {{ connections_per_source_max = 4096, request_time_ms = 60000, requests_per_connection_max = {requests} }}
"#,
        port = settings.port,
        address = public_address(settings.port),
        protocols = settings.protocols.display().to_string(),
        unknown = waits.unknown_original.as_millis(),
    );
    text.extend(settings.layout.hosts.iter().map(|plan| host(settings, plan)));
    let of_merchants = |rule: &&Rule| {
        let is = |name| settings.merchants.iter().any(|(profile, _)| profile.id == name);
        rule.merchant.is_none_or(is)
    };
    text.extend(settings.layout.rules.iter().filter(of_merchants).map(route));
    let amount_max = turn.unwrap_or(Turn::First).amount_max();
    let merchants = settings.merchants.iter();
    text.extend(merchants.map(|(profile, key)| {
        merchant(profile, key, settings.layout.home(&profile.id), amount_max)
    }));
    text
}

/// A host's section, with its lines.
fn host(settings: &Settings, plan: &HostPlan) -> String {
    let HostPlan { name, dialect, acquirer, forwarder, .. } = plan;
    let dialect = dialect.name();
    let forwarder =
        forwarder.map(|number| format!("forwarder = \"{number}\"\n")).unwrap_or_default();
    let mut text = format!(
        r#"[[host]]
name = "{name}"
dialect = "{dialect}"
mapping = "{dialect}"
frame = "length-be2"
acquirer = "{acquirer}"
{forwarder}{load}echo_after_ms = 2000
sign_on_timeout_ms = 2000
connect_timeout_ms = 1000
reconnect_min_ms = 20
reconnect_max_ms = 500
"#,
        load = load(settings),
    );
    let lines = settings.lines.get(*name).into_iter().flatten();
    text.extend(lines.map(|(name, address)| {
        format!("[[host.line]]\nname = \"{name}\"\naddress = \"{address}\"\n")
    }));
    text
}

/// A route's section.
fn route(rule: &Rule) -> String {
    let mut text = format!("[[route]]\nname = \"{}\"\nhost = \"{}\"\n", rule.name, rule.host);
    let lists = [
        ("failover", rule.failover),
        ("bins", rule.card),
        ("merchants", rule.merchant),
        ("operations", rule.operation.map(Operation::name)),
    ];
    for (key, value) in lists {
        text.extend(value.map(|value| format!("{key} = [\"{value}\"]\n")));
    }
    text
}

/// What the bank is given.
fn load(settings: &Settings) -> String {
    let (reply, in_flight) = (settings.waits.reply_timeout, settings.in_flight_max);
    let HostLoad { reply_slow, breaker_silences, breaker_wait, advices_per_second } =
        settings.host_load;
    let (slow, wait) = (reply_slow.unwrap_or(reply).as_millis(), breaker_wait.as_millis());
    let mut text = format!(
        "in_flight_max = {in_flight}\nreply_timeout_ms = {reply}\nreply_slow_ms = {slow}\n\
         breaker_silences = {breaker_silences}\nbreaker_wait_ms = {wait}\n",
        reply = reply.as_millis(),
    );
    let pace = advices_per_second.map(|pace| format!("advices_per_second = {pace}\n"));
    text.extend(pace);
    text
}

/// A merchant's section.
fn merchant(profile: &Profile, public_key: &str, host: &str, amount_max: u64) -> String {
    let Profile { id, name, terminal, acceptor, category, key_id, .. } = profile;
    let partial = profile.partial_approval;
    let (algorithm, answers) = (profile.algorithm.name(), profile.response_algorithm.name());
    format!(
        r#"[[merchant]]
id = "{id}"
name = "{name}"
time_zone = "Europe/Berlin"
category = "{category}"
terminal = "{terminal}"
acceptor = "{acceptor}"
name_location = "{name:<23}Berlin       DE"
host = "{host}"
currencies = ["EUR"]
amount_max = {{ EUR = {amount_max} }}
response_algorithm = "{answers}"
partial_approval = {partial}
[[merchant.key]]
id = "{key_id}"
algorithm = "{algorithm}"
public_key = "{public_key}"
"#
    )
}
