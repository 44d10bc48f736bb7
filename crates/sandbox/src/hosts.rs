//! Which hosts a world has, and which payments belong to which: the sandbox's own word, written into the
//! gateway's configuration and held against the wire by the checker.

use crate::cards::SECOND_RANGE;
use crate::iso::Dialect;
use crate::operation::Operation;

/// A host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostPlan {
    /// Its name.
    pub name: &'static str,
    /// How it speaks.
    pub dialect: Dialect,
    /// Our institution (DE 32) there.
    pub acquirer: &'static str,
    /// The forwarding institution (DE 33), if it wants one.
    pub forwarder: Option<&'static str>,
    /// The file of its books.
    pub ledger: &'static str,
}

/// A route: it matches payments by all that it names, and what it does not name matches all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// Where they go.
    pub host: &'static str,
    /// Where they go while that host has no line.
    pub failover: Option<&'static str>,
    /// The first digits of their cards.
    pub card: Option<&'static str>,
    /// Their merchant.
    pub merchant: Option<&'static str>,
    /// What is asked.
    pub operation: Option<Operation>,
}

/// The hosts of a world, and its routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The hosts.
    pub hosts: &'static [HostPlan],
    /// The routes; the first that matches counts.
    pub rules: &'static [Rule],
    /// The merchants whose payments go to another host than the first, where no route matches.
    homes: &'static [(&'static str, &'static str)],
}

const FIRST: HostPlan = HostPlan {
    name: "bank",
    dialect: Dialect::Iso87Ascii,
    acquirer: "00000123456",
    forwarder: None,
    ledger: "ledger.jsonl",
};

const SECOND: HostPlan = HostPlan {
    name: "bank-2",
    dialect: Dialect::Iso87Binary,
    acquirer: "654321",
    forwarder: Some("98765"),
    ledger: "ledger-bank-2.jsonl",
};

/// By card, by merchant and by operation; one that another one shadows in part, and one with failover.
const RULES: &[Rule] = &[
    Rule {
        name: "second-range-verifications",
        host: FIRST.name,
        failover: None,
        card: Some(SECOND_RANGE),
        merchant: None,
        operation: Some(Operation::CardVerification),
    },
    Rule {
        name: "second-range",
        host: SECOND.name,
        failover: None,
        card: Some("6222"),
        merchant: None,
        operation: None,
    },
    Rule {
        name: "what-harbour-coffee-sets-aside",
        host: SECOND.name,
        failover: Some(FIRST.name),
        card: None,
        merchant: Some("m-1002"),
        operation: Some(Operation::PreAuthorization),
    },
];

impl Layout {
    /// With one host: everything goes there. With two: a host of each dialect, and routes.
    pub fn of(hosts: usize) -> Self {
        if hosts < 2 {
            return Self { hosts: &[FIRST], rules: &[], homes: &[] };
        }
        Self { hosts: &[FIRST, SECOND], rules: RULES, homes: &[("m-1003", SECOND.name)] }
    }

    /// The host of a merchant.
    pub fn home(&self, merchant: &str) -> &'static str {
        let known = self.homes.iter().find(|(name, _)| *name == merchant);
        known.map_or(FIRST.name, |(_, host)| host)
    }

    /// Where a payment that begins something may go: one host, or that and the one that stands in for it.
    pub fn hosts_for(&self, merchant: &str, card: &str, operation: Operation) -> Vec<&'static str> {
        let rule = self.rules.iter().find(|rule| {
            rule.card.is_none_or(|digits| card.starts_with(digits))
                && rule.merchant.is_none_or(|name| name == merchant)
                && rule.operation.is_none_or(|wanted| wanted == operation)
        });
        match rule {
            Some(rule) => std::iter::once(rule.host).chain(rule.failover).collect(),
            None => vec![self.home(merchant)],
        }
    }

    /// A host by its name.
    pub fn host(&self, name: &str) -> Option<&'static HostPlan> {
        self.hosts.iter().find(|host| host.name == name)
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self::of(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cards;

    #[test]
    fn payments_are_routed_by_card_merchant_and_operation_and_else_go_home() {
        let layout = Layout::of(2);
        let first = cards::ordinary(1);
        let hosts = |merchant: &str, card: &str, operation| {
            layout.hosts_for(merchant, card, operation).join(" ")
        };
        assert_eq!(hosts("m-1001", &first, Operation::Purchase), "bank");
        assert_eq!(hosts("m-1001", cards::SECOND, Operation::Purchase), "bank-2");
        assert_eq!(hosts("m-1003", cards::SECOND, Operation::CardVerification), "bank");
        assert_eq!(hosts("m-1002", &first, Operation::PreAuthorization), "bank-2 bank");
        assert_eq!(hosts("m-1003", &first, Operation::Purchase), "bank-2");
        assert_eq!(Layout::of(1).hosts_for("m-1003", &first, Operation::Purchase), ["bank"]);
    }
}
