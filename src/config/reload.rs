//! What of a configuration can be taken into use while the gateway runs, and what needs a restart.

use super::fault::Fault;
use super::values::Config;

/// Of each changed setting that needs a restart, a fault that names it; none when all of `wanted` can
/// take the place of `running` at once. A setting that nobody thought of needs a restart.
pub fn needs_restart(running: &Config, wanted: &Config) -> Vec<Fault> {
    let mut names = Vec::new();
    if !same_names(running, wanted, &mut names) {
        return names.iter().map(|name| fault(wanted, name)).collect();
    }
    let settled = settled(running, wanted);
    if settled != *running {
        name_tables(running, &settled, &mut names);
        name_lists(running, &settled, &mut names);
        if names.is_empty() {
            names.push("a setting".to_owned());
        }
    }
    names.iter().map(|name| fault(wanted, name)).collect()
}

fn fault(config: &Config, name: &str) -> Fault {
    let message = format!("{name}: cannot change while the gateway runs: needs a restart");
    Fault::of_file(&config.file.display().to_string(), name, &message)
}

/// Listeners and hosts are made at the start.
fn same_names(running: &Config, wanted: &Config, names: &mut Vec<String>) -> bool {
    let channels = |config: &Config| -> Vec<_> {
        config.channels.iter().map(|channel| channel.name.clone()).collect()
    };
    let hosts =
        |config: &Config| -> Vec<_> { config.hosts.iter().map(|host| host.name.clone()).collect() };
    if channels(running) != channels(wanted) {
        names.push("channel (added, removed or renamed)".to_owned());
    }
    if hosts(running) != hosts(wanted) {
        names.push("host (added, removed or renamed)".to_owned());
    }
    names.is_empty()
}

/// What is wanted, with everything that can change at once as it is now.
fn settled(running: &Config, wanted: &Config) -> Config {
    let mut settled = wanted.clone();
    settled.merchants.clone_from(&running.merchants);
    settled.routes.clone_from(&running.routes);
    settled.gateway.protocols_dir.clone_from(&running.gateway.protocols_dir);
    settled.gateway.drain_timeout = running.gateway.drain_timeout;
    settled.gateway.log.level = running.gateway.log.level;
    for (channel, now) in settled.channels.iter_mut().zip(&running.channels) {
        channel.public_address.clone_from(&now.public_address);
        channel.http2 = now.http2;
        channel.tls.clone_from(&now.tls);
        if channel.limits.fixed() == now.limits.fixed() {
            channel.limits.clone_from(&now.limits);
        }
    }
    for (host, now) in settled.hosts.iter_mut().zip(&running.hosts) {
        host.dialect.clone_from(&now.dialect);
        host.mapping.clone_from(&now.mapping);
        host.acquirer.clone_from(&now.acquirer);
        host.forwarder.clone_from(&now.forwarder);
    }
    settled
}

/// Notes each named field that differs.
macro_rules! differ {
    ($names:ident, $table:expr, $a:expr, $b:expr; $($field:ident)*) => {
        $(if $a.$field != $b.$field {
            $names.push(format!("{}.{}", $table, stringify!($field)));
        })*
    };
}

fn name_tables(a: &Config, b: &Config, names: &mut Vec<String>) {
    let before = names.len();
    differ!(names, "gateway", a.gateway, b.gateway; name mode data_dir time_zone business_day_ends
        business_day seams);
    differ!(names, "gateway.log", a.gateway.log, b.gateway.log; format);
    if names.len() == before && a.gateway != b.gateway {
        names.push("gateway".to_owned());
    }
    differ!(names, "keys", a.keys, b.keys; file passphrase);
    differ!(names, "internal", a.internal, b.internal; listen control_socket ready_age_max);
    differ!(names, "journal", a.journal, b.journal;
        segment_bytes batch_records_max unapplied_max ballast_bytes second format);
    differ!(names, "engine", a.engine, b.engine;
        open_payments_max recent_payments_max waiters_max accept_within);
    differ!(names, "reversal", a.reversal, b.reversal;
        gaps give_up_after unknown_original_wait alarm_after);
}

fn name_lists(a: &Config, b: &Config, names: &mut Vec<String>) {
    for (index, (a, b)) in a.channels.iter().zip(&b.channels).enumerate() {
        let (table, before) = (format!("channel[{index}]"), names.len());
        differ!(names, table, a, b; kind listen signature_window);
        let limits = a.limits.fixed().into_iter().zip(b.limits.fixed());
        for ((name, now), (_, wanted)) in limits {
            if now != wanted {
                names.push(format!("{table}.limits.{name}"));
            }
        }
        if names.len() == before && a != b {
            names.push(table);
        }
    }
    for (index, (a, b)) in a.hosts.iter().zip(&b.hosts).enumerate() {
        let (table, before) = (format!("host[{index}]"), names.len());
        differ!(names, table, a, b; frame header keep_alives in_flight_max reply_timeout reply_slow
            breaker_silences breaker_wait reply_frame_bytes_max
            echo_after sign_on_timeout connect_timeout reconnect_min reconnect_max
            late_answer_window advices_per_second open_payments_max lines);
        if names.len() == before && a != b {
            names.push(table);
        }
    }
}
