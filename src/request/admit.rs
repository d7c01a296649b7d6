//! Admit: whether there is room for one more request.
//!
//! Limits: `limits.requests`, `limits.memory`, `services.*.max_body`.

use super::guard::Checked;
use super::scope::{Scope, Worker};
use super::site::Site;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::route::Route;
use crate::domain::units::ByteSize;
use crate::telemetry::{Counter, Gauge, GaugeGuard};
use http::header;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A request for which there is room. Made only here.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) checked: Checked,
    pub(super) route: Route,
    pub(super) permit: Permit,
    /// The largest body it may have.
    pub(super) max_body: Option<ByteSize>,
}

/// A running request; gives its place back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    worker: Arc<Worker>,
    _gauge: GaugeGuard,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.worker.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes a place for a request, before it may have to wait for anything.
///
/// # Errors
/// `Overloaded` (503) when all are taken or memory is short.
pub(super) fn place(scope: &Scope, site: &Site) -> Result<Permit, Fault> {
    let worker = &scope.worker;
    if worker.memory.full(&site.settings.memory, worker.running()) {
        worker.metrics.add(Counter::MemoryFull, 1);
        return Err(Fault::new(FaultKind::Overloaded, "the process has more in memory than limits.memory"));
    }
    if worker.running.fetch_add(1, Ordering::Relaxed) >= site.requests_max {
        worker.running.fetch_sub(1, Ordering::Relaxed);
        worker.metrics.add(Counter::RequestsFull, 1);
        return Err(Fault::new(
            FaultKind::Overloaded,
            format!("{} requests run on this worker, its share of limits.requests", site.requests_max),
        ));
    }
    Ok(Permit { worker: Arc::clone(worker), _gauge: worker.metrics.gauge(Gauge::Requests) })
}

/// Admits a request that has its place.
///
/// # Errors
/// `BodyTooLarge` (413) for a length over the service's limit.
pub(super) fn admit(site: &Site, route: Route, checked: Checked, permit: Permit) -> Result<Admitted, Fault> {
    let max_body = site.settings.services.get(route.service).max_body;
    let announced = checked.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if let (Some(max), Some(length)) = (max_body, announced)
        && ByteSize::bytes(length) > max
    {
        permit.worker.metrics.add(Counter::BodyTooLarge, 1);
        return Err(Fault::new(FaultKind::BodyTooLarge, format!("{length} bytes of body, at most {}", max.get())));
    }
    Ok(Admitted { checked, route, permit, max_body })
}
