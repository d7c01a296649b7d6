//! A slot at a target: of one as good as the best that has a free one, else after a wait in the queue of the best.
//!
//! Owns: whose share of a target's slots a request needs a place in, and who takes turns where requests wait.
//! Limits: `services.*.concurrency`, `services.*.uploads`, `services.*.per_client`, `services.*.queue`,
//! `services.*.queue_time`.

use super::scope::Worker;
use super::site::Site;
use crate::clearml::{Program, login_of};
use crate::domain::balance::Places;
use crate::domain::class::Class;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::names::ServiceName;
use crate::domain::settings::TurnSettings;
use crate::runtime::now;
use crate::telemetry::{AccessRecord, Counter, Gauge};
use crate::upstream::{Applicant, Group, Holder, Lane, Lease, NoSlot, Patience, Reach};
use http::HeaderMap;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

/// A request's claim to a slot, kept from one target to the next.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) group: &'a Group,
    settings: &'a TurnSettings,
    /// `None` for what takes no slot: a tunnel stays, and must not keep others out.
    lane: Option<Lane>,
    /// Whose share of a target's slots it needs a place in.
    holder: Option<Holder>,
    /// When its waiting began.
    since: Option<Instant>,
    /// Spent in queues so far.
    pub(super) waited: Duration,
}

impl<'a> Turn<'a> {
    pub(super) fn new(site: &'a Site, service: ServiceName, lane: Option<Lane>, holder: Option<Holder>) -> Self {
        let settings = &site.settings.services.get(service).turns;
        Self { group: site.groups.get(service), settings, lane, holder, since: None, waited: Duration::ZERO }
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
        if best.try_enter(lane, self.holder) {
            return Ok(Some(best));
        }
        // Another one that is as good may have a free one.
        let mut asked = tried.with(best.place());
        while let Some(mut other) = self.group.lease_beside(&best, asked) {
            if other.try_enter(lane, self.holder) {
                return Ok(Some(other));
            }
            asked = asked.with(other.place());
        }
        self.wait(worker, &mut best, lane, record).await?;
        Ok(Some(best))
    }

    async fn wait(
        &mut self,
        worker: &Worker,
        lease: &mut Lease,
        lane: Lane,
        record: Option<&AccessRecord>,
    ) -> Result<(), Fault> {
        let label = lease.target().label().clone();
        let id = record.and_then(|record| record.request_id.to_str().ok()).unwrap_or_default();
        let applicant = self.applicant(worker, record);
        tracing::debug!(request_id = id, address = %label, class = ?applicant.class, "waits for a slot");
        let begun = now();
        let patience = Patience::new(*self.since.get_or_insert(begun), self.settings.queue_time);
        worker.metrics.add(Counter::Queued, 1);
        let waits = worker.metrics.gauge(Gauge::Queued);
        let beyond = || worker.metrics.add(Counter::PerClientFull, 1);
        let entered = lease.enter(lane, applicant, patience, beyond).await;
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

    fn applicant(&self, worker: &Worker, record: Option<&AccessRecord>) -> Applicant {
        Applicant {
            class: record.map_or(Class::Routine, class),
            client: record.map_or(0, |record| client(worker, record)),
            holder: self.holder,
        }
    }
}

/// Whose share of a target's slots a request needs a place in: that of its login, else that of the ClearML worker that
/// it names. `None` where no share is limited, for what a person waits for, and for who names neither: many people or
/// programs may sit behind one address.
///
/// A token that is made up leads into another share and no further: where requests wait, its client has one turn.
pub(super) fn holder(
    worker: &Worker,
    site: &Site,
    service: ServiceName,
    record: &AccessRecord,
    headers: &HeaderMap,
) -> Option<Holder> {
    if site.settings.services.get(service).turns.per_client == 0 || class(record) == Class::Interactive {
        return None;
    }
    let hash = match login_of(headers) {
        Some(login) => worker.hashes.hash_one(login),
        None => record.worker.as_ref().map(|_| client(worker, record))?,
    };
    Some(Holder(hash))
}

fn class(record: &AccessRecord) -> Class {
    record.action.map_or(Class::Routine, |action| action.class(record.program == Program::Browser))
}

/// Who takes turns with others: an address, or one ClearML worker behind it. Not a login: a program that logs in for
/// each request would have all the turns. Who forges workers gains turns among programs, and none before people.
fn client(worker: &Worker, record: &AccessRecord) -> u64 {
    worker.hashes.hash_one((record.client, &record.worker))
}
