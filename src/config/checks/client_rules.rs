//! Rules for `tls.client_certificates`: hosts that are served, and ports that lead around them.

use super::super::problem::Problem;
use super::Checker;
use crate::domain::names::NamePattern;
use crate::domain::route::route;
use crate::domain::settings::ClientMode;

const KEY: &str = "tls.client_certificates";

impl Checker<'_> {
    pub(super) fn client_rules(&self) -> Vec<Problem> {
        let (layout, rules) = (&self.settings.layout, &self.settings.tls.client_rules);
        let exact = rules.iter().flat_map(|rule| &rule.hosts).filter_map(|pattern| match pattern {
            NamePattern::Exact(name) => Some(name),
            NamePattern::Wildcard(_) => None,
        });
        let unknown = exact.filter(|name| route(layout, name.as_str(), "/").is_none());
        let mut problems = unknown
            .map(|name| {
                self.warning(KEY, format!("{name} is no host of this proxy"))
                    .hint("use names that domain, hosts or single_domain serve")
            })
            .collect::<Vec<_>>();
        let required = rules.iter().any(|rule| rule.mode == ClientMode::Required);
        if required && self.settings.legacy.iter().any(|(_, binds)| !binds.is_empty()) {
            let hint =
                "a legacy port has no host of its own, so the service's hosts decide; plain HTTP has no certificate";
            problems.push(self.warning(KEY, String::from("legacy ports need client certificates too")).hint(hint));
        }
        problems
    }
}
