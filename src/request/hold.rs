//! A connection to some target of a service, or a place to wait for one.
//!
//! While no target accepts, a request waits. It does not dial again and again itself: the watcher of each target does,
//! and wakes a few requests once somebody accepts. Not one byte was sent by then.
//! Limits: `timeouts.hold`, `limits.held_requests`, `limits.held_bytes`.

use super::scope::Worker;
use super::site::Site;
use super::turn::Turn;
use crate::domain::balance::Places;
use crate::domain::fault::{Fault, FaultKind};
use crate::runtime::Deadline;
use crate::telemetry::{AccessRecord, Counter, Gauge};
use crate::upstream::{Connection, Held, Lease, Reach};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For the last dial, when the time to wait is over: long enough for a target nearby.
const LAST_DIAL: Duration = Duration::from_millis(250);

/// A search for a connection.
pub(super) struct Search<'a> {
    worker: &'a Worker,
    site: &'a Site,
    /// The slots of the targets, and the wait for one.
    pub(super) turn: Turn<'a>,
    /// When no more is dialled. Later by what was spent waiting for a slot.
    pub(super) deadline: Deadline,
    /// The target dialled last.
    pub(super) address: Option<Arc<str>>,
    /// Why nobody was reached so far.
    failure: String,
}

impl<'a> Search<'a> {
    /// A search that is over at `deadline`.
    pub(super) const fn new(worker: &'a Worker, site: &'a Site, turn: Turn<'a>, deadline: Deadline) -> Self {
        Self { worker, site, turn, deadline, address: None, failure: String::new() }
    }

    /// A connection to the best target that accepts, `at` being now. A request that has to wait keeps `bytes` in memory.
    ///
    /// # Errors
    /// `Unreachable` when the time is over, or no more requests may wait; what `Turn::lease` says.
    ///
    /// # Cancel safety
    /// A place to wait is given back.
    pub(super) async fn connection(
        &mut self,
        bytes: u64,
        record: Option<&AccessRecord>,
        at: Instant,
    ) -> Result<(Lease, Connection), Fault> {
        if self.deadline.instant() > at
            && let Some(found) = self.dial(Reach::Believed, None, record).await?
        {
            return Ok(found);
        }
        if !self.deadline.passed() {
            let Some(held) = self.turn.group.hold(bytes) else {
                self.worker.metrics.add(Counter::HeldRequestsFull, 1);
                return Err(Fault::new(FaultKind::Unreachable, self.detail("no more requests may wait")));
            };
            // Rare, as is the last dial: in boxes, so that no other request keeps room for them.
            if let Some(found) = Box::pin(self.wait(held, record)).await? {
                return Ok(found);
            }
        }
        Box::pin(self.last_dial(record)).await
    }

    async fn wait(&mut self, held: Held, record: Option<&AccessRecord>) -> Result<Option<(Lease, Connection)>, Fault> {
        self.worker.metrics.add(Counter::Held, 1);
        let _waiting = self.worker.metrics.gauge(Gauge::Held);
        let found = loop {
            let mut turn = pin!(held.turn());
            // Heard from here on, so that nothing is missed while looking once more.
            turn.as_mut().enable();
            if let Some(found) = self.dial(Reach::Believed, None, record).await? {
                break found;
            }
            self.turn.group.call();
            if self.deadline.bound(turn).await.is_none() {
                return Ok(None);
            }
        };
        held.go();
        Ok(Some(found))
    }

    /// Nobody is known to accept, and the time is over: asked once more, so that no request is refused unasked.
    async fn last_dial(&mut self, record: Option<&AccessRecord>) -> Result<(Lease, Connection), Fault> {
        if let Some(found) = self.dial(Reach::Anyone, Some(LAST_DIAL), record).await? {
            return Ok(found);
        }
        if let Some(lease) = self.turn.group.trial()
            && let Ok(connection) = self.site.connector.connect(lease.target(), Deadline::after(LAST_DIAL)).await
        {
            return Ok((lease, connection));
        }
        self.worker.metrics.add(Counter::HoldTimeouts, 1);
        Err(Fault::new(FaultKind::Unreachable, self.detail("no target accepts")))
    }

    /// An idle connection or a new one, to one target after the other, within `patience` or else the deadline.
    async fn dial(
        &mut self,
        reach: Reach,
        patience: Option<Duration>,
        record: Option<&AccessRecord>,
    ) -> Result<Option<(Lease, Connection)>, Fault> {
        let mut tried = Places::NONE;
        let mut last = patience.map(Deadline::after);
        loop {
            let before = self.turn.waited;
            let Some(lease) = self.turn.lease(self.worker, tried, reach, record).await? else { return Ok(None) };
            let waited = self.turn.waited.saturating_sub(before);
            self.deadline = self.deadline.later(waited);
            last = last.map(|last| last.later(waited));
            let target = lease.target();
            self.address = Some(Arc::clone(target.label()));
            if let Some(connection) = self.worker.pool.take(target.id()) {
                return Ok(Some((lease, connection)));
            }
            match self.site.connector.connect(target, last.unwrap_or(self.deadline)).await {
                Ok(connection) => return Ok(Some((lease, connection))),
                Err(error) => self.failure = format!("target {}: {error}", target.label()),
            }
            tried = tried.with(lease.place());
        }
    }

    fn detail(&self, what: &'static str) -> String {
        let known = || {
            let views = self.turn.group.view();
            let reasons = views.iter().map(|view| format!("target {}: {}", view.address, view.reason));
            reasons.collect::<Vec<_>>().join("; ")
        };
        let failure = if self.failure.is_empty() { known() } else { self.failure.clone() };
        format!("{what}: {failure}")
    }
}
