//! Which names and paths lead to ClearML's three services.

use super::super::names::{HostName, PerService};
use super::Domains;

/// Every name that is served. `domain::route` finds requests in it, `domain::entrance` the URLs of the services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Whose `app.`, `api.` and `files.` names are served.
    pub domains: Domains,
    /// Names chosen freely, for each service; all empty, or none of them.
    pub hosts: PerService<Vec<HostName>>,
    /// Hosts that serve all three: the web UI at `/`, the API below `/api`, files below `/files`.
    pub single: Vec<HostName>,
}

impl Layout {
    /// The three labels below `domains` and nothing else.
    #[must_use]
    pub fn below(domains: Domains) -> Self {
        Self { domains, hosts: PerService::default(), single: Vec::new() }
    }
}
