//! What a request finds around it: its worker's parts and its connection's facts.

use super::guard::KnownHost;
use super::ids::RequestIds;
use super::maintenance::Maintenance;
use super::memory::MemoryWatch;
use super::shield::Shield;
use super::site::{Site, SitePlan};
use super::trace::{self, Told};
use super::verdicts::Verdicts;
use crate::clearml::{Action, Caller};
use crate::domain::facts::ConnectionFacts;
use crate::domain::forwarded::{X_REQUEST_ID, client_of};
use crate::domain::route::Route;
use crate::domain::settings::Settings;
use crate::runtime::{ClientLink, Places, Tasks, now, wall};
use crate::telemetry::{AccessLog, AccessRecord, WorkerMetrics};
use crate::upstream::Pool;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What the requests of all workers share for as long as the process runs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Common {
    /// `limits.tunnels`.
    pub tunnels: Places,
    /// Services that are closed.
    pub maintenance: Maintenance,
    /// What protection remembers.
    pub shield: Arc<Shield>,
    /// What the hashes of clients begin with.
    pub hashes: RandomState,
}

/// The parts that one worker's requests share.
#[derive(Debug)]
pub struct Worker {
    site: ArcSwap<Site>,
    pub(super) pool: Pool,
    pub(super) access: AccessLog,
    pub(super) metrics: WorkerMetrics,
    pub(super) tasks: Tasks,
    pub(super) running: AtomicUsize,
    /// Bytes of gathered bodies.
    pub(super) gathered: AtomicU64,
    /// `limits.tunnels`, of the whole process.
    pub(super) tunnels: Places,
    pub(super) maintenance: Maintenance,
    /// What protection remembers, of the whole process.
    pub(super) shield: Arc<Shield>,
    /// What the hashes of clients begin with: nobody can choose whom to meet, and all workers find the same.
    pub(super) hashes: RandomState,
    pub(super) memory: MemoryWatch,
    ids: RequestIds,
}

impl Worker {
    /// The parts of one worker.
    #[must_use]
    pub fn new(plan: &SitePlan, access: AccessLog, metrics: WorkerMetrics, tasks: Tasks, common: Common) -> Self {
        let Common { tunnels, maintenance, shield, hashes } = common;
        Self {
            site: ArcSwap::from_pointee(Site::build(plan, &tasks, &metrics)),
            pool: Pool::new(plan.settings.pool.clone(), metrics.clone()),
            access,
            metrics,
            tasks,
            running: AtomicUsize::new(0),
            gathered: AtomicU64::new(0),
            tunnels,
            maintenance,
            shield,
            hashes,
            memory: MemoryWatch::new(),
            ids: RequestIds::new(),
        }
    }

    /// Shows requests that begin from now on another picture; running ones keep theirs.
    pub fn replace(&self, plan: &SitePlan) {
        self.site.store(Arc::new(Site::build(plan, &self.tasks, &self.metrics)));
        let targets = plan.groups.map(|_, group| group.targets().iter().map(|target| target.id()).collect::<Vec<_>>());
        let wanted = |id| [&targets.app, &targets.api, &targets.files].iter().any(|ids| ids.contains(&id));
        self.pool.change(plan.settings.pool.clone(), wanted);
    }

    /// What has to be done once a second: close old idle connections, hand log lines on, look at the memory.
    pub fn tick(&self) {
        self.memory.look(&self.site.load().settings.memory);
        self.pool.sweep();
        self.access.flush();
    }

    /// The time for running requests is over: those that are dropped now are recorded as cut off by us.
    pub fn cut_off(&self) {
        self.access.cut_off();
    }

    /// Closes idle connections to targets and keeps no more.
    pub fn close_pool(&self) {
        self.pool.close();
    }

    /// What it runs by now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.site.load().settings)
    }

    /// Requests running on this worker.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }
}

/// What the requests of one connection share.
#[derive(Debug)]
pub struct Scope {
    pub(super) worker: Arc<Worker>,
    pub(super) facts: Arc<ConnectionFacts>,
    /// The peer's address as a header value.
    pub(super) peer: HeaderValue,
    /// The port that clients reach https on, for redirects and hints.
    pub(super) https_port: u16,
    /// What was said of its client's certificate.
    pub(super) verdicts: Verdicts,
    /// The host that its first request named.
    pub(super) host: KnownHost,
    link: ClientLink,
}

impl Scope {
    /// The scope of one connection.
    #[must_use]
    pub fn new(worker: Arc<Worker>, facts: ConnectionFacts, https_port: u16) -> Self {
        let peer = ip_value(facts.peer.ip());
        let (verdicts, host, link) = (Verdicts::default(), KnownHost::default(), ClientLink::new());
        Self { worker, peer, facts: Arc::new(facts), https_port, verdicts, host, link }
    }

    /// What the connection's transport tells its requests.
    #[must_use]
    pub fn link(&self) -> &ClientLink {
        &self.link
    }

    /// The port that clients use who name none.
    pub(super) fn port(&self) -> u16 {
        if self.facts.listener.is_legacy() { self.facts.local.port() } else { self.https_port }
    }

    /// One picture for the whole request.
    pub(super) fn site(&self) -> Arc<Site> {
        self.worker.site.load_full()
    }

    pub(super) fn record<B>(&self, request: &Request<B>) -> Box<AccessRecord> {
        let id = self.worker.ids.take(request.headers().get(X_REQUEST_ID));
        Box::new(self.worker.access.start(&self.facts, request, id, now(), wall()))
    }

    /// The place of a request in a trace; noted in `record` too.
    pub(super) fn trace(&self, site: &Site, headers: &HeaderMap, record: &mut AccessRecord) -> Told {
        trace::context(&self.worker.ids, site, headers, record)
    }

    /// The person behind the peer, after trusted forwarders.
    pub(super) fn client(&self, site: &Site, headers: &HeaderMap) -> IpAddr {
        client_of(self.facts.peer.ip(), headers, &site.settings.trusted_proxies)
    }
}

/// Writes down what a request asks of ClearML and which program it comes from, by its own word.
pub(super) fn describe<B>(record: &mut AccessRecord, route: Route, request: &Request<B>) {
    let service = route.service;
    let caller = Caller::of(service, request.headers());
    record.service = Some(service);
    record.action = Some(Action::of(service, request.method(), &route.target(request.uri().path())));
    record.program = caller.program;
    record.client_name = caller.client.cloned();
    record.worker = caller.worker.cloned();
}

/// An address as a header value.
pub(super) fn ip_value(ip: IpAddr) -> HeaderValue {
    // Digits, letters, dots and colons are always a valid value.
    HeaderValue::from_maybe_shared(Bytes::from(ip.to_string())).unwrap_or_else(|_| HeaderValue::from_static("-"))
}
