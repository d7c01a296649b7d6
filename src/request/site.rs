//! Site: the immutable picture that requests see; replaced whole.

use crate::domain::fault::{Fault, FaultKind};
use crate::domain::names::{NamePattern, PerService};
use crate::domain::route::{Route, route};
use crate::domain::settings::Settings;
use crate::upstream::Group;
use std::sync::Arc;

/// What a request needs to know, from its first step to its last.
#[derive(Debug)]
pub struct Site {
    /// The checked description.
    pub settings: Arc<Settings>,
    /// The targets of each service, shared by all workers.
    pub groups: Arc<PerService<Group>>,
    /// The names that our certificates cover.
    pub covered: Arc<[NamePattern]>,
}

impl Site {
    /// The way of a request for `path` on `host`.
    ///
    /// # Errors
    /// `Misdirected` (421) for an unknown host that our certificates do not cover: a browser that coalesced
    /// connections then opens one of its own; `UnknownHost` (404) otherwise. Never the first service.
    pub(super) fn route(&self, host: &str, path: &str) -> Result<Route, Fault> {
        route(&self.settings.layout, host, path).ok_or_else(|| {
            let covered = self.covered.iter().any(|pattern| pattern.covers(host));
            let kind = if covered { FaultKind::UnknownHost } else { FaultKind::Misdirected };
            Fault::new(kind, format!("the host is {}", host.escape_debug()))
        })
    }
}
