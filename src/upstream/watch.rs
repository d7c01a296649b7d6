//! Watching targets: one watcher for each, whatever the number of workers.
//!
//! Owns: when a target is probed and its name looked up, and what is said about it. Leaves: what follows from a probe
//! to `domain::health`.
//! A watcher keeps its target only while it looks: once no configuration and no request has the target, it ends.

use super::connect::{ConnectError, Connector};
use super::connection::Connection;
use super::exchange::ExchangeError;
use super::group::Group;
use super::outbound::{Framing, Outbound};
use super::target::{Plan, Rank, Target};
use crate::domain::health::{Sign, State};
use crate::runtime::{Deadline, ShutdownWatch, Tasks, now};
use crate::telemetry::{Counter, WorkerMetrics};
use bytes::Bytes;
use http_body_util::Empty;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Between two probes while requests wait, and never less: from the first up to the last.
const QUICK: Duration = Duration::from_millis(50);
const QUICK_MAX: Duration = Duration::from_millis(250);

/// Between two probes of a target that is not there, while nobody waits for it.
const AWAY: Duration = Duration::from_secs(1);

/// How long a connection must stay open to count, where nothing is asked: the port forwarder of a container engine
/// accepts for a container that is not there yet, and closes.
const SETTLE: Duration = Duration::from_millis(25);

/// Between two look-ups of a name.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Between two look-ups of a name whose addresses do not accept.
const LOOK_UP_AGAIN: Duration = Duration::from_millis(200);

/// Starts watchers.
#[derive(Clone, Debug)]
pub struct Watch {
    connector: Connector,
    metrics: WorkerMetrics,
    tasks: Tasks,
    stop: ShutdownWatch,
}

impl Watch {
    /// Watchers that run as `tasks`, until `stop`.
    #[must_use]
    pub const fn new(connector: Connector, metrics: WorkerMetrics, tasks: Tasks, stop: ShutdownWatch) -> Self {
        Self { connector, metrics, tasks, stop }
    }

    /// Watches each target of `group` that nobody watches yet. They run on the executor of the calling thread.
    pub fn over(&self, group: &Group) {
        for target in group.targets() {
            let Some(call) = target.claim_watch() else { continue };
            let watcher = Watcher {
                target: Arc::downgrade(target),
                call,
                connector: self.connector.clone(),
                metrics: self.metrics.clone(),
            };
            let (mut stop, mut names_stop) = (self.stop.clone(), self.stop.clone());
            self.tasks.spawn("target", async move {
                tokio::select! {
                    _ = stop.draining() => {}
                    () = watcher.run() => {}
                }
            });
            if target.addresses().are_named() {
                let (target, doubt) = (Arc::downgrade(target), target.addresses().doubt());
                self.tasks.spawn("name", async move {
                    tokio::select! {
                        _ = names_stop.draining() => {}
                        () = look_up_again(target, doubt) => {}
                    }
                });
            }
        }
    }
}

/// One target's.
struct Watcher {
    target: Weak<Target>,
    call: Arc<Notify>,
    connector: Connector,
    metrics: WorkerMetrics,
}

impl Watcher {
    async fn run(self) {
        let mut said = Said { state: State::Up, since: now() };
        let mut quick = QUICK;
        let mut probes: u64 = 0;
        let mut last: Option<Instant> = None;
        let mut called = false;
        loop {
            let Some(target) = self.target.upgrade() else { return };
            let earliest = last.map_or_else(now, |last| last + quick);
            let due = if called { Some(earliest) } else { due(&target, last, quick, probes) };
            let changes = target.outlook().1;
            drop(target);
            let wake = due.into_iter().chain(changes).min();
            tokio::select! {
                () = self.call.notified() => called = true,
                () = until(wake) => {}
            }
            let Some(target) = self.target.upgrade() else { return };
            if due.is_none_or(|due| due > now()) {
                target.pass();
                said.compare(&target);
                continue;
            }
            called = false;
            probes = probes.wrapping_add(1);
            let sign = self.probe(&target).await;
            quick = if sign == Sign::Good { QUICK } else { (quick * 3 / 2).min(QUICK_MAX) };
            target.see(sign);
            last = Some(now());
            // Those that were woken and lost their turn get another.
            if target.rank() < Rank::Unreachable {
                target.waiting().wake();
            }
            said.compare(&target);
        }
    }

    async fn probe(&self, target: &Target) -> Sign {
        let plan = target.plan();
        self.metrics.add(Counter::Probes, 1);
        let sign = look(target, &plan, &self.connector, Deadline::after(plan.health.timeout)).await;
        if sign != Sign::Good {
            self.metrics.add(Counter::ProbesFailed, 1);
        }
        sign
    }
}

/// When the next probe is due by itself; `None` for never.
fn due(target: &Target, last: Option<Instant>, quick: Duration, probes: u64) -> Option<Instant> {
    let plan = target.plan();
    let (pressing, _) = target.outlook();
    let waited_for = target.waiting().count() > 0;
    let pause = match () {
        () if pressing && waited_for => quick,
        () if pressing => AWAY.min(plan.health.interval),
        () if waited_for => QUICK_MAX,
        () if !plan.health.enabled => return None,
        () => jittered(plan.health.interval, target.id().wrapping_add(probes)),
    };
    Some(last.map_or_else(now, |last| last + pause))
}

/// A tenth more or less, so that probes of many targets and proxies do not come together.
fn jittered(pause: Duration, seed: u64) -> Duration {
    let spread = u32::try_from(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56).unwrap_or(0);
    pause * 9 / 10 + pause * spread / 1_275
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => Deadline::at(instant).wait().await,
        None => std::future::pending().await,
    }
}

/// One look at a target.
async fn look(target: &Target, plan: &Plan, connector: &Connector, deadline: Deadline) -> Sign {
    let mut connection = match connector.dial(target, deadline).await {
        Ok(connection) => connection,
        Err(ConnectError::Deadline) => return Sign::Refused(format!("no connection within {:?}", plan.health.timeout)),
        Err(error) => return Sign::Refused(error.to_string()),
    };
    if plan.health.enabled {
        return ask(connection, target, plan, deadline).await;
    }
    match Deadline::after(SETTLE).bound(connection.closes()).await {
        Some(true) => Sign::Closed(String::from("it accepts and closes")),
        Some(false) | None => Sign::Good,
    }
}

async fn ask(connection: Connection, target: &Target, plan: &Plan, deadline: Deadline) -> Sign {
    let path = &plan.probe.path;
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\nuser-agent: clearway\r\naccept: */*\r\nconnection: close\r\n\r\n",
        target.addr().authority()
    );
    let mut outbound = Outbound::new(head.into_bytes(), Empty::<Bytes>::new(), Framing::Length(0));
    match deadline.bound(connection.exchange(&mut outbound, false)).await {
        Some(Ok(answer)) if plan.probe.expected.contains(answer.head.status) => Sign::Good,
        Some(Ok(answer)) => Sign::Bad(format!("status {} to GET {path}", answer.head.status.as_u16())),
        Some(Err(ExchangeError::Unsent | ExchangeError::Body)) => Sign::Closed(String::from("it accepts and closes")),
        Some(Err(ExchangeError::Broken(error))) => Sign::Closed(format!("no answer to GET {path}: {error}")),
        Some(Err(ExchangeError::BadAnswer(what))) => Sign::Bad(format!("{what} in the answer to GET {path}")),
        Some(Err(ExchangeError::TooLarge)) => Sign::Bad(format!("too large a head in the answer to GET {path}")),
        None => Sign::Silent(format!("no answer to GET {path} within {:?}", plan.health.timeout)),
    }
}

/// What was said last about a target, so that each change is said once.
struct Said {
    state: State,
    since: Instant,
}

impl Said {
    fn compare(&mut self, target: &Target) {
        let (state, reason, since) = target.belief();
        // Warming up is part of being back.
        if state == self.state || (state.is_fit() && self.state.is_fit()) {
            return;
        }
        let service = target.plan().service.as_str();
        let lasted = since.saturating_duration_since(self.since);
        let lasted_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
        let (label, word) = (target.label(), state.as_str());
        match (self.state.is_fit(), state.is_fit()) {
            (_, true) => tracing::info!(service, address = %label, state = word, lasted_ms, "target is back"),
            (true, false) => tracing::warn!(service, address = %label, state = word, reason, "target is not well"),
            // Still not well, in another way.
            (false, false) => {
                tracing::debug!(service, address = %label, state = word, reason, "target changed");
                self.state = state;
                return;
            }
        }
        *self = Self { state, since };
    }
}

/// Looks a target's name up every few seconds, and soon after a dial failed.
async fn look_up_again(target: Weak<Target>, doubt: Arc<Notify>) {
    let mut failed = false;
    loop {
        let Some(strong) = target.upgrade() else { return };
        let answer = strong.addresses().look_up().await;
        match answer {
            Ok((list, other)) => {
                if failed || other {
                    let count = list.len();
                    tracing::debug!(address = %strong.label(), count, first = ?list.first(), "the name was looked up");
                }
                failed = false;
                if other && strong.rank() >= Rank::Unreachable {
                    strong.call();
                }
            }
            Err(error) => {
                if !failed {
                    tracing::warn!(address = %strong.label(), %error, "the name cannot be looked up");
                }
                failed = true;
            }
        }
        drop(strong);
        Deadline::after(LOOK_UP_AGAIN).wait().await;
        tokio::select! {
            () = Deadline::after(LOOK_UP - LOOK_UP_AGAIN).wait() => {}
            () = doubt.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_differ_by_a_tenth_at_most() {
        let pauses = (0..1_000).map(|seed| jittered(Duration::from_secs(10), seed)).collect::<Vec<_>>();
        assert!(pauses.iter().all(|pause| (9..=11).contains(&pause.as_secs())), "{pauses:?}");
        let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(most.as_millis() - least.as_millis() > 1_500, "{least:?} to {most:?}");
    }
}
