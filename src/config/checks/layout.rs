//! Rules for names: each leads to one service, and a set of hosts is whole.

use super::super::problem::Problem;
use super::Checker;
use crate::domain::names::{HostName, ServiceName};
use crate::domain::settings::Domains;

impl Checker<'_> {
    pub(super) fn layout(&self) -> Vec<Problem> {
        let mut problems = self.missing_hosts();
        let names = self.names();
        for (index, (path, name)) in names.iter().enumerate() {
            if let Some((earlier, _)) = names.iter().take(index).find(|(_, other)| other == name) {
                problems.push(self.twice(path, name, earlier));
            } else if self.is_below_domain(name) {
                problems.push(self.twice(path, name, "domain"));
            }
        }
        problems
    }

    /// The free names, with the key that has them.
    fn names(&self) -> Vec<(String, &HostName)> {
        let layout = &self.settings.layout;
        let hosts = layout
            .hosts
            .iter()
            .flat_map(|(service, names)| names.iter().map(move |name| (format!("hosts.{service}"), name)));
        hosts.chain(layout.single.iter().map(|name| (String::from("single_domain"), name))).collect()
    }

    fn missing_hosts(&self) -> Vec<Problem> {
        let hosts = &self.settings.layout.hosts;
        if hosts.iter().all(|(_, names)| names.is_empty()) {
            return Vec::new();
        }
        let missing = hosts.iter().filter(|(_, names)| names.is_empty());
        missing
            .map(|(service, _)| {
                let path = format!("hosts.{service}");
                self.error(&path, format!("{path} has no name, and the others have"))
                    .hint("the three services need a name each; for one name with paths there is single_domain")
            })
            .collect()
    }

    fn is_below_domain(&self, name: &HostName) -> bool {
        let Domains::Listed(listed) = &self.settings.layout.domains else { return false };
        let Some((label, parent)) = name.as_str().split_once('.') else { return false };
        ServiceName::from_label(label).is_some() && listed.iter().any(|domain| domain.as_str() == parent)
    }

    fn twice(&self, path: &str, name: &HostName, earlier: &str) -> Problem {
        let problem = self.error(path, format!("{name} is served already: {earlier} has it"));
        problem.hint("one name leads to one service; remove one of the two")
    }
}
