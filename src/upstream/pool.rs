//! Idle connections of one worker, by target.
//!
//! Owns: how many are kept, for how long, and which may be used again.
//! Leaves: dialling to `connect`, choosing a target to `group`.
//! Limits: `pool.idle_per_target`, `pool.idle_age`.

use crate::domain::settings::PoolSettings;
use crate::runtime::now;
use crate::telemetry::{Counter, WorkerMetrics};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A connection to a target that may take one request.
#[derive(Debug)]
pub struct Sender<B> {
    inner: SendRequest<B>,
    target: u64,
    reused: bool,
}

/// Why a request got no answer.
#[derive(Debug)]
pub enum SendError<B> {
    /// The connection was closed before it took the request, which is returned: not one byte was sent.
    Unsent(Box<Request<B>>),
    /// Bytes may have been sent.
    Broken(hyper::Error),
}

impl<B> Sender<B> {
    pub(super) const fn new(inner: SendRequest<B>, target: u64) -> Self {
        Self { inner, target, reused: false }
    }

    /// Whether it carried a request before.
    #[must_use]
    pub const fn reused(&self) -> bool {
        self.reused
    }
}

impl<B> Sender<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Sends one request in origin form and waits for the head of its answer.
    ///
    /// # Errors
    /// `SendError::Unsent` gives the request back, safe to send elsewhere; `SendError::Broken` after that point.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    ///
    /// Source: RFC 9112 section 9.3.1.
    pub async fn send(&mut self, request: Request<B>) -> Result<Response<Incoming>, SendError<B>> {
        self.inner.try_send_request(request).await.map_err(|mut error| match error.take_message() {
            Some(request) => SendError::Unsent(Box::new(request)),
            None => SendError::Broken(error.into_error()),
        })
    }
}

/// Idle connections of one worker.
///
/// The lock is taken by this worker's thread only, for a few instructions; it is there so that futures stay `Send`.
#[derive(Debug)]
pub struct Pool<B> {
    shelves: Mutex<Vec<Shelf<B>>>,
    /// Set for good when the process drains.
    closed: AtomicBool,
    settings: PoolSettings,
    metrics: WorkerMetrics,
}

#[derive(Debug)]
struct Shelf<B> {
    target: u64,
    idle: Vec<(Sender<B>, Instant)>,
}

impl<B> Pool<B> {
    /// An empty pool.
    #[must_use]
    pub const fn new(settings: PoolSettings, metrics: WorkerMetrics) -> Self {
        Self { shelves: Mutex::new(Vec::new()), closed: AtomicBool::new(false), settings, metrics }
    }

    /// Closes connections that were idle for too long or were closed by their target. Called once a second.
    pub fn sweep(&self) {
        let oldest = now().checked_sub(self.settings.idle_age);
        let mut shelves = self.shelves();
        for shelf in shelves.iter_mut() {
            let before = shelf.idle.len();
            shelf
                .idle
                .retain(|(sender, since)| !sender.inner.is_closed() && oldest.is_none_or(|oldest| *since > oldest));
            self.metrics.add(Counter::PoolEvictions, (before - shelf.idle.len()) as u64);
        }
        shelves.retain(|shelf| !shelf.idle.is_empty());
    }

    /// Closes all of them and keeps no more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.shelves().clear();
    }

    fn shelves(&self) -> MutexGuard<'_, Vec<Shelf<B>>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pop(&self, target: u64) -> Option<(Sender<B>, Instant)> {
        self.shelves().iter_mut().find(|shelf| shelf.target == target)?.idle.pop()
    }

    /// Keeps `sender` for the next request; drops it when enough are kept.
    ///
    /// Only for a connection whose request and answer are both complete.
    pub fn put_back(&self, mut sender: Sender<B>) {
        if sender.inner.is_closed() || self.closed.load(Ordering::Relaxed) {
            return;
        }
        sender.reused = true;
        let target = sender.target;
        let mut shelves = self.shelves();
        match shelves.iter_mut().find(|shelf| shelf.target == target) {
            Some(shelf) if shelf.idle.len() >= self.settings.idle_per_target => {
                self.metrics.add(Counter::PoolEvictions, 1)
            }
            Some(shelf) => shelf.idle.push((sender, now())),
            None if self.settings.idle_per_target == 0 => {}
            None => shelves.push(Shelf { target, idle: vec![(sender, now())] }),
        }
    }

    /// The connection to target `target` that was used last, if one is open and young enough.
    ///
    /// # Cancel safety
    /// A connection taken out is closed when dropped.
    pub async fn take(&self, target: u64) -> Option<Sender<B>> {
        loop {
            let (mut sender, since) = self.pop(target)?;
            if now().saturating_duration_since(since) < self.settings.idle_age
                && !sender.inner.is_closed()
                && (sender.inner.is_ready() || sender.inner.ready().await.is_ok())
            {
                self.metrics.add(Counter::PoolReuses, 1);
                return Some(sender);
            }
            self.metrics.add(Counter::PoolEvictions, 1);
        }
    }
}
