//! Routing: which host a payment goes to, by card, merchant and operation. A follow-up goes where its
//! original went; an original never moves once a byte of it may have left.
//!
//! Operators decline routes and hosts. That stops new payments alone: a completion, a void or a refund
//! still goes to the host of its original, for nobody else could book it, and so do reversals and advices.

use crate::channel::merchant::Merchant;
use crate::config::{Config, RouteRule};
use crate::out_of_service::OutOfService;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegate_payment::effect::Refusal;
use tidegate_payment::id::HostId;
use tidegate_payment::request::{Offer, Request, Route};

/// How we are known to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// DE 32.
    pub acquirer: String,
    /// DE 33.
    pub forwarder: Option<String>,
}

/// The routes of a configuration, and which of them an operator has declined.
#[derive(Debug)]
pub struct Routing {
    rules: Vec<RouteRule>,
    memberships: BTreeMap<HostId, Membership>,
    /// What each host takes.
    pub offers: Arc<BTreeMap<HostId, Offer>>,
    out_of_service: Arc<OutOfService>,
}

/// Something that can be declined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Its name.
    pub name: String,
    /// `route` or `host`.
    pub kind: &'static str,
    /// Where it leads, best first.
    pub hosts: Vec<HostId>,
}

impl Way {
    /// All routes of a configuration, in order, and then all hosts.
    pub fn all(config: &Config) -> Vec<Self> {
        let routes = config.routes.iter().map(|rule| Self {
            name: rule.name.clone(),
            kind: "route",
            hosts: std::iter::once(&rule.host).chain(&rule.failover).cloned().collect(),
        });
        let hosts = config.hosts.iter().map(|host| Self {
            name: host.name.to_string(),
            kind: "host",
            hosts: vec![host.name.clone()],
        });
        routes.chain(hosts).collect()
    }
}

impl Routing {
    /// The routing of a configuration.
    pub fn new(
        rules: Vec<RouteRule>,
        memberships: BTreeMap<HostId, Membership>,
        offers: BTreeMap<HostId, Offer>,
        out_of_service: Arc<OutOfService>,
    ) -> Self {
        Self { rules, memberships, offers: Arc::new(offers), out_of_service }
    }

    /// Where a request may go, best first. Nowhere, when an operator has declined the route or all of its
    /// hosts: a request that was accepted before is still answered from its record, a new one is not
    /// accepted.
    /// # Errors
    /// [`Refusal::NotOffered`] when no such host takes the operation.
    pub fn routes(&self, merchant: &Merchant, request: &Request) -> Result<Vec<Route>, Refusal> {
        let rule = self.rules.iter().find(|rule| matches(rule, request));
        let hosts: Vec<&HostId> = match rule {
            Some(rule) => std::iter::once(&rule.host).chain(&rule.failover).collect(),
            None => vec![&merchant.host],
        };
        let mut routes: Vec<Route> =
            hosts.into_iter().filter_map(|host| self.route(host, request)).collect();
        if routes.is_empty() {
            return Err(Refusal::NotOffered);
        }
        if rule.is_some_and(|rule| self.out_of_service.declines(&rule.name)) {
            routes.clear();
        }
        routes.retain(|route| !self.out_of_service.declines(route.host.as_str()));
        Ok(routes)
    }

    fn route(&self, host: &HostId, request: &Request) -> Option<Route> {
        let offer = self.offers.get(host)?;
        let membership = self.memberships.get(host)?;
        Some(Route {
            host: host.clone(),
            acquirer: membership.acquirer.clone(),
            forwarder: membership.forwarder.clone(),
            definitions: offer.definitions,
            silence: *offer.operations.get(&request.operation)?,
        })
    }
}

fn matches(rule: &RouteRule, request: &Request) -> bool {
    let bin = &request.card.bin;
    (rule.bins.is_empty() || rule.bins.iter().any(|prefix| bin.starts_with(prefix)))
        && (rule.merchants.is_empty() || rule.merchants.contains(&request.merchant))
        && (rule.operations.is_empty() || rule.operations.contains(&request.operation))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::channel::merchant::Merchant;
    use crate::keys::algorithm::Algorithm;
    use crate::out_of_service::{Order, Part};
    use crate::store::samples;
    use tidegate_payment::id::{MerchantId, TerminalId};
    use tidegate_payment::input::Terms;
    use tidegate_payment::request::{Acceptor, Definitions, Operation, Silence};

    fn host(name: &str) -> HostId {
        HostId::parse(name).unwrap()
    }

    fn rule(name: &str, to: &str, failover: &[&str]) -> RouteRule {
        RouteRule {
            name: name.to_owned(),
            host: host(to),
            failover: failover.iter().copied().map(host).collect(),
            bins: Vec::new(),
            merchants: Vec::new(),
            operations: Vec::new(),
        }
    }

    /// Three hosts: `old` takes purchases alone.
    fn routing(rules: Vec<RouteRule>) -> Routing {
        let offer = |operations: &[Operation]| Offer {
            definitions: Definitions { dialect: [1; 32], mapping: [2; 32] },
            operations: operations.iter().map(|one| (*one, Silence::Reversal)).collect(),
        };
        let membership = |number: &str| Membership { acquirer: number.into(), forwarder: None };
        let everything = offer(&Operation::ALL);
        let old = offer(&[Operation::Purchase]);
        let offers = [("bank", everything.clone()), ("other", everything), ("old", old)];
        let numbers = [("bank", "1"), ("other", "2"), ("old", "3")];
        Routing::new(
            rules,
            numbers.map(|(name, number)| (host(name), membership(number))).into(),
            offers.map(|(name, offer)| (host(name), offer)).into(),
            Arc::default(),
        )
    }

    fn merchant() -> Merchant {
        Merchant {
            id: samples::merchant(),
            keys: Vec::new(),
            client_certificate: None,
            response_algorithm: Algorithm::Ed25519,
            operations: Operation::ALL.to_vec(),
            currencies: Vec::new(),
            amount_max: BTreeMap::new(),
            weight: 1,
            terms: Terms { one_payment_per_order: true, partial_approval: false },
            acceptor: Acceptor {
                category: "5942".into(),
                terminal: TerminalId::parse("TERM0001").unwrap(),
                number: "BOOKS".into(),
                name_location: "Books".into(),
            },
            zone: jiff::tz::TimeZone::UTC,
            host: host("bank"),
        }
    }

    /// Where the sample payment (BIN 400000, a purchase) goes.
    fn hosts_of(routing: &Routing, change: impl Fn(&mut Request)) -> Result<Vec<String>, Refusal> {
        let mut request = samples::request(1);
        change(&mut request);
        let routes = routing.routes(&merchant(), &request)?;
        Ok(routes.iter().map(|route| route.host.to_string()).collect())
    }

    #[track_caller]
    fn check(routing: &Routing, change: impl Fn(&mut Request), expected: &[&str]) {
        let expected: Vec<_> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(hosts_of(routing, change), Ok(expected));
    }

    fn decline(routing: &Routing, name: &str) {
        let word = |text: &str| text.to_owned();
        let since = word("2026-11-22T12:00:00Z");
        let order = Order { by: word("anna"), reason: word("repair"), since };
        assert!(routing.out_of_service.take_out(Part::Way(name), order).unwrap());
    }

    #[test]
    fn without_a_rule_a_payment_goes_to_the_merchants_host() {
        check(&routing(Vec::new()), |_| {}, &["bank"]);
    }

    #[test]
    fn the_first_rule_that_matches_wins() {
        let rules = vec![
            RouteRule { bins: vec!["5".into()], ..rule("fives", "old", &[]) },
            RouteRule { bins: vec!["41".into(), "4000".into()], ..rule("some", "other", &[]) },
            RouteRule { bins: vec!["4".into()], ..rule("fours", "old", &[]) },
        ];
        let routing = routing(rules);
        check(&routing, |_| {}, &["other"]);
        check(&routing, |request| request.card.bin = "411111".into(), &["other"]);
        check(&routing, |request| request.card.bin = "499999".into(), &["old"]);
        check(&routing, |request| request.card.bin = "555555".into(), &["old"]);
        check(&routing, |request| request.card.bin = "622202".into(), &["bank"]);
    }

    #[test]
    fn a_rule_matches_by_card_merchant_and_operation_together() {
        let only = RouteRule {
            bins: vec!["4".into()],
            merchants: vec![samples::merchant()],
            operations: vec![Operation::Purchase, Operation::PreAuthorization],
            ..rule("only", "other", &[])
        };
        let routing = routing(vec![only]);
        check(&routing, |_| {}, &["other"]);
        check(&routing, |it| it.operation = Operation::PreAuthorization, &["other"]);
        check(&routing, |it| it.operation = Operation::BalanceInquiry, &["bank"]);
        check(&routing, |it| it.merchant = MerchantId::parse("m-9").unwrap(), &["bank"]);
        check(&routing, |it| it.card.bin = "555555".into(), &["bank"]);
    }

    #[test]
    fn failover_hosts_follow_in_their_order_if_they_take_the_operation() {
        let routing = routing(vec![rule("all", "bank", &["old", "other"])]);
        check(&routing, |_| {}, &["bank", "old", "other"]);
        check(&routing, |it| it.operation = Operation::PreAuthorization, &["bank", "other"]);
        let routes = routing.routes(&merchant(), &samples::request(1)).unwrap();
        let acquirers: Vec<_> = routes.iter().map(|route| route.acquirer.as_str()).collect();
        assert_eq!(acquirers, ["1", "3", "2"], "each host knows us by a number of its own");
    }

    #[test]
    fn what_no_host_takes_is_not_offered_and_that_does_not_pass() {
        let routing = routing(vec![rule("all", "old", &[])]);
        let inquiry = |it: &mut Request| it.operation = Operation::BalanceInquiry;
        assert_eq!(hosts_of(&routing, inquiry), Err(Refusal::NotOffered));
        decline(&routing, "all");
        assert_eq!(hosts_of(&routing, inquiry), Err(Refusal::NotOffered));
    }

    #[test]
    fn a_declined_route_leads_nowhere_until_it_is_resumed() {
        let fours = RouteRule { bins: vec!["4".into()], ..rule("fours", "other", &["old"]) };
        let routing = routing(vec![fours]);
        decline(&routing, "fours");
        check(&routing, |_| {}, &[]);
        check(&routing, |it| it.card.bin = "555555".into(), &["bank"]);
        assert!(routing.out_of_service.put_back(Part::Way("fours")).unwrap());
        check(&routing, |_| {}, &["other", "old"]);
    }

    #[test]
    fn a_declined_host_is_passed_over_by_every_route() {
        let fours = RouteRule { bins: vec!["4".into()], ..rule("fours", "bank", &["other"]) };
        let routing = routing(vec![fours]);
        decline(&routing, "bank");
        check(&routing, |_| {}, &["other"]);
        check(&routing, |it| it.card.bin = "555555".into(), &[]);
    }
}
