//! Checks the hosts: what they speak, how their frames look, and how long things may take.

use super::check::Checker;
use super::check_lists::{NAME, digits, each};
use super::host_values::{Host, Line};
use super::raw::{RawHost, RawLine};
use data_encoding::HEXLOWER_PERMISSIVE;
use std::num::NonZeroU32;
use std::time::Duration;
use tidegate_iso8583::frame::FrameFormat;
use tidegate_iso8583::frame::header::HeaderForm;
use tidegate_line::keep_alive::KeepAlives;
use tidegate_payment::id::{HostId, LineId};

/// The name of a definition: a folder or file name and nothing more.
fn definition(text: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    ((1..=64).contains(&text.len()) && text.bytes().all(allowed)).then(|| text.to_owned())
}

/// `host:port`.
fn host_port(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    let fits = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
    fits.then(|| text.to_owned())
}

/// What an institution is known by (ISO 8583 DE 32, DE 33).
const INSTITUTION: &str = "1 to 11 digits";

impl Checker {
    pub(super) fn hosts(&mut self, raw: Vec<RawHost>) -> Option<Vec<Host>> {
        self.some_of("host", &raw, "one [[host]] or more");
        let hosts = each(raw, |index, raw| self.host(index, raw))?;
        let names = hosts.iter().enumerate();
        let names = names.map(|(index, one)| (format!("host[{index}].name"), one.name.as_str()));
        self.unique(names, "a name of its own");
        Some(hosts)
    }

    fn host(&mut self, index: usize, raw: RawHost) -> Option<Host> {
        let key = |name: &str| format!("host[{index}].{name}");
        let name = self.parsed(&key("name"), raw.name, NAME, |text| HostId::parse(text).ok());
        let dialect = self.parsed(&key("dialect"), raw.dialect, "a folder's name", definition);
        let mapping = self.parsed(&key("mapping"), raw.mapping, "a mapping's name", definition);
        let framed = self.framed(key, raw.frame, raw.header);
        let keep_alives = self.keep_alives(key, raw.keep_alives, raw.keep_alives_every_ms);
        let acquirer = self.parsed(&key("acquirer"), raw.acquirer, INSTITUTION, digits(1..=11));
        let forwarder = self.forwarder(&key("forwarder"), raw.forwarder);
        let lines = self.lines(&key("line"), raw.line);
        let mut millis = |name: &str, raw, default| {
            self.millis(&key(name), raw, Duration::from_millis(default), 10..=600_000)
        };
        let reply_timeout = millis("reply_timeout_ms", raw.reply_timeout_ms, 15_000);
        let breaker_wait = millis("breaker_wait_ms", raw.breaker_wait_ms, 5_000);
        let echo_after = millis("echo_after_ms", raw.echo_after_ms, 30_000);
        let sign_on_timeout = millis("sign_on_timeout_ms", raw.sign_on_timeout_ms, 5_000);
        let connect_timeout = millis("connect_timeout_ms", raw.connect_timeout_ms, 3_000);
        let reconnect_min = millis("reconnect_min_ms", raw.reconnect_min_ms, 500);
        let reconnect_max = millis("reconnect_max_ms", raw.reconnect_max_ms, 30_000);
        self.in_order(&key("reconnect_min_ms"), reconnect_min, reconnect_max);
        let reply_slow = self.slow(&key("reply_slow_ms"), raw.reply_slow_ms, reply_timeout);
        let silences = raw.breaker_silences;
        let breaker_silences = self.small(&key("breaker_silences"), silences, 10, 1..=100_000);
        let mut count = |it: &str, raw, default, range| self.count(&key(it), raw, default, range);
        let in_flight_max = count("in_flight_max", raw.in_flight_max, 512, 1..=100_000);
        let frame_max = raw.reply_frame_bytes_max;
        let reply_frame_bytes_max = count("reply_frame_bytes_max", frame_max, 4_096, 64..=65_535);
        let late = raw.late_answer_window;
        let late_answer_window = count("late_answer_window", late, 10_000, 1..=1_000_000);
        let open = raw.open_payments_max;
        let open_payments_max =
            open.map(|max| count("open_payments_max", Some(max), 0, 1..=1_000_000));
        let advices_per_second =
            self.pace(&key("advices_per_second"), raw.advices_per_second, in_flight_max);
        let (frame, header) = framed?;
        Some(Host {
            name: name?,
            dialect: dialect?,
            mapping: mapping?,
            frame,
            header,
            keep_alives: keep_alives?,
            acquirer: acquirer?,
            forwarder: forwarder?,
            in_flight_max,
            reply_timeout,
            reply_slow,
            breaker_silences,
            breaker_wait,
            reply_frame_bytes_max,
            echo_after,
            sign_on_timeout,
            connect_timeout,
            reconnect_min,
            reconnect_max,
            late_answer_window,
            advices_per_second,
            open_payments_max,
            lines: lines?,
        })
    }

    /// How messages are framed, and what stands before each of them where frames have a header.
    fn framed(
        &mut self,
        key: impl Fn(&str) -> String,
        frame: Option<String>,
        header: Option<String>,
    ) -> Option<(FrameFormat, Vec<u8>)> {
        let frame = self.word(&key("frame"), frame, &FrameFormat::NAMED)?;
        let form = frame.header();
        if header.is_none() && form == HeaderForm::None {
            return Some((frame, Vec::new()));
        }
        let wanted = format!("{}, in hex digits", form.words());
        let decode = |text: &str| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        let header = self
            .parsed(&key("header"), header, &wanted, |it| decode(it).filter(|it| form.fits(it)));
        Some((frame, header?))
    }

    fn keep_alives(
        &mut self,
        key: impl Fn(&str) -> String,
        law: Option<String>,
        every: Option<u64>,
    ) -> Option<KeepAlives> {
        let (is_said, key_of_every) = (every.is_some(), key("keep_alives_every_ms"));
        let every = self.millis(&key_of_every, every, Duration::from_secs(30), 100..=3_600_000);
        let send = KeepAlives::Send { every };
        let words =
            [("ignore", KeepAlives::Ignore), ("answer", KeepAlives::Answer), ("send", send)];
        let law = law.unwrap_or_else(|| "ignore".to_owned());
        let law = self.word(&key("keep_alives"), Some(law), &words)?;
        if is_said && law != send {
            let wanted = "keep_alives = \"send\" beside it";
            self.fault(&key_of_every, "says how often, and none are sent", wanted);
            return None;
        }
        Some(law)
    }

    /// DE 33, which many hosts do not want.
    fn forwarder(&mut self, key: &str, raw: Option<String>) -> Option<Option<String>> {
        match raw {
            None => Some(None),
            some => self.parsed(key, some, INSTITUTION, digits(1..=11)).map(Some),
        }
    }

    /// The shortest gap between two attempts to connect, and the longest.
    fn in_order(&mut self, key: &str, shortest: Duration, longest: Duration) {
        if shortest > longest {
            let wanted = "no more than reconnect_max_ms is wanted";
            self.fault(key, "is longer than the longest gap", wanted);
        }
    }

    /// By default a tenth of what may be under way, and never a trickle.
    fn pace(&mut self, key: &str, raw: Option<u64>, in_flight_max: usize) -> NonZeroU32 {
        let tenth = u64::try_from(in_flight_max / 10).unwrap_or(u64::MAX).clamp(20, 10_000);
        let rate = u32::try_from(self.number(key, raw.or(Some(tenth)), tenth, 1..=10_000));
        rate.ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
    }

    /// From when on a reply is slow: half of what it is waited for, if nothing else is said.
    fn slow(&mut self, key: &str, raw: Option<u64>, reply_timeout: Duration) -> Duration {
        let least = Duration::from_millis(10);
        let slow = self.millis(key, raw, (reply_timeout / 2).max(least), 10..=600_000);
        if slow > reply_timeout {
            let wanted = "no more than reply_timeout_ms is wanted";
            self.fault(key, "is longer than a reply is waited for", wanted);
        }
        slow
    }

    fn lines(&mut self, table: &str, raw: Vec<RawLine>) -> Option<Vec<Line>> {
        self.some_of(table, &raw, "one [[host.line]] or more");
        let lines = each(raw, |index, raw| {
            let key = |name: &str| format!("{table}[{index}].{name}");
            let name = self.parsed(&key("name"), raw.name, NAME, |text| LineId::parse(text).ok());
            let address = self.parsed(&key("address"), raw.address, "\"host:port\"", host_port);
            Some(Line { name: name?, address: address? })
        })?;
        let names = lines.iter().enumerate();
        let names = names.map(|(index, one)| (format!("{table}[{index}].name"), one.name.as_str()));
        self.unique(names, "a name of its own within the host");
        Some(lines)
    }
}
