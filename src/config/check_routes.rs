//! Routes: what they say, and their checks.

use super::check::Checker;
use super::check_lists::{NAME, digits, each};
use super::host_values::Host;
use super::raw::RawRoute;
use super::values::Merchant;
use tidegate_payment::id::{HostId, MerchantId};
use tidegate_payment::request::Operation;

/// Sends some payments to another host than their merchant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRule {
    /// Its name, for operators.
    pub name: String,
    /// Where the payments go.
    pub host: HostId,
    /// Where they go, in this order, while no line of `host` is signed on.
    pub failover: Vec<HostId>,
    /// The first digits of the cards that it is for, up to six; none: all cards.
    pub bins: Vec<String>,
    /// The merchants that it is for; none: all.
    pub merchants: Vec<MerchantId>,
    /// The operations that it is for; none: all. Follow-ups go where their original went.
    pub operations: Vec<Operation>,
}

impl Checker {
    pub(super) fn routes(
        &mut self,
        raw: Vec<RawRoute>,
        hosts: Option<&[Host]>,
        merchants: Option<&[Merchant]>,
    ) -> Option<Vec<RouteRule>> {
        let routes = each(raw, |index, raw| self.route(index, raw, hosts, merchants))?;
        let names = routes.iter().enumerate();
        let names = names.map(|(index, one)| (format!("route[{index}].name"), one.name.as_str()));
        // Operators decline routes and hosts by their names.
        let taken = hosts.unwrap_or_default().iter().enumerate();
        let taken = taken.map(|(index, one)| (format!("host[{index}].name"), one.name.as_str()));
        self.unique(taken.chain(names), "a name of its own, and no host's");
        Some(routes)
    }

    fn route(
        &mut self,
        index: usize,
        raw: RawRoute,
        hosts: Option<&[Host]>,
        merchants: Option<&[Merchant]>,
    ) -> Option<RouteRule> {
        let key = |name: &str| format!("route[{index}].{name}");
        let host_named = |text: &str| {
            let known = |hosts: &[Host]| hosts.iter().any(|host| host.name.as_str() == text);
            HostId::parse(text).ok().filter(|_| hosts.is_none_or(known))
        };
        let merchant_named = |text: &str| {
            let known = |merchants: &[Merchant]| merchants.iter().any(|it| it.id.as_str() == text);
            MerchantId::parse(text).ok().filter(|_| merchants.is_none_or(known))
        };
        let name = self.parsed(&key("name"), raw.name, NAME, |text| {
            MerchantId::parse(text).ok().map(|_| text.to_owned())
        });
        let wanted = "the name of a [[host]]";
        let host = self.parsed(&key("host"), raw.host, wanted, host_named);
        let failover = self.list(&key("failover"), raw.failover, wanted, host_named);
        let wanted = "the first 1 to 6 digits of card numbers";
        let bins = self.list(&key("bins"), raw.bins, wanted, digits(1..=6));
        let wanted = "the id of a [[merchant]]";
        let merchants = self.list(&key("merchants"), raw.merchants, wanted, merchant_named);
        let operations = self.operations(&key("operations"), raw.operations);
        for operation in operations.iter().flatten().filter(|one| one.is_follow_up()) {
            let message = format!("{:?} goes where its original went", operation.name());
            let wanted = "operations that begin something are wanted";
            self.fault(&key("operations"), message, wanted);
        }
        Some(RouteRule {
            name: name?,
            host: host?,
            failover,
            bins,
            merchants,
            operations: operations.unwrap_or_default(),
        })
    }

    /// A list that may be missing; each fault in it is told.
    fn list<T>(
        &mut self,
        key: &str,
        raw: Option<Vec<String>>,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let mut values = Vec::new();
        for text in raw.unwrap_or_default() {
            match parse(&text) {
                Some(value) => values.push(value),
                None => self.fault(key, format!("{text:?} is not expected"), wanted),
            }
        }
        values
    }
}
