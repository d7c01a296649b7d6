//! Target: one address of a service, what is believed of it, and the right to use it.

use super::past::{Change, Past};
use super::resolve::Addresses;
use super::slots::{Applicant, Entry, Holder, Lane, Lanes, NoSlot, Patience};
use super::waiting::Waiting;
use crate::domain::addr::TargetAddr;
use crate::domain::health::{Health, Sign, State};
use crate::domain::names::ServiceName;
use crate::domain::settings::{HealthSettings, ProbeSettings, TurnSettings};
use crate::runtime::{now, wall};
use crate::tls::ClientTls;
use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// One address of a service, shared by all workers. It outlives the configuration it was named in: the next one that
/// names the same address goes on with it.
#[derive(Debug)]
pub struct Target {
    id: u64,
    addr: TargetAddr,
    label: Arc<str>,
    outstanding: AtomicUsize,
    lanes: Lanes,
    /// What the choice of a target needs of `health`, without its lock.
    standing: AtomicU8,
    drained: AtomicBool,
    health: Mutex<Health>,
    past: Mutex<Past>,
    plan: ArcSwap<Plan>,
    addresses: Addresses,
    waiting: Arc<Waiting>,
    /// Asks the watcher to look at once; kept apart from the target, whose end it tells.
    call: Arc<Notify>,
    watched: AtomicBool,
}

/// How a target is watched and spoken to, by the configuration of now.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) service: ServiceName,
    pub(super) health: HealthSettings,
    pub(super) probe: ProbeSettings,
    pub(super) turns: TurnSettings,
    pub(super) tls: Option<ClientTls>,
}

/// Who is chosen before whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Fit,
    /// Better than none.
    Doubtful,
    Unreachable,
    /// Accepts and closes: a request sent there would be lost.
    Closing,
    /// Taken out by hand.
    Drained,
}

/// A target as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetView {
    /// As configured.
    pub address: Arc<str>,
    /// `up`, `warming`, `down`, `ejected`, `unreachable` or `drained`.
    pub state: &'static str,
    /// Why, in words; empty for a target that is well.
    pub reason: String,
    /// For how long.
    pub since: Duration,
    /// Requests that use it now, or wait for a slot.
    pub outstanding: usize,
    /// Those of them that wait for a slot.
    pub queued: u64,
    /// Where its name leads, or its address.
    pub addresses: Vec<std::net::SocketAddr>,
}

/// The parts of a target's standing.
const RANK: u8 = 0b111;
const WARMING: u8 = 0b0_1000;
const TROUBLED: u8 = 0b1_0000;

impl Target {
    /// A target that nobody uses yet.
    pub(super) fn new(addr: TargetAddr, plan: Arc<Plan>, waiting: Arc<Waiting>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let call = Arc::new(Notify::new());
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            label: addr.to_string().into(),
            outstanding: AtomicUsize::new(0),
            lanes: Lanes::new(&plan.turns),
            standing: AtomicU8::new(Rank::Fit as u8),
            drained: AtomicBool::new(false),
            health: Mutex::new(Health::new(now())),
            past: Mutex::default(),
            plan: ArcSwap::new(plan),
            addresses: Addresses::new(&addr),
            addr,
            waiting,
            call,
            watched: AtomicBool::new(false),
        })
    }

    /// Its number, unique in this process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// `host:port` as configured.
    #[must_use]
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// The address as configured.
    #[must_use]
    pub fn addr(&self) -> &TargetAddr {
        &self.addr
    }

    /// Requests that use it now.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    /// Takes it out of the choice, or back in; running requests finish.
    pub fn set_drained(&self, drained: bool) {
        self.drained.store(drained, Ordering::Relaxed);
        self.publish(&self.health());
    }

    /// Whether it was taken out of the choice by hand.
    #[must_use]
    pub fn drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }

    /// A request got the head of its answer.
    pub fn answered(&self) {
        if self.standing.load(Ordering::Relaxed) & TROUBLED != 0 {
            self.see(Sign::Answered);
        }
    }

    /// A request was broken off by it, or got no answer that can be passed on.
    pub fn broke(&self, reason: &str) {
        self.see(Sign::Broke(reason.to_owned()));
        if self.plan.load().health.enabled {
            self.call();
        }
    }

    /// No connection could be made for a request.
    pub(super) fn unaccepted(&self, reason: String) {
        self.addresses.distrust();
        if self.rank() < Rank::Unreachable {
            self.see(Sign::Unaccepted(reason));
        }
        self.call();
    }

    /// How it is shown now.
    #[must_use]
    pub fn view(&self) -> TargetView {
        let health = self.health();
        TargetView {
            address: Arc::clone(&self.label),
            state: self.shown_state(&health),
            reason: health.reason().to_owned(),
            since: now().saturating_duration_since(health.since()),
            outstanding: self.outstanding(),
            queued: self.lanes.queued(),
            addresses: self.addresses.known().as_deref().unwrap_or_default().to_vec(),
        }
    }

    /// The states it has gone through, the latest first.
    #[must_use]
    pub fn past(&self) -> Vec<Change> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner).latest_first()
    }

    fn shown_state(&self, health: &Health) -> &'static str {
        if self.drained.load(Ordering::Relaxed) { "drained" } else { health.state().as_str() }
    }

    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    pub(super) fn plan(&self) -> Arc<Plan> {
        self.plan.load_full()
    }

    /// Goes on by another configuration.
    pub(super) fn follow(&self, plan: Arc<Plan>) {
        self.lanes.follow(&plan.turns);
        self.plan.store(plan);
    }

    pub(super) fn waiting(&self) -> &Arc<Waiting> {
        &self.waiting
    }

    pub(super) fn rank(&self) -> Rank {
        match self.standing.load(Ordering::Relaxed) & RANK {
            0 => Rank::Fit,
            1 => Rank::Doubtful,
            2 => Rank::Unreachable,
            3 => Rank::Closing,
            _ => Rank::Drained,
        }
    }

    /// The part of its weight that it gets now, in percent.
    pub(super) fn share(&self) -> u32 {
        match self.standing.load(Ordering::Relaxed) & WARMING {
            0 => 100,
            _ => self.health().share(&self.plan.load().health.rules, now()),
        }
    }

    /// Whether one request may be sent although probes say that nobody is there.
    pub(super) fn trial(&self) -> bool {
        !self.drained.load(Ordering::Relaxed) && self.health().trial(now())
    }

    /// Takes in what was seen of it; wakes requests that wait for somebody who accepts.
    pub(super) fn see(&self, sign: Sign) {
        let plan = self.plan.load();
        let mut health = self.health();
        health.see(sign, &plan.health.rules, now());
        self.publish(&health);
    }

    /// Takes in that time has passed.
    pub(super) fn pass(&self) {
        let plan = self.plan.load();
        let mut health = self.health();
        health.pass(&plan.health.rules, now());
        self.publish(&health);
    }

    /// What is believed now: state, reason, since when.
    pub(super) fn belief(&self) -> (State, String, Instant) {
        let health = self.health();
        (health.state(), health.reason().to_owned(), health.since())
    }

    /// Whether the next probe should come soon, and when the state changes by itself.
    pub(super) fn outlook(&self) -> (bool, Option<Instant>) {
        let health = self.health();
        (health.is_pressing(), health.changes_at(&self.plan.load().health.rules))
    }

    /// Asks the watcher to look at once.
    pub(super) fn call(&self) {
        self.call.notify_one();
    }

    /// The watcher's ear; `None` when somebody watches already.
    pub(super) fn claim_watch(&self) -> Option<Arc<Notify>> {
        (!self.watched.swap(true, Ordering::Relaxed)).then(|| Arc::clone(&self.call))
    }

    // Held for a few instructions: when something is wrong, or a probe ends.
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, health: &Health) {
        let rank = match health.state() {
            _ if self.drained.load(Ordering::Relaxed) => Rank::Drained,
            State::Up | State::Warming => Rank::Fit,
            State::Down | State::Ejected => Rank::Doubtful,
            State::Unreachable if health.is_closing() => Rank::Closing,
            State::Unreachable => Rank::Unreachable,
        };
        let warming = if health.state() == State::Warming { WARMING } else { 0 };
        let troubled = if health.is_troubled() { TROUBLED } else { 0 };
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.note(self.shown_state(health), health.reason(), wall);
        drop(past);
        let before = self.standing.swap(rank as u8 | warming | troubled, Ordering::Relaxed);
        if before & RANK >= Rank::Unreachable as u8 && rank < Rank::Unreachable {
            self.waiting.wake();
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // The watcher finds it gone, and ends.
        self.call.notify_one();
    }
}

/// The right to use a target; dropping it gives the right back.
#[derive(Debug)]
#[must_use = "a lease counts as a running request"]
pub struct Lease {
    target: Arc<Target>,
    place: usize,
    /// What it has of the target's slots.
    entry: Option<Entry>,
}

impl Lease {
    pub(super) fn new(target: &Arc<Target>, place: usize) -> Self {
        target.outstanding.fetch_add(1, Ordering::Relaxed);
        Self { target: Arc::clone(target), place, entry: None }
    }

    /// Takes a slot of the target, if one is free.
    pub fn try_enter(&mut self, lane: Lane, holder: Option<Holder>) -> bool {
        self.entry = self.target.lanes.try_enter(lane, holder);
        self.entry.is_some()
    }

    /// Takes a slot of the target, after a wait where none is free; `beyond` hears of it when that is without a place in
    /// its holder's share.
    ///
    /// # Errors
    /// `NoSlot`.
    ///
    /// # Cancel safety
    /// The place in the queue is given up.
    pub async fn enter(
        &mut self,
        lane: Lane,
        applicant: Applicant,
        patience: Patience,
        beyond: impl FnOnce(),
    ) -> Result<(), NoSlot> {
        self.entry = Some(self.target.lanes.enter(lane, applicant, patience, beyond).await?);
        Ok(())
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Its place in its group.
    #[must_use]
    pub const fn place(&self) -> usize {
        self.place
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.target.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}
