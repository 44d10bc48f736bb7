//! Checks the lists: channels and merchants.

use super::check::Checker;
use super::host_values::Host;
use super::raw::{RawChannel, RawMerchant};
use super::values::{Channel, ChannelKind, Merchant};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate_payment::id::{ChannelId, HostId, MerchantId, TerminalId};
use tidegate_payment::money::{Currency, Money};
use tidegate_payment::request::Operation;

pub(super) const NAME: &str = "1 to 32 of A-Z a-z 0-9 . _ : -";

/// Checks each element of a list; gives all of them or nothing.
pub(super) fn each<R, T>(
    list: Vec<R>,
    mut check: impl FnMut(usize, R) -> Option<T>,
) -> Option<Vec<T>> {
    let checked: Vec<_> =
        list.into_iter().enumerate().map(|(index, raw)| check(index, raw)).collect();
    checked.into_iter().collect()
}

/// Printable ASCII of at most so many characters (ISO 8583 `ans`).
pub(super) fn printable(max: usize) -> impl Fn(&str) -> Option<String> {
    move |text| {
        let fits = (1..=max).contains(&text.len());
        let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        (fits && plain).then(|| text.to_owned())
    }
}

pub(super) fn digits(lengths: std::ops::RangeInclusive<usize>) -> impl Fn(&str) -> Option<String> {
    move |text| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        (plain && lengths.contains(&text.len())).then(|| text.to_owned())
    }
}

/// `https://host[:port]`: nothing before, nothing behind.
fn origin(text: &str) -> Option<String> {
    let authority = text.strip_prefix("https://")?;
    let uri: hyper::Uri = text.parse().ok()?;
    let plain = uri.authority().is_some_and(|held| held.as_str() == authority);
    (plain && !authority.contains('@') && text == text.to_lowercase()).then(|| text.to_owned())
}

impl Checker {
    pub(super) fn channels(&mut self, raw: Vec<RawChannel>) -> Option<Vec<Channel>> {
        self.some_of("channel", &raw, "one [[channel]] or more");
        let channels = each(raw, |index, raw| self.channel(index, raw))?;
        let names = channels.iter().enumerate();
        let names = names.map(|(index, one)| (format!("channel[{index}].name"), one.name.as_str()));
        self.unique(names, "a name of its own");
        Some(channels)
    }

    fn channel(&mut self, index: usize, raw: RawChannel) -> Option<Channel> {
        let key = |name: &str| format!("channel[{index}].{name}");
        let name = self.parsed(&key("name"), raw.name, NAME, |text| ChannelId::parse(text).ok());
        let kind = self.word(&key("kind"), raw.kind, &[("rest", ChannelKind::Rest)]);
        let listen = self.socket(&key("listen"), raw.listen);
        let wanted = "\"https://host[:port]\" in small letters";
        let public_address =
            self.parsed(&key("public_address"), raw.public_address, wanted, origin);
        let window = key("signature_window_s");
        let window_s = self.number(&window, raw.signature_window_s, 300, 1..=900);
        let tls = self.tls_files(&key("tls"), raw.tls);
        let limits = self.limits(&key("limits"), &raw.limits);
        Some(Channel {
            name: name?,
            kind: kind?,
            listen: listen?,
            public_address: public_address?,
            signature_window: Duration::from_secs(window_s),
            tls: tls?,
            http2: raw.http2.unwrap_or(true),
            limits,
        })
    }

    pub(super) fn merchants(
        &mut self,
        raw: Vec<RawMerchant>,
        hosts: Option<&[Host]>,
    ) -> Option<Vec<Merchant>> {
        let merchants = each(raw, |index, raw| self.merchant(index, raw, hosts))?;
        let ids = merchants.iter().enumerate();
        let ids = ids.map(|(index, one)| (format!("merchant[{index}].id"), one.id.as_str()));
        self.unique(ids, "an id of its own");
        let keys = merchants.iter().enumerate().flat_map(|(index, one)| {
            let keys = one.keys.iter().enumerate();
            keys.map(move |(number, key)| {
                (format!("merchant[{index}].key[{number}].id"), key.id.as_str())
            })
        });
        self.unique(keys, "an id that no other key of any merchant has");
        Some(merchants)
    }

    fn merchant(
        &mut self,
        index: usize,
        raw: RawMerchant,
        hosts: Option<&[Host]>,
    ) -> Option<Merchant> {
        let key = |name: &str| format!("merchant[{index}].{name}");
        let id = self.parsed(&key("id"), raw.id, NAME, |text| MerchantId::parse(text).ok());
        let name = self.parsed(&key("name"), raw.name, "1 to 64 characters", |text| {
            (1..=64).contains(&text.chars().count()).then(|| text.to_owned())
        });
        let time_zone = self.time_zone(&key("time_zone"), raw.time_zone);
        let category = self.parsed(&key("category"), raw.category, "4 digits", digits(4..=4));
        let terminal = self.parsed(&key("terminal"), raw.terminal, "8 characters", |text| {
            TerminalId::parse(text).ok()
        });
        let wanted = "1 to 15 printable ASCII characters";
        let acceptor = self.parsed(&key("acceptor"), raw.acceptor, wanted, printable(15));
        let wanted = "1 to 40 printable ASCII characters";
        let place = key("name_location");
        let name_location = self.parsed(&place, raw.name_location, wanted, printable(40));
        let host = self.parsed(&key("host"), raw.host, "the name of a [[host]]", |text| {
            let known =
                hosts.is_none_or(|hosts| hosts.iter().any(|host| host.name.as_str() == text));
            HostId::parse(text).ok().filter(|_| known)
        });
        let operations = self.operations(&key("operations"), raw.operations);
        let currencies = self.currencies(&key("currencies"), raw.currencies);
        let amounts = key("amount_max");
        let amount_max = self.amounts(&amounts, &raw.amount_max, currencies.as_deref());
        let weight = self.small(&key("weight"), raw.weight, 1, 1..=1_000);
        let response = key("response_algorithm");
        let response_algorithm = self.response_algorithm(&response, raw.response_algorithm);
        let certificate = key("client_certificate");
        let client_certificate = self.client_certificate(&certificate, raw.client_certificate);
        let keys = self.merchant_keys(&key("key"), raw.key);
        Some(Merchant {
            id: id?,
            name: name?,
            time_zone: time_zone?,
            category: category?,
            terminal: terminal?,
            acceptor: acceptor?,
            name_location: name_location?,
            host: host?,
            operations: operations.unwrap_or_else(|| Operation::ALL.to_vec()),
            currencies: currencies?,
            amount_max,
            one_payment_per_order: raw.one_payment_per_order.unwrap_or(true),
            partial_approval: raw.partial_approval.unwrap_or(false),
            weight,
            response_algorithm: response_algorithm?,
            client_certificate: client_certificate?,
            keys: keys?,
        })
    }

    /// A list of operations, if one is given.
    pub(super) fn operations(
        &mut self,
        key: &str,
        raw: Option<Vec<String>>,
    ) -> Option<Vec<Operation>> {
        let names = raw?;
        let mut operations = Vec::new();
        for name in &names {
            match Operation::parse(name) {
                Some(operation) => operations.push(operation),
                None => {
                    let wanted = Operation::ALL.map(Operation::name).join(", ");
                    self.fault(key, format!("{name:?} is not expected"), format!("of {wanted}"));
                }
            }
        }
        Some(operations)
    }

    fn currencies(&mut self, key: &str, raw: Option<Vec<String>>) -> Option<Vec<Currency>> {
        const WANTED: &str = "ISO 4217 codes such as [\"EUR\"], each once";
        let codes = self.required(key, raw, WANTED)?;
        let mut known: Vec<Currency> = Vec::new();
        for code in &codes {
            match Currency::from_alphabetic(code) {
                Ok(currency) if !known.contains(&currency) => known.push(currency),
                _ => self.fault(key, format!("{code:?} is not expected"), WANTED),
            }
        }
        if codes.is_empty() {
            self.fault(key, "is empty", WANTED);
        }
        Some(known)
    }

    fn amounts(
        &mut self,
        table: &str,
        raw: &BTreeMap<String, u64>,
        currencies: Option<&[Currency]>,
    ) -> BTreeMap<Currency, i64> {
        let mut amounts = BTreeMap::new();
        let currencies = currencies.unwrap_or_default();
        for (code, number) in raw {
            let key = format!("{table}.{code}");
            let currency = Currency::from_alphabetic(code).ok();
            let Some(currency) = currency.filter(|one| currencies.contains(one)) else {
                self.fault(&key, "is no currency of this merchant", "one of its currencies");
                continue;
            };
            let money = i64::try_from(*number).ok();
            match money.and_then(|minor| Money::payable(minor, currency).ok()) {
                Some(money) => drop(amounts.insert(currency, money.minor)),
                None => self.fault(
                    &key,
                    format!("{number} is out of range"),
                    format!("1 to {} minor units is wanted", Money::MAX_MINOR),
                ),
            }
        }
        for currency in currencies {
            if !raw.contains_key(currency.alphabetic()) {
                let key = format!("{table}.{currency}");
                self.fault(&key, "is missing", "the largest amount in minor units is wanted");
            }
        }
        amounts
    }
}
