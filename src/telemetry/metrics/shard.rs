//! One worker's counts: arrays of atomics, indexed by the rows of the tables, alone on their cache lines.

use super::traffic::{Passed, TrafficShard};
use super::{CLASSES, CertificateRefusal, Counter, Gauge, SERVICES, TlsFailure, VERSIONS};
use crate::domain::fault::FaultKind;
use crate::domain::names::ServiceName;
use http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counts of one worker; cheap to clone. Any thread may count in it, but one should.
#[derive(Clone, Debug, Default)]
pub struct WorkerMetrics(Arc<Shard>);

/// Two cache lines of 64 bytes are fetched together, so shards begin on multiples of both.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    counters: [AtomicU64; Counter::ALL.len()],
    gauges: [AtomicU64; Gauge::ALL.len()],
    faults: [AtomicU64; FaultKind::ALL.len()],
    tls_failures: [AtomicU64; TlsFailure::ALL.len()],
    refusals: [AtomicU64; CertificateRefusal::ALL.len()],
    tls_versions: [AtomicU64; VERSIONS.len()],
    requests: [AtomicU64; SERVICES.len() * CLASSES.len()],
    traffic: TrafficShard,
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            counters: [const { AtomicU64::new(0) }; Counter::ALL.len()],
            gauges: [const { AtomicU64::new(0) }; Gauge::ALL.len()],
            faults: [const { AtomicU64::new(0) }; FaultKind::ALL.len()],
            tls_failures: [const { AtomicU64::new(0) }; TlsFailure::ALL.len()],
            refusals: [const { AtomicU64::new(0) }; CertificateRefusal::ALL.len()],
            tls_versions: [const { AtomicU64::new(0) }; VERSIONS.len()],
            requests: [const { AtomicU64::new(0) }; SERVICES.len() * CLASSES.len()],
            traffic: TrafficShard::default(),
        }
    }
}

impl WorkerMetrics {
    /// Counts `n` more of `counter`.
    pub fn add(&self, counter: Counter, n: u64) {
        add(&self.0.counters, counter as usize, n);
    }

    /// Raises `gauge` by one until the guard is dropped.
    #[must_use = "the gauge falls when the guard is dropped"]
    pub fn gauge(&self, gauge: Gauge) -> GaugeGuard {
        add(&self.0.gauges, gauge as usize, 1);
        GaugeGuard { worker: self.clone(), gauge }
    }

    /// Counts a fault that belongs to no access record; a record counts its own.
    pub fn fault(&self, kind: FaultKind) {
        add(&self.0.faults, kind.index(), 1);
    }

    /// Counts a TLS handshake that settled on `version`.
    pub fn tls_completed(&self, version: &str, resumed: bool) {
        self.add(Counter::TlsHandshakes, 1);
        self.add(Counter::TlsResumed, u64::from(resumed));
        if let Some(index) = VERSIONS.iter().position(|known| *known == version) {
            add(&self.0.tls_versions, index, 1);
        }
    }

    /// Counts a TLS handshake that failed.
    pub fn tls_failed(&self, reason: TlsFailure) {
        add(&self.0.tls_failures, reason as usize, 1);
    }

    /// Counts a request that ended with `status`.
    pub(in super::super) fn request(&self, service: Option<ServiceName>, status: StatusCode) {
        let service = service.map_or(SERVICES.len() - 1, |service| service as usize);
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        add(&self.0.requests, service * CLASSES.len() + class, 1);
    }

    /// Counts what passed under its action, program, worker and client version.
    pub(in super::super) fn passed(&self, passed: &Passed<'_>) {
        self.0.traffic.count(passed);
    }

    pub(super) fn traffic(&self) -> &TrafficShard {
        &self.0.traffic
    }

    pub(super) fn counted(&self, counter: Counter) -> u64 {
        read(&self.0.counters, counter as usize)
    }

    pub(super) fn level(&self, gauge: Gauge) -> u64 {
        read(&self.0.gauges, gauge as usize)
    }

    pub(super) fn faults(&self, kind: FaultKind) -> u64 {
        read(&self.0.faults, kind.index())
    }

    pub(super) fn tls_version(&self, index: usize) -> u64 {
        read(&self.0.tls_versions, index)
    }

    /// Counts a certificate that refused a reload.
    pub fn certificate_refused(&self, reason: CertificateRefusal) {
        add(&self.0.refusals, reason as usize, 1);
    }

    pub(super) fn refusals(&self, reason: CertificateRefusal) -> u64 {
        read(&self.0.refusals, reason as usize)
    }

    pub(super) fn tls_failures(&self, reason: TlsFailure) -> u64 {
        read(&self.0.tls_failures, reason as usize)
    }

    pub(super) fn requests(&self, service: usize, class: usize) -> u64 {
        read(&self.0.requests, service * CLASSES.len() + class)
    }
}

/// One unit of a gauge; gives it back when dropped, on whichever thread.
#[derive(Debug)]
pub struct GaugeGuard {
    worker: WorkerMetrics,
    gauge: Gauge,
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        if let Some(cell) = self.worker.0.gauges.get(self.gauge as usize) {
            cell.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn add(cells: &[AtomicU64], index: usize, n: u64) {
    if let Some(cell) = cells.get(index) {
        cell.fetch_add(n, Ordering::Relaxed);
    }
}

fn read(cells: &[AtomicU64], index: usize) -> u64 {
    cells.get(index).map_or(0, |cell| cell.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_no_cache_line() {
        assert_eq!(align_of::<Shard>(), 128);
        assert_eq!(size_of::<Shard>() % 128, 0);
    }

    #[test]
    fn services_stand_in_the_order_of_their_labels() {
        for service in ServiceName::ALL {
            assert_eq!(SERVICES[service as usize], service.as_str());
        }
    }
}
