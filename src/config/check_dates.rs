//! Checks who moves the business date.

use super::check::Checker;
use super::host_values::Host;
use super::values::DateSource;

const KEY: &str = "gateway.business_day_host";

impl Checker {
    /// `business_day` and `business_day_host`, as they are written.
    pub(super) fn business_day(
        &mut self,
        (source, leader): (Option<String>, Option<String>),
        hosts: Option<&[Host]>,
    ) -> Option<DateSource> {
        const SOURCES: [(&str, bool); 2] = [("clock", true), ("host", false)];
        let source = source.unwrap_or_else(|| "clock".to_owned());
        if self.word("gateway.business_day", Some(source), &SOURCES)? {
            if leader.is_some() {
                self.fault(KEY, "moves nothing", "business_day = \"host\" is wanted");
            }
            return Some(DateSource::Clock);
        }
        let hosts = hosts?;
        let found = match (&leader, hosts) {
            (None, [only]) => Some(only),
            (None, _) => {
                self.fault(KEY, "is missing", "the host whose cut-over counts is wanted");
                return None;
            }
            (Some(name), hosts) => hosts.iter().find(|host| host.name.as_str() == name),
        };
        if found.is_none() {
            self.fault(KEY, format!("{:?} is no host", leader.unwrap_or_default()), "a [[host]]");
        }
        found.map(|host| DateSource::Host(host.name.clone()))
    }
}
