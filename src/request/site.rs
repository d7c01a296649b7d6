//! Site: the immutable picture that requests see; replaced whole.

use super::client_body::Leftovers;
use super::guard::Checked;
use crate::domain::entrance::Entrance;
use crate::domain::facts::ListenerKind;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::names::{NamePattern, PerService, ServiceName};
use crate::domain::route::{Route, route};
use crate::domain::settings::{Layout, Settings};
use crate::runtime::Tasks;
use crate::telemetry::WorkerMetrics;
use crate::tls::{Challenges, ClientRules};
use crate::upstream::{Connector, Group};
use http::HeaderValue;
use std::sync::Arc;

/// What the sites of all workers are made from; cheap to clone.
#[derive(Clone, Debug)]
pub struct SitePlan {
    /// The checked description.
    pub settings: Arc<Settings>,
    /// The targets of each service, shared by all workers.
    pub groups: Arc<PerService<Group>>,
    /// The names that our certificates cover.
    pub covered: Arc<[NamePattern]>,
    /// What certificate authorities are answered.
    pub challenges: Challenges,
    /// Hosts that ask clients for certificates.
    pub client_rules: ClientRules,
}

/// What a request needs to know, from its first step to its last. Each worker has its own, so that none counts
/// references in another's memory.
#[derive(Debug)]
pub struct Site {
    /// The checked description.
    pub settings: Arc<Settings>,
    /// The targets of each service, shared by all workers.
    pub groups: Arc<PerService<Group>>,
    /// The names that our certificates cover.
    pub covered: Arc<[NamePattern]>,
    /// What certificate authorities are answered.
    pub challenges: Challenges,
    /// Hosts that ask clients for certificates.
    pub client_rules: ClientRules,
    pub(super) connector: Connector,
    pub(super) leftovers: Arc<Leftovers>,
    /// This worker's share of `limits.requests`.
    pub(super) requests_max: usize,
    /// The value of `Strict-Transport-Security`, where it is sent.
    pub(super) https_only: Option<HeaderValue>,
}

impl Site {
    /// The picture of one worker.
    pub(super) fn build(plan: &SitePlan, tasks: &Tasks, metrics: &WorkerMetrics) -> Self {
        let SitePlan { settings, groups, covered, challenges, client_rules } = plan.clone();
        let connector =
            Connector::new(metrics.clone(), settings.timeouts.connect, settings.limits.answer_head.as_usize());
        let leftovers = Leftovers::new(tasks.clone(), metrics.clone(), &settings);
        // Counted by worker, so that no request touches memory of another one.
        let requests_max = settings.limits.requests.get().div_ceil(settings.workers.get());
        let https_only = https_only(&settings);
        Self { settings, groups, covered, challenges, client_rules, connector, leftovers, requests_max, https_only }
    }

    /// Where whoever named this host and port reaches the three services.
    pub(super) fn urls(&self, checked: &Checked) -> Option<PerService<String>> {
        let (entrance, _) = Entrance::of(&self.settings.layout, checked.host())?;
        Some(entrance.urls(checked.port().unwrap_or(HTTPS)))
    }

    /// Where the three services are best reached, on `port`.
    pub(super) fn recommended_urls(&self, port: u16) -> Option<PerService<String>> {
        Entrance::all(&self.settings.layout).next().map(|entrance| entrance.urls(port))
    }

    /// The way of a request that came in through `listener`.
    ///
    /// # Errors
    /// `Misdirected` (421) for an unknown host that our certificates do not cover: a browser that coalesced
    /// connections then opens one of its own; `UnknownHost` (404) otherwise. Never the first service.
    pub(super) fn route(&self, listener: ListenerKind, checked: &Checked) -> Result<Route, Fault> {
        let (host, path) = (checked.host(), checked.path());
        way(&self.settings.layout, listener, host, path).ok_or_else(|| {
            let covered = self.covered.iter().any(|pattern| pattern.covers(host));
            let kind = if covered { FaultKind::UnknownHost } else { FaultKind::Misdirected };
            Fault::new(kind, format!("the host is {}", host.escape_debug()))
        })
    }
}

/// The way of a request for `path` on `host`; a legacy port is for one service, whatever the host.
pub(super) fn way(layout: &Layout, listener: ListenerKind, host: &str, path: &str) -> Option<Route> {
    match listener {
        ListenerKind::Legacy(ServiceName::App) => Some(Route::by_path(path)),
        ListenerKind::Legacy(service) => Some(Route::whole(service)),
        ListenerKind::Https | ListenerKind::Http => route(layout, host, path),
    }
}

/// What a client means that names no port.
pub(super) const HTTPS: u16 = 443;

/// For the host alone: a plain port of a name below it may be somebody else's. Not at all where a legacy port of this
/// host takes plain HTTP, which browsers would then refuse to speak there.
pub(super) fn https_only(settings: &Settings) -> Option<HeaderValue> {
    let age = settings.answers.hsts.as_secs();
    if age == 0 || settings.legacy.iter().any(|(_, binds)| !binds.is_empty()) {
        return None;
    }
    HeaderValue::from_str(&format!("max-age={age}")).ok()
}
