//! A slot at a target: of one as good as the best that has a free one, else after a wait in the queue of the best.
//!
//! Limits: `services.*.concurrency`, `services.*.uploads`, `services.*.per_client`, `services.*.queue`,
//! `services.*.queue_time`.

use super::scope::Worker;
use super::site::Site;
use crate::clearml::Program;
use crate::domain::balance::Places;
use crate::domain::class::Class;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::names::ServiceName;
use crate::domain::settings::TurnSettings;
use crate::runtime::{Deadline, now};
use crate::telemetry::{AccessRecord, Counter, Gauge};
use crate::upstream::{Applicant, Group, Lane, Lease, NoSlot, Reach};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// A request's claim to a slot, kept from one target to the next.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) group: &'a Group,
    settings: &'a TurnSettings,
    /// `None` for what takes no slot: a tunnel stays, and must not keep others out.
    lane: Option<Lane>,
    /// When its waiting has to end, once it has begun.
    deadline: Option<Deadline>,
    /// Spent in queues so far.
    pub(super) waited: Duration,
}

impl<'a> Turn<'a> {
    pub(super) fn new(site: &'a Site, service: ServiceName, lane: Option<Lane>) -> Self {
        let settings = &site.settings.services.get(service).turns;
        Self { group: site.groups.get(service), settings, lane, deadline: None, waited: Duration::ZERO }
    }

    /// A target within `reach` that is not in `tried`, with a slot; `None` when there is no such target. Without a
    /// `record` it is a request of our own.
    ///
    /// # Errors
    /// `QueueFull` and `QueueTimeout`; not one byte was sent.
    ///
    /// # Cancel safety
    /// The place in the queue is given up.
    pub(super) async fn lease(
        &mut self,
        worker: &Worker,
        tried: Places,
        reach: Reach,
        record: Option<&AccessRecord>,
    ) -> Result<Option<Lease>, Fault> {
        let Some(mut best) = self.group.lease(tried, reach) else { return Ok(None) };
        let Some(lane) = self.lane else { return Ok(Some(best)) };
        let applicant = applicant(record);
        if best.try_enter(lane, applicant) {
            return Ok(Some(best));
        }
        // Another one that is as good may have a free one.
        let mut asked = tried.with(best.place());
        while let Some(mut other) = self.group.lease_beside(&best, asked) {
            if other.try_enter(lane, applicant) {
                return Ok(Some(other));
            }
            asked = asked.with(other.place());
        }
        self.wait(worker, &mut best, lane, applicant, record).await?;
        Ok(Some(best))
    }

    async fn wait(
        &mut self,
        worker: &Worker,
        lease: &mut Lease,
        lane: Lane,
        applicant: Applicant,
        record: Option<&AccessRecord>,
    ) -> Result<(), Fault> {
        let label = lease.target().label().clone();
        let id = record.and_then(|record| record.request_id.to_str().ok()).unwrap_or_default();
        tracing::debug!(request_id = id, address = %label, class = ?applicant.class, "waits for a slot");
        let begun = now();
        let deadline = *self.deadline.get_or_insert_with(|| Deadline::after(self.settings.queue_time));
        worker.metrics.add(Counter::Queued, 1);
        let waits = worker.metrics.gauge(Gauge::Queued);
        let entered = lease.enter(lane, applicant, deadline).await;
        drop(waits);
        self.waited += now().saturating_duration_since(begun);
        let (counter, kind, detail) = match entered {
            Ok(()) => return Ok(()),
            Err(NoSlot::Full) => (
                Counter::QueueFull,
                FaultKind::QueueFull,
                format!("target {label} is busy, and {} requests may wait for it", self.settings.queue),
            ),
            Err(NoSlot::Late) => (
                Counter::QueueTimeouts,
                FaultKind::QueueTimeout,
                format!("target {label} was busy for {:?}", self.waited),
            ),
        };
        worker.metrics.add(counter, 1);
        Err(Fault::new(kind, detail))
    }
}

/// Without a record it is a request of our own.
fn applicant(record: Option<&AccessRecord>) -> Applicant {
    let Some(record) = record else { return Applicant { class: Class::Routine, client: 0, limited: false } };
    let class = record.action.map_or(Class::Routine, |action| action.class(record.program == Program::Browser));
    // Who names no worker may be many people or programs behind one address.
    let limited = class != Class::Interactive && record.worker.is_some();
    Applicant { class, client: client(record), limited }
}

/// Who takes turns with others: an address, or one ClearML worker behind it. Who forges workers gains turns among
/// programs, and none before people.
fn client(record: &AccessRecord) -> u64 {
    let mut hasher = DefaultHasher::new();
    record.client.hash(&mut hasher);
    record.worker.hash(&mut hasher);
    hasher.finish()
}
