//! Checks what is written and gives values. Pure. Every fault is collected; a value is given only when
//! there is none.

use super::fault::Fault;
use super::layers::Origins;
use super::load::DEFAULT_CONTROL_SOCKET;
use super::raw::{
    RawConfig, RawEngine, RawGateway, RawInternal, RawKeys, RawLog, RawReversal, RawSecret,
};
use super::secret::SecretRef;
use super::values::{
    Config, DateSource, Engine, Gateway, Internal, Keys, Log, LogFormat, LogLevel, Mode, Reversal,
    Seams,
};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest path of a Unix socket: `sun_path` of Linux has 108 bytes, the last of them zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Collects faults while it checks.
pub(super) struct Checker {
    origins: Origins,
    folder: PathBuf,
    /// Keys that could not be read: told already, so they are not told as missing.
    unread: Vec<String>,
    faults: Vec<Fault>,
}

impl Checker {
    /// A checker for what was written in these places; relative paths start at the folder.
    pub(super) fn new(origins: Origins, folder: PathBuf, unread: Vec<String>) -> Self {
        Self { origins, folder, unread, faults: Vec::new() }
    }

    /// What it found.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    pub(super) fn fault(&mut self, key: &str, message: impl Display, wanted: impl Display) {
        let message = format!("{key}: {message}");
        self.faults.push(self.origins.fault(key, &message, &wanted.to_string()));
    }

    /// Something that must be there.
    pub(super) fn required<T>(&mut self, key: &str, raw: Option<T>, wanted: &str) -> Option<T> {
        if raw.is_none() && !self.is_unread(key) {
            self.fault(key, "is missing", format!("{wanted} is wanted"));
        }
        raw
    }

    /// A list that must not be empty.
    pub(super) fn some_of<T>(&mut self, key: &str, raw: &[T], wanted: &str) {
        if raw.is_empty() && !self.is_unread(key) {
            self.fault(key, "is missing", format!("{wanted} is wanted"));
        }
    }

    /// Whether a key, or the table that it would be in, was told as unreadable.
    fn is_unread(&self, key: &str) -> bool {
        self.unread.iter().any(|unread| key.starts_with(unread.as_str()))
    }

    /// A number in a range, with a default.
    pub(super) fn number(
        &mut self,
        key: &str,
        raw: Option<u64>,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let number = raw.unwrap_or(default);
        if !range.contains(&number) {
            let wanted = format!("{} to {} is wanted", range.start(), range.end());
            self.fault(key, format!("{number} is out of range"), wanted);
        }
        number
    }

    /// A count in a range, with a default.
    pub(super) fn count(
        &mut self,
        key: &str,
        raw: Option<u64>,
        default: usize,
        range: RangeInclusive<u64>,
    ) -> usize {
        let default = u64::try_from(default).unwrap_or(u64::MAX);
        let number = self.number(key, raw, default, range);
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    /// Milliseconds in a range, with a default.
    pub(super) fn millis(
        &mut self,
        key: &str,
        raw: Option<u64>,
        default: Duration,
        range: RangeInclusive<u64>,
    ) -> Duration {
        let default = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.number(key, raw, default, range))
    }

    /// A text that something reads.
    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        raw: Option<String>,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.required(key, raw, wanted)?;
        let value = parse(&text);
        if value.is_none() {
            self.fault(key, format!("{text:?} is not expected"), format!("{wanted} is wanted"));
        }
        value
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &str,
        raw: Option<String>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let names: Vec<_> = words.iter().map(|(name, _)| format!("{name:?}")).collect();
        let find = |text: &str| words.iter().find(|(name, _)| *name == text).map(|row| row.1);
        self.parsed(key, raw, &names.join(" or "), find)
    }

    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.folder.join(Path::new(text))
    }

    /// A path to a file that this check does not open.
    pub(super) fn required_path(&mut self, key: &str, raw: Option<String>) -> Option<PathBuf> {
        let text =
            self.parsed(key, raw, "a path", |text| (!text.is_empty()).then(|| text.to_owned()))?;
        Some(self.path(&text))
    }

    pub(super) fn time_zone(&mut self, key: &str, raw: Option<String>) -> Option<TimeZone> {
        self.parsed(key, raw, "an IANA time zone such as \"Europe/Berlin\"", |text| {
            TimeZone::get(text).ok()
        })
    }

    pub(super) fn socket(&mut self, key: &str, raw: Option<String>) -> Option<SocketAddr> {
        let wanted = "an address and port such as \"127.0.0.1:8443\"";
        self.parsed(key, raw, wanted, |text| text.parse().ok())
    }

    /// Tells names that occur twice. `key` builds the key of the entry with an index.
    pub(super) fn unique<'a>(
        &mut self,
        names: impl Iterator<Item = (String, &'a str)>,
        what: &str,
    ) {
        let mut seen = BTreeSet::new();
        for (key, name) in names {
            if !seen.insert(name) {
                self.fault(&key, format!("{name:?} occurs twice"), format!("{what} is wanted"));
            }
        }
    }

    /// The whole configuration, when nothing is wrong with it.
    pub(super) fn config(&mut self, file: PathBuf, raw: RawConfig) -> Option<Config> {
        let day = (raw.gateway.business_day.clone(), raw.gateway.business_day_host.clone());
        let gateway = self.gateway(raw.gateway);
        let keys = self.keys(raw.keys);
        let internal = self.internal(raw.internal);
        let journal = self.journal(raw.journal);
        let engine = self.engine(&raw.engine);
        let reversal = self.reversal(raw.reversal);
        let channels = self.channels(raw.channel);
        let hosts = self.hosts(raw.host);
        let business_day = self.business_day(day, hosts.as_deref());
        let merchants = self.merchants(raw.merchant, hosts.as_deref());
        if let (Some(merchants), Some(channels)) = (&merchants, &channels) {
            self.certificates_asked(merchants, channels);
        }
        self.inbox(&engine, channels.as_deref().unwrap_or_default());
        let routes = self.routes(raw.route, hosts.as_deref(), merchants.as_deref());
        Some(Config {
            file,
            gateway: Gateway { business_day: business_day?, ..gateway? },
            keys: keys?,
            internal: internal?,
            journal,
            engine,
            reversal,
            channels: channels?,
            hosts: hosts?,
            merchants: merchants?,
            routes: routes?,
        })
    }

    fn gateway(&mut self, raw: RawGateway) -> Option<Gateway> {
        const MODES: [(&str, Mode); 2] =
            [("development", Mode::Development), ("production", Mode::Production)];
        const SEAMS: [(&str, Seams); 2] = [("direct", Seams::Direct), ("encoded", Seams::Encoded)];
        let name = self.parsed("gateway.name", raw.name, "1 to 64 of A-Z a-z 0-9 . _ -", |text| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            let fits = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
            fits.then(|| text.to_owned())
        });
        let mode = self.word("gateway.mode", raw.mode, &MODES);
        let data_dir = raw.data_dir.unwrap_or_else(|| "data".to_owned());
        let protocols_dir = raw.protocols_dir.unwrap_or_else(|| "protocols".to_owned());
        let time_zone = self.time_zone("gateway.time_zone", raw.time_zone);
        let ends = Some(raw.business_day_ends.unwrap_or_else(|| "23:00".to_owned()));
        let business_day_ends =
            self.parsed("gateway.business_day_ends", ends, "a local time \"HH:MM\"", hour_minute);
        let drain = Duration::from_secs(20);
        let key = "gateway.drain_timeout_ms";
        let drain_timeout = self.millis(key, raw.drain_timeout_ms, drain, 0..=3_600_000);
        let seams = raw.seams.unwrap_or_else(|| "direct".to_owned());
        let seams = self.word("gateway.seams", Some(seams), &SEAMS);
        let log = self.log(raw.log);
        Some(Gateway {
            name: name?,
            mode: mode?,
            data_dir: self.path(&data_dir),
            protocols_dir: self.path(&protocols_dir),
            time_zone: time_zone?,
            business_day_ends: business_day_ends?,
            business_day: DateSource::Clock,
            drain_timeout,
            seams: seams?,
            log: log?,
        })
    }

    fn log(&mut self, raw: RawLog) -> Option<Log> {
        use LogLevel::{Debug, Error, Info, Trace, Warn};
        let formats = [("json", LogFormat::Json), ("text", LogFormat::Text)];
        let levels = [Error, Warn, Info, Debug, Trace].map(|level| (level.as_str(), level));
        let format = raw.format.unwrap_or_else(|| "json".to_owned());
        let format = self.word("gateway.log.format", Some(format), &formats);
        let level = raw.level.unwrap_or_else(|| "info".to_owned());
        let level = self.word("gateway.log.level", Some(level), &levels);
        Some(Log { format: format?, level: level? })
    }

    fn keys(&mut self, raw: RawKeys) -> Option<Keys> {
        const WANTED: &str = "{ env = \"NAME\" } or { file = \"PATH\" }";
        let file = self.required_path("keys.file", raw.file);
        let passphrase = self.required("keys.passphrase", raw.passphrase, WANTED);
        let passphrase = passphrase.and_then(|secret| match secret {
            RawSecret { env: Some(name), file: None } if !name.is_empty() => {
                Some(SecretRef::Env(name))
            }
            RawSecret { env: None, file: Some(path) } if !path.is_empty() => {
                Some(SecretRef::File(self.path(&path)))
            }
            _ => {
                self.fault("keys.passphrase", "is no reference to a secret", WANTED);
                None
            }
        });
        Some(Keys { file: file?, passphrase: passphrase? })
    }

    fn internal(&mut self, raw: RawInternal) -> Option<Internal> {
        let listen = raw.listen.unwrap_or_else(|| "127.0.0.1:9464".to_owned());
        let listen = self.socket("internal.listen", Some(listen));
        let socket = raw.control_socket.unwrap_or_else(|| DEFAULT_CONTROL_SOCKET.to_owned());
        let control_socket = self.path(&socket);
        let length = control_socket.as_os_str().len();
        if length > SOCKET_PATH_BYTES_MAX {
            let wanted =
                format!("at most {SOCKET_PATH_BYTES_MAX} bytes, the folder of this file included");
            self.fault("internal.control_socket", format!("is {length} bytes long"), wanted);
        }
        let age = Duration::from_secs(90);
        let ready_age_max =
            self.millis("internal.ready_age_max_ms", raw.ready_age_max_ms, age, 100..=3_600_000);
        Some(Internal { listen: listen?, control_socket, ready_age_max })
    }

    fn engine(&mut self, raw: &RawEngine) -> Engine {
        let open = raw.open_payments_max;
        let recent = raw.recent_payments_max;
        let many = 1..=10_000_000;
        Engine {
            open_payments_max: self.count("engine.open_payments_max", open, 20_000, many.clone()),
            recent_payments_max: self.count(
                "engine.recent_payments_max",
                recent,
                100_000,
                many.clone(),
            ),
            waiters_max: self.count("engine.waiters_max", raw.waiters_max, 20_000, many),
            accept_within: self.millis(
                "engine.accept_within_ms",
                raw.accept_within_ms,
                Duration::from_secs(2),
                10..=60_000,
            ),
        }
    }

    fn reversal(&mut self, raw: RawReversal) -> Reversal {
        const KEY: &str = "reversal.gaps_ms";
        let gaps = raw.gaps_ms.unwrap_or_else(|| vec![10_000, 30_000, 60_000, 120_000, 300_000]);
        let fits = |gap: &u64| (10..=86_400_000).contains(gap);
        if !(1..=32).contains(&gaps.len()) || !gaps.iter().all(fits) {
            self.fault(KEY, "cannot be used", "1 to 32 gaps of 10 to 86400000 ms are wanted");
        }
        let give_up = raw.give_up_after_s;
        let wait = raw.unknown_original_wait_ms;
        let give_up = self.number("reversal.give_up_after_s", give_up, 86_400, 1..=2_592_000);
        let minute = Duration::from_secs(60);
        let alarm = self.number("reversal.alarm_after_s", raw.alarm_after_s, 900, 1..=2_592_000);
        Reversal {
            alarm_after: Duration::from_secs(alarm),
            gaps: gaps.into_iter().map(Duration::from_millis).collect(),
            give_up_after: Duration::from_secs(give_up),
            unknown_original_wait: self.millis(
                "reversal.unknown_original_wait_ms",
                wait,
                minute,
                10..=3_600_000,
            ),
        }
    }
}

fn hour_minute(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':').filter(|_| text.len() == 5)?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}
