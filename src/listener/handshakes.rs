//! How many TLS handshakes are borne: under way at once, and of addresses where they keep failing.
//!
//! One for the process: a client's connections are spread over the workers. The lock is taken for failures, and for
//! connections only while somebody fails.
//!
//! Owns: waiting and closing before any cryptography. Leaves: the arithmetic to `domain::failing`.
//! Limits: `tls.handshakes`.

use crate::connection::Connections;
use crate::domain::addr::PeerAddr;
use crate::domain::failing::{Failing, Tolerance, Treatment};
use crate::domain::settings::{HandshakeLimits, Settings};
use crate::request::Worker;
use crate::runtime::{Deadline, Place, Places, now};
use crate::telemetry::{Counter, Gauge, GaugeGuard, Pace, TlsFailure};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One client may fail many times a second: one line a second for all of them is enough.
static PACE: Pace = Pace::every_second();

/// The handshakes of the whole process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Handshakes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    under_way: Places,
    waiting: Places,
    failing: Mutex<Failing<TlsFailure>>,
    /// Whether somebody failed lately; read without the lock.
    any_failing: AtomicBool,
}

/// Leave to shake hands; held for as long as it takes.
#[derive(Debug)]
pub(super) struct Leave {
    _place: Place,
    _gauge: GaugeGuard,
}

/// A slowed connection; counted until it is dropped.
struct Slowed<'a> {
    handshakes: &'a Handshakes,
    ip: IpAddr,
}

impl Drop for Slowed<'_> {
    fn drop(&mut self) {
        self.handshakes.lock().leave(self.ip);
    }
}

impl Handshakes {
    /// None is under way, and nobody has failed.
    #[must_use]
    pub fn new(limits: &HandshakeLimits) -> Self {
        Self(Arc::new(Inner {
            under_way: Places::new(limits.at_once.get()),
            waiting: Places::new(limits.waiting),
            failing: Mutex::default(),
            any_failing: AtomicBool::new(false),
        }))
    }

    /// Goes on with other limits.
    pub fn resize(&self, limits: &HandshakeLimits) {
        self.0.under_way.resize(limits.at_once.get());
        self.0.waiting.resize(limits.waiting);
    }

    /// Addresses that are slowed now, each with the reason of its last failure, at most `most`.
    #[must_use]
    pub fn slowed(&self, limits: &HandshakeLimits, most: usize) -> Vec<(IpAddr, TlsFailure)> {
        self.lock().slowed(now(), tolerance(limits), most)
    }

    /// Waits until `peer` may shake hands; `None` when its connection is to be closed, which is said and counted.
    ///
    /// # Cancel safety
    /// Dropped, it loses its turn and nothing else.
    pub(super) async fn admit(&self, worker: &Worker, parts: &Connections, peer: PeerAddr) -> Option<Leave> {
        let settings = worker.settings();
        if self.0.any_failing.load(Ordering::Relaxed) && !settings.trusted_proxies.contains(peer.ip()) {
            self.slow(&settings, parts, peer).await?;
        }
        let metrics = &parts.metrics;
        let place = match self.0.under_way.try_take() {
            Some(place) => place,
            None => {
                let Some(_waiting) = self.0.waiting.try_take() else {
                    metrics.add(Counter::HandshakesFull, 1);
                    return None;
                };
                metrics.add(Counter::HandshakesQueued, 1);
                tracing::debug!(%peer, "a TLS handshake waits until others have ended");
                let deadline = Deadline::after(parts.timeouts.handshake);
                let Some(place) = deadline.bound(self.0.under_way.take()).await else {
                    metrics.add(Counter::HandshakeTimeouts, 1);
                    return None;
                };
                place
            }
        };
        Some(Leave { _place: place, _gauge: metrics.gauge(Gauge::Handshakes) })
    }

    /// Lets a connection of an address that keeps failing wait; `None` when it is to be closed.
    async fn slow(&self, settings: &Settings, parts: &Connections, peer: PeerAddr) -> Option<()> {
        let (limits, metrics) = (&settings.tls.handshakes, &parts.metrics);
        let treatment = {
            let mut failing = self.lock();
            let treatment = failing.receive(peer.ip(), now(), tolerance(limits));
            self.0.any_failing.store(!failing.is_empty(), Ordering::Relaxed);
            treatment
        };
        match treatment {
            Treatment::Free => Some(()),
            Treatment::Slowed(reason) => {
                let _counted = Slowed { handshakes: self, ip: peer.ip() };
                metrics.add(Counter::HandshakesSlowed, 1);
                say(peer, reason, "TLS handshakes of this address keep failing; its connections are slowed");
                Deadline::after(limits.pause).wait().await;
                Some(())
            }
            Treatment::Closed(reason) => {
                metrics.add(Counter::HandshakesRefused, 1);
                say(
                    peer,
                    reason,
                    "TLS handshakes of this address keep failing; a connection was closed before its own",
                );
                None
            }
        }
    }

    /// Notes that a handshake of `peer` failed.
    pub(super) fn failed(&self, worker: &Worker, parts: &Connections, peer: PeerAddr, reason: TlsFailure) {
        let settings = worker.settings();
        // What went wrong on our side is nobody's fault; a balancer's address is that of all its clients.
        if reason == TlsFailure::Internal || settings.trusted_proxies.contains(peer.ip()) {
            return;
        }
        let forgotten = self.lock().fail(peer.ip(), reason, now(), tolerance(&settings.tls.handshakes));
        self.0.any_failing.store(true, Ordering::Relaxed);
        if forgotten {
            parts.metrics.add(Counter::AddressesForgotten, 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Failing<TlsFailure>> {
        self.0.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tolerance(limits: &HandshakeLimits) -> Tolerance {
    Tolerance {
        failures: u32::try_from(limits.failures.get()).unwrap_or(u32::MAX),
        pause: limits.pause,
        slowed: limits.slowed,
        addresses: limits.addresses.get(),
    }
}

fn say(peer: PeerAddr, reason: TlsFailure, what: &'static str) {
    if let Some(suppressed) = PACE.allow(now()) {
        tracing::warn!(%peer, reason = reason.as_str(), hint = reason.hint(), suppressed, "{what}");
    }
}
