//! Every counter and gauge of the process, in two tables; a row is a line.
//!
//! Owns: names, help texts, counting and adding up. Each worker counts in a shard of its own, on cache lines that no
//! other worker writes; sums are made when somebody asks. Labels come from closed sets, so nothing is looked up and
//! nothing grows; names that clients choose have a bounded number of places (`top`). Leaves: an exposition format to
//! whoever serves one.

mod family;
mod histogram;
mod refusal;
mod shard;
mod tls_failure;
mod top;
mod traffic;

pub use family::{Family, FamilyKind, Sample, Value};
pub use histogram::{BOUNDS_MICROS, Durations};
pub use refusal::CertificateRefusal;
pub use shard::{GaugeGuard, WorkerMetrics};
pub use tls_failure::TlsFailure;
pub use top::Heavy;
pub(super) use traffic::Passed;
pub use traffic::{ActionTraffic, Traffic};

use crate::domain::fault::FaultKind;
use crate::domain::names::ServiceName;
use std::fmt;
use std::sync::Arc;

macro_rules! rows {
    ($(#[$doc:meta])* $table:ident { $($row:ident = $name:literal, $help:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $table { $(#[doc = $help] $row,)* }

        impl $table {
            /// Every row, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$row,)*];

            /// The name under which it is exposed.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$row => $name,)* } }

            /// One sentence for the reference.
            #[must_use]
            pub const fn help(self) -> &'static str { match self { $(Self::$row => $help,)* } }
        }
    };
}

rows! {
    /// What only grows.
    Counter {
        ConnectionsAccepted = "clearway_connections_accepted_total", "Client connections accepted.";
        ConnectionsParked = "clearway_connections_parked_total", "Times a quiet connection gave its buffers back.";
        AcceptErrors = "clearway_accept_errors_total", "Accepts that failed, for want of descriptors for example.";
        TlsHandshakes = "clearway_tls_handshakes_total", "TLS handshakes completed.";
        TlsResumed = "clearway_tls_resumed_total", "TLS handshakes that resumed an earlier one.";
        HandshakesQueued = "clearway_handshakes_queued_total", "TLS handshakes that waited until others had ended.";
        HandshakesSlowed = "clearway_handshakes_slowed_total", "TLS handshakes delayed: their address keeps failing.";
        BytesIn = "clearway_request_body_bytes_total", "Bytes of request bodies and tunnels taken from clients.";
        BytesOut = "clearway_answer_body_bytes_total", "Bytes of answer bodies and tunnels given to clients.";
        TunnelsOpened = "clearway_tunnels_opened_total", "Upgraded requests that became tunnels.";
        TargetConnects = "clearway_target_connects_total", "Connections made to targets.";
        TargetConnectsFailed = "clearway_target_connects_failed_total", "Attempts to connect to a target that failed.";
        PoolReuses = "clearway_pool_reuses_total", "Requests sent on an idle connection to a target.";
        PoolEvictions = "clearway_pool_evictions_total", "Idle target connections closed for age, room or death.";
        InterimAnswers = "clearway_interim_answers_total", "Heads before an answer (102, 103) passed on.";
        Probes = "clearway_probes_total", "Looks at targets to see whether they are well.";
        ProbesFailed = "clearway_probes_failed_total", "Looks at targets that found something wrong.";
        Held = "clearway_held_total", "Requests that waited for a target that accepts.";
        Queued = "clearway_queued_total", "Requests that waited for a slot of a target.";
        DownloadsRescued = "clearway_downloads_rescued_total", "Downloads that went on after their target broke off.";
        DownloadsLost = "clearway_downloads_lost_total", "Downloads cut off although they could have gone on.";
        ProxyHeadersRefused = "clearway_proxy_headers_refused_total", "Connections without a good PROXY header.";
        Retries = "clearway_retries_total", "Requests sent again because not one byte of them had been sent.";
        AccessLinesDropped = "clearway_access_lines_dropped_total", "Access-log lines lost: the log could not keep up.";
        TasksPanicked = "clearway_tasks_panicked_total", "Tasks that ended by a panic.";
        RequestsDrained = "clearway_requests_drained_total", "Requests that finished after a stop was asked for.";
        RequestsCut = "clearway_requests_cut_total", "Requests cut off by the drain deadline.";
        MaintenanceFull = "clearway_limit_maintenance_held_total", "Uploads refused by maintenance.held.";
        MaintenanceTimeouts = "clearway_timeout_maintenance_hold_total", "Held uploads refused by maintenance.hold.";
        Reloads = "clearway_reloads_total", "Reloads of the configuration that took effect.";
        ReloadsRefused = "clearway_reloads_refused_total", "Reloads refused as a whole; what ran before went on.";
        CertificateOrders = "clearway_certificate_orders_total", "Certificates asked for at the authority.";
        CertificateOrdersFailed = "clearway_certificate_orders_failed_total", "Orders that brought no certificate.";
        CertificatesRenewed = "clearway_certificates_renewed_total", "Certificates signed here, replaced while running.";
        CertificateRenewalsFailed = "clearway_certificate_renewals_failed_total", "Times one could not be replaced.";

        SpansSent = "clearway_spans_sent_total", "Spans that the collector took.";
        SpansLost = "clearway_spans_lost_total", "Spans that the collector did not take.";
        SpansFull = "clearway_limit_spans_total", "Spans dropped by traces.queue.";
        AdminRefused = "clearway_admin_refused_total", "Requests to the admin listener refused: name, token or method.";
        AdminConnectionsFull = "clearway_limit_admin_connections_total", "Times admin.connections was reached.";

        ConnectionsFull = "clearway_limit_connections_total", "Times limits.connections was reached.";
        HandshakesFull = "clearway_limit_handshakes_total", "Connections closed by tls.handshakes.waiting.";
        HandshakesRefused = "clearway_limit_handshakes_slowed_total", "Connections closed by tls.handshakes.slowed.";
        AddressesForgotten = "clearway_limit_handshake_addresses_total", "Addresses forgotten by tls.handshakes.addresses.";
        HeadTooLarge = "clearway_limit_head_total", "Request heads over limits.head.";
        TooManyHeaders = "clearway_limit_headers_total", "Request heads over limits.headers.";
        TargetTooLong = "clearway_limit_target_total", "Request targets over limits.target.";
        RequestsFull = "clearway_limit_requests_total", "Requests refused by limits.requests.";
        MemoryFull = "clearway_limit_memory_total", "Requests refused by limits.memory.";
        TunnelsFull = "clearway_limit_tunnels_total", "Tunnels refused by limits.tunnels.";
        AnswerHeadTooLarge = "clearway_limit_answer_head_total", "Answer heads over limits.answer_head.";
        QueueFull = "clearway_limit_queue_total", "Requests refused or put out by a service's queue.";
        PerClientFull = "clearway_limit_per_client_total", "Requests that went on beside their share, by per_client.";
        GatheredFull = "clearway_limit_gathered_total", "Small bodies that streamed for want of limits.gathered.";
        SlowBodies = "clearway_limit_min_upload_rate_total", "Request bodies slower than limits.min_upload_rate.";
        LingerCutOff = "clearway_limit_linger_total", "Unread request bodies cut off by limits.linger or its timeout.";
        BodyTooLarge = "clearway_limit_max_body_total", "Request bodies over their service's max_body.";

        HeldRequestsFull = "clearway_limit_held_total", "Requests refused by limits.held_requests or held_bytes.";
        TokenChecks = "clearway_token_checks_total", "Tokens for files that the API server was asked about.";
        TokensRefused = "clearway_tokens_refused_total", "Requests for files refused for want of a good token.";
        TokenChecksFull = "clearway_limit_token_checks_total", "Times protection.token_gate.checks was reached.";
        TokensForgotten = "clearway_limit_tokens_total", "Tokens forgotten by protection.token_gate.tokens.";
        LoginsFailed = "clearway_logins_failed_total", "Logins that the API server refused.";
        LoginsDelayed = "clearway_logins_delayed_total", "Logins made to wait because others had failed.";
        LoginsForgotten = "clearway_limit_logins_total", "Failures forgotten by protection.logins.remembered.";
        LoginsWaitingFull = "clearway_limit_logins_waiting_total", "Logins refused because too many wait.";

        RecentForgotten = "clearway_limit_recent_requests_total", "Requests no longer kept, by recent.requests.";
        RecentErrorsForgotten = "clearway_limit_recent_errors_total", "Errors no longer kept, by recent.errors.";
        SubscribersFull = "clearway_limit_subscribers_total", "Dashboards refused by recent.subscribers.";

        HandshakeTimeouts = "clearway_timeout_handshake_total", "Connections ended by timeouts.handshake.";
        HeadTimeouts = "clearway_timeout_head_total", "Connections ended by timeouts.head.";
        KeepAliveTimeouts = "clearway_timeout_keep_alive_total", "Connections ended by timeouts.keep_alive.";
        ConnectTimeouts = "clearway_timeout_connect_total", "Connection attempts ended by timeouts.connect.";
        QueueTimeouts = "clearway_timeout_queue_total", "Requests ended by a service's queue_time.";
        HoldTimeouts = "clearway_timeout_hold_total", "Requests ended by timeouts.hold.";
        FirstByteTimeouts = "clearway_timeout_first_byte_total", "Requests ended by timeouts.first_byte.";
        TargetIdleTimeouts = "clearway_timeout_target_idle_total", "Answers ended by timeouts.target_idle.";
        StalledAnswers = "clearway_timeout_stalled_answer_total", "Answers ended by timeouts.stalled_answer.";
        TunnelIdleTimeouts = "clearway_timeout_tunnel_idle_total", "Tunnels ended by timeouts.tunnel_idle.";
    }
}

rows! {
    /// What goes up and comes down.
    Gauge {
        Connections = "clearway_connections", "Open client connections.";
        Handshakes = "clearway_handshakes", "TLS handshakes under way.";
        ParkedConnections = "clearway_parked_connections", "Open client connections that are parked.";
        Requests = "clearway_requests_in_flight", "Requests in flight.";
        Queued = "clearway_queued_requests", "Requests waiting for a slot of a target.";
        Held = "clearway_held_requests", "Requests waiting for a target that accepts.";
        Tunnels = "clearway_tunnels", "Open tunnels.";
        PooledConnections = "clearway_pooled_connections", "Idle connections to targets.";
        DefaultKeys = "clearway_default_keys", "Published default logins and token secrets that open the server.";
    }
}

/// Counted by the access record.
const REQUESTS: &str = "clearway_requests_total";
const REQUESTS_HELP: &str = "Requests by service and class of status.";
const FAULTS: &str = "clearway_faults_total";
const FAULTS_HELP: &str = "Faults by kind, and whose side they are on.";
const TLS_VERSIONS: &str = "clearway_tls_versions_total";
const TLS_VERSIONS_HELP: &str = "TLS handshakes completed, by version.";
const TLS_FAILURES: &str = "clearway_tls_handshakes_failed_total";
/// Certificate problems, by reason.
const REFUSALS: &str = "clearway_certificates_refused_total";
const REFUSALS_HELP: &str = "Certificate problems that refused a reload, by reason.";
const TLS_FAILURES_HELP: &str = "TLS handshakes that failed, by reason.";

/// The versions of TLS, as `TlsFacts` names them.
const VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// `ServiceName::ALL`, then requests that reached none.
const SERVICES: [&str; 4] = [ServiceName::App.as_str(), ServiceName::Api.as_str(), ServiceName::Files.as_str(), "none"];

/// The labels of one value; none for most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Vec<(&'static str, &'static str)>);

impl Labels {
    /// Names with values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.0.iter().copied()
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}=\"{value}\"", if index == 0 { '{' } else { ',' })?;
        }
        if self.0.is_empty() { Ok(()) } else { f.write_str("}") }
    }
}

/// The counts of the whole process; cheap to clone.
///
/// Printed, it gives each value that is not zero on a line of its own.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<[WorkerMetrics]>);

impl Metrics {
    /// One shard for each of `workers`, at least one.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self((0..workers.max(1)).map(|_| WorkerMetrics::default()).collect())
    }

    /// The shard of worker `index`, from 0. Past the last it begins again, so that every count is kept.
    #[must_use]
    pub fn worker(&self, index: usize) -> WorkerMetrics {
        self.0.get(index % self.0.len()).cloned().unwrap_or_default()
    }

    /// The count of `counter` over all workers.
    #[must_use]
    pub fn total(&self, counter: Counter) -> u64 {
        self.sum(|shard| shard.counted(counter))
    }

    /// What `gauge` stands at, over all workers.
    #[must_use]
    pub fn level(&self, gauge: Gauge) -> u64 {
        self.sum(|shard| shard.level(gauge))
    }

    /// How many faults of `kind` there were.
    #[must_use]
    pub fn faults(&self, kind: FaultKind) -> u64 {
        self.sum(|shard| shard.faults(kind))
    }

    /// Requests by status class, of one of `ServiceName::ALL`, or behind them of no service.
    #[must_use]
    pub(super) fn requests_by_class(&self, service: usize) -> [u64; CLASSES.len()] {
        std::array::from_fn(|class| self.sum(|shard| shard.requests(service, class)))
    }

    /// Every value that is not zero: name, labels, value.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(&'static str, Labels, u64)> {
        let gauges = Gauge::ALL.iter().map(|gauge| (gauge.name(), Labels::default(), self.level(*gauge)));
        let counters = Counter::ALL.iter().map(|counter| (counter.name(), Labels::default(), self.total(*counter)));
        let faults = FaultKind::ALL.iter().map(|kind| {
            (FAULTS, Labels(vec![("kind", kind.code()), ("side", kind.side().as_str())]), self.faults(*kind))
        });
        let tls = TlsFailure::ALL.iter().map(|reason| {
            (TLS_FAILURES, Labels(vec![("reason", reason.as_str())]), self.sum(|shard| shard.tls_failures(*reason)))
        });
        let refusals = CertificateRefusal::ALL.iter().map(|reason| {
            (REFUSALS, Labels(vec![("reason", reason.as_str())]), self.sum(|shard| shard.refusals(*reason)))
        });
        let versions = VERSIONS.iter().enumerate().map(|(index, version)| {
            (TLS_VERSIONS, Labels(vec![("version", *version)]), self.sum(|shard| shard.tls_version(index)))
        });
        let requests = SERVICES.iter().enumerate().flat_map(|(service, name)| {
            CLASSES.iter().enumerate().map(move |(class, text)| {
                let labels = Labels(vec![("service", *name), ("class", *text)]);
                (REQUESTS, labels, self.sum(|shard| shard.requests(service, class)))
            })
        });
        gauges
            .chain(counters)
            .chain(requests)
            .chain(faults)
            .chain(versions)
            .chain(tls)
            .chain(refusals)
            .chain(self.traffic().rows())
            .filter(|(_, _, value)| *value > 0)
            .collect()
    }

    /// What passed, by ClearML's own words. Nothing is stopped for it.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        Traffic::of(self.0.iter().map(WorkerMetrics::traffic))
    }

    fn sum(&self, read: impl Fn(&WorkerMetrics) -> u64) -> u64 {
        self.0.iter().map(read).fold(0, u64::wrapping_add)
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().iter().try_for_each(|(name, labels, value)| writeln!(f, "{name}{labels} {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_in_the_usual_form() {
        let counters = Counter::ALL.iter().map(|row| (row.name(), row.help()));
        let gauges = Gauge::ALL.iter().map(|row| (row.name(), row.help()));
        let mut seen = BTreeSet::from([REQUESTS, FAULTS, TLS_VERSIONS, TLS_FAILURES, REFUSALS]);
        seen.extend(traffic::NAMES);
        for (name, help) in counters.chain(gauges) {
            assert!(seen.insert(name), "{name} twice");
            assert!(name.starts_with("clearway_"), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert!(help.ends_with('.'), "{name}");
        }
        assert!(Counter::ALL.iter().all(|row| row.name().ends_with("_total")));
        assert!(Gauge::ALL.iter().all(|row| !row.name().ends_with("_total")));
    }

    #[test]
    fn totals_are_sums_over_the_shards_of_all_threads() {
        let metrics = Metrics::new(4);
        std::thread::scope(|scope| {
            for index in 0..4 {
                let worker = metrics.worker(index);
                scope.spawn(move || {
                    for _ in 0..1000 {
                        worker.add(Counter::ConnectionsAccepted, 1);
                        worker.add(Counter::BytesIn, 10);
                        worker.fault(FaultKind::Malformed);
                        drop(worker.gauge(Gauge::Requests));
                    }
                });
            }
        });
        assert_eq!(metrics.total(Counter::ConnectionsAccepted), 4000);
        assert_eq!(metrics.total(Counter::BytesIn), 40_000);
        assert_eq!(metrics.faults(FaultKind::Malformed), 4000);
        assert_eq!(metrics.level(Gauge::Requests), 0);
    }

    #[test]
    fn a_gauge_comes_down_when_its_guard_goes() {
        let metrics = Metrics::new(2);
        let first = metrics.worker(0).gauge(Gauge::Connections);
        let second = metrics.worker(1).gauge(Gauge::Connections);
        assert_eq!(metrics.level(Gauge::Connections), 2);
        drop(first);
        assert_eq!(metrics.level(Gauge::Connections), 1);
        drop(second);
        assert_eq!(metrics.level(Gauge::Connections), 0);
    }

    #[test]
    fn the_snapshot_has_labels_and_no_zeros() {
        let metrics = Metrics::new(2);
        assert_eq!(metrics.snapshot(), []);
        metrics.worker(0).request(Some(ServiceName::Api), StatusCode::OK);
        metrics.worker(1).request(Some(ServiceName::Api), StatusCode::NO_CONTENT);
        metrics.worker(1).request(None, StatusCode::NOT_FOUND);
        metrics.worker(1).tls_failed(TlsFailure::Alert);
        metrics.worker(1).fault(FaultKind::Unreachable);
        metrics.worker(7).add(Counter::Retries, 3);
        assert_eq!(
            metrics.to_string(),
            "clearway_retries_total 3\n\
             clearway_requests_total{service=\"api\",class=\"2xx\"} 2\n\
             clearway_requests_total{service=\"none\",class=\"4xx\"} 1\n\
             clearway_faults_total{kind=\"target_unreachable\",side=\"target\"} 1\n\
             clearway_tls_handshakes_failed_total{reason=\"alert\"} 1\n"
        );
    }
}
