//! Whether a connection has requests running, and since when it has none.

use crate::runtime::{ClientLink, now};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Requests running on one connection.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    running: AtomicUsize,
    /// Milliseconds from `opened` to the end of the last request.
    idle_since: AtomicU64,
    /// Requests ever begun.
    begun: AtomicU64,
    /// A head has begun to arrive; the wire has its own deadline for it.
    partial: AtomicBool,
    /// The client has closed its sending side; whoever reads waits for the running request.
    ending: AtomicBool,
    reader: Mutex<Option<Waker>>,
    /// A body is still arriving, though its request may have been answered.
    receiving: AtomicBool,
    /// The library has asked for the next head, and holds nothing that it has read before.
    waiting: AtomicBool,
    /// Something that was written may not have left.
    unflushed: AtomicBool,
    /// The library is to let go of the transport without closing it.
    parking: AtomicBool,
    /// The connection shall end with its next answer.
    leaving: AtomicBool,
    /// Tells of bodies that are taken behind their answers.
    link: ClientLink,
}

/// One running request; counts down when dropped.
#[derive(Debug)]
pub(super) struct Running(Arc<Activity>);

impl Activity {
    pub(super) fn new(link: ClientLink) -> Arc<Self> {
        Arc::new(Self {
            opened: now(),
            running: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            partial: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            reader: Mutex::new(None),
            receiving: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            unflushed: AtomicBool::new(false),
            parking: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            link,
        })
    }

    /// Counts a request as begun; returns its number on this connection, from 0.
    pub(super) fn begin(self: &Arc<Self>) -> (u64, Running) {
        self.running.fetch_add(1, Ordering::Relaxed);
        (self.begun.fetch_add(1, Ordering::Relaxed), Running(Arc::clone(self)))
    }

    /// Notes whether a head has begun to arrive.
    pub(super) fn set_partial(&self, partial: bool) {
        self.partial.store(partial, Ordering::Relaxed);
    }

    /// Ready once no request runs and its answer has left; the client will send no more.
    pub(super) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        self.ending.store(true, Ordering::Relaxed);
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        if self.idle() && !self.unflushed() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Notes whether the client is in the middle of a body.
    pub(super) fn set_receiving(&self, receiving: bool) {
        self.receiving.store(receiving, Ordering::Relaxed);
    }

    /// Notes whether the library waits for the next head, with nothing before it.
    pub(super) fn set_waiting(&self, waiting: bool) {
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    /// Notes whether something written may not have left.
    pub(super) fn set_unflushed(&self, unflushed: bool) {
        self.unflushed.store(unflushed, Ordering::Relaxed);
        if !unflushed {
            self.wake_reader();
        }
    }

    /// Notes whether the library is to let go of the transport without closing it.
    pub(super) fn set_parking(&self, parking: bool) {
        self.parking.store(parking, Ordering::Relaxed);
    }

    /// Whether the library is to let go of the transport without closing it.
    pub(super) fn parking(&self) -> bool {
        self.parking.load(Ordering::Relaxed)
    }

    /// Since when nothing is under way in either direction: no request, no byte read ahead of one, no byte of an
    /// answer. `None` while something is.
    pub(super) fn quiet_since(&self) -> Option<Instant> {
        let quiet = self.idle()
            && self.waiting.load(Ordering::Relaxed)
            && !self.partial.load(Ordering::Relaxed)
            && !self.receiving.load(Ordering::Relaxed)
            && !self.unflushed()
            && !self.link.has_late_body();
        quiet.then(|| self.idle_since())
    }

    /// Makes the next answer the last.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether the next answer is the last.
    fn leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Whether it ever had a request.
    pub(super) fn used(&self) -> bool {
        self.begun.load(Ordering::Relaxed) > 0
    }

    pub(super) fn idle(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }

    /// When a connection without a request is to be closed: `first` after it was opened, while it never had one, or
    /// `keep_alive` after the last one; `linger` after it while its body is still arriving. `None` while a request is
    /// running, the head of one is arriving, an answer is leaving, or a body is taken behind its answer: each of these
    /// has a limit of its own.
    pub(super) fn expiry(&self, first: Duration, keep_alive: Duration, linger: Duration) -> Option<Instant> {
        if !self.idle() || self.partial.load(Ordering::Relaxed) || self.unflushed() || self.link.has_late_body() {
            return None;
        }
        Some(match self.begun.load(Ordering::Relaxed) {
            0 => self.opened + first,
            _ if self.receiving.load(Ordering::Relaxed) => self.idle_since() + keep_alive.max(linger),
            _ => self.idle_since() + keep_alive,
        })
    }

    /// Until when a connection that was asked to end is left alone: what is left of its last answer, at most `answer`
    /// after that, or of the body before it, at most `linger`.
    pub(super) fn end(&self, answer: Duration, linger: Duration) -> Instant {
        match self.begun.load(Ordering::Relaxed) {
            0 => self.opened,
            _ if self.receiving.load(Ordering::Relaxed) => self.idle_since() + answer.max(linger),
            _ => self.idle_since() + answer,
        }
    }

    fn idle_since(&self) -> Instant {
        let since = self.opened + Duration::from_millis(self.idle_since.load(Ordering::Relaxed));
        self.link.late_body_ended().map_or(since, |ended| since.max(ended))
    }

    fn unflushed(&self) -> bool {
        self.unflushed.load(Ordering::Relaxed)
    }

    /// Whoever reads looks again whether the client's end may be told.
    fn wake_reader(&self) {
        if self.ending.load(Ordering::Relaxed)
            && let Some(reader) = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            reader.wake();
        }
    }
}

impl Running {
    /// Whether its answer shall be the last; never over HTTP/2, which has other means.
    pub(super) fn is_last(&self) -> bool {
        self.0.leaving()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let since = now().saturating_duration_since(self.0.opened).as_millis();
        self.0.idle_since.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.0.running.fetch_sub(1, Ordering::Relaxed);
        self.0.wake_reader();
    }
}
