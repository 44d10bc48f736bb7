//! Routing: which host a payment goes to, by card, merchant and operation. A follow-up goes where its
//! original went; an original never moves once a byte of it may have left.

use crate::channel::merchant::Merchant;
use crate::config::RouteRule;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
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
    declined: Arc<Declined>,
}

/// The routes that an operator has declined, by name; a host's name stands for all that goes to it without
/// a rule. Kept in memory: a restart resumes them all.
#[derive(Debug, Default)]
pub struct Declined(RwLock<BTreeSet<String>>);

impl Declined {
    /// Declines a route. Whether it was open.
    pub fn decline(&self, name: &str) -> bool {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned())
    }

    /// Opens a route again. Whether it was declined.
    pub fn resume(&self, name: &str) -> bool {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// Whether a route is declined.
    pub fn holds(&self, name: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(name)
    }
}

impl Routing {
    /// The routing of a configuration.
    pub fn new(
        rules: Vec<RouteRule>,
        memberships: BTreeMap<HostId, Membership>,
        offers: BTreeMap<HostId, Offer>,
        declined: Arc<Declined>,
    ) -> Self {
        Self { rules, memberships, offers: Arc::new(offers), declined }
    }

    /// Where a request may go, best first.
    /// # Errors
    /// [`Refusal::NotOffered`] when no such host takes the operation; [`Refusal::HostUnavailable`] when
    /// an operator has declined the route.
    pub fn routes(&self, merchant: &Merchant, request: &Request) -> Result<Vec<Route>, Refusal> {
        let rule = self.rules.iter().find(|rule| matches(rule, request));
        let name = rule.map_or(merchant.host.as_str(), |rule| &rule.name);
        if self.declined.holds(name) {
            return Err(Refusal::HostUnavailable);
        }
        let hosts: Vec<&HostId> = match rule {
            Some(rule) => std::iter::once(&rule.host).chain(&rule.failover).collect(),
            None => vec![&merchant.host],
        };
        let routes: Vec<Route> =
            hosts.into_iter().filter_map(|host| self.route(host, request)).collect();
        if routes.is_empty() { Err(Refusal::NotOffered) } else { Ok(routes) }
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

    /// The names that can be declined, and where each leads.
    pub fn names(&self) -> BTreeMap<&str, &HostId> {
        let hosts = self.offers.keys().map(|host| (host.as_str(), host));
        hosts.chain(self.rules.iter().map(|rule| (rule.name.as_str(), &rule.host))).collect()
    }
}

fn matches(rule: &RouteRule, request: &Request) -> bool {
    let bin = &request.card.bin;
    (rule.bins.is_empty() || rule.bins.iter().any(|prefix| bin.starts_with(prefix)))
        && (rule.merchants.is_empty() || rule.merchants.contains(&request.merchant))
        && (rule.operations.is_empty() || rule.operations.contains(&request.operation))
}
