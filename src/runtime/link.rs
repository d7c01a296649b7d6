//! What the two ends of one client connection tell each other past the HTTP library.
//!
//! Three things: that the transport gave up on a client; that a body is still taken behind its answer; and heads that go
//! out before an answer (103 Early Hints), which the library has no way to send. A request gives one such head at a time
//! and waits until it is written, so that it stands before the request's own answer and behind every earlier one.

use super::clock::now;
use http::{HeaderMap, StatusCode};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Instant;
use tokio::sync::oneshot;

/// Shared by a connection's transport and its requests; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ClientLink(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stalled: AtomicBool,
    /// Heads wait; looked at before the lock is taken.
    waiting: AtomicBool,
    /// No heads are taken.
    refused: AtomicBool,
    /// At most one for each running request.
    interims: Mutex<VecDeque<Interim>>,
    transport: Mutex<Option<Waker>>,
    /// Bodies that are taken behind their answers.
    late_bodies: AtomicUsize,
    /// When the last of them ended.
    late_body_ended: Mutex<Option<Instant>>,
}

/// A body that is taken behind its answer; counted until it is dropped.
#[derive(Debug)]
pub struct LateBody(ClientLink);

/// A head that goes out before its request's answer.
#[derive(Debug)]
pub struct Interim {
    /// The HTTP/2 stream of its request; 0 on HTTP/1.1.
    pub stream: u32,
    /// From 102 to 199.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    written: oneshot::Sender<()>,
}

impl Interim {
    /// Whether its request still runs.
    #[must_use]
    pub fn wanted(&self) -> bool {
        !self.written.is_closed()
    }

    /// It is written: its request goes on.
    pub fn done(self) {
        // The request may have ended meanwhile.
        let _ = self.written.send(());
    }
}

/// The hand of one request that gives heads to its transport.
#[derive(Clone, Debug)]
pub struct InterimSender {
    link: ClientLink,
    stream: u32,
}

impl ClientLink {
    /// A link without news.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The transport gives up on a client that takes no bytes; what is dropped now is dropped for that reason.
    pub fn set_stalled(&self, stalled: bool) {
        self.0.stalled.store(stalled, Ordering::Relaxed);
    }

    /// Whether the transport gave up on the client.
    #[must_use]
    pub fn stalled(&self) -> bool {
        self.0.stalled.load(Ordering::Relaxed)
    }

    /// A body goes on behind its answer: the connection is not idle meanwhile.
    #[must_use]
    pub fn late_body(&self) -> LateBody {
        self.0.late_bodies.fetch_add(1, Ordering::Relaxed);
        LateBody(self.clone())
    }

    /// Whether bodies are taken behind their answers.
    #[must_use]
    pub fn has_late_body(&self) -> bool {
        self.0.late_bodies.load(Ordering::Relaxed) > 0
    }

    /// When the last of them ended.
    #[must_use]
    pub fn late_body_ended(&self) -> Option<Instant> {
        *self.0.late_body_ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hand of the request on HTTP/2 stream `stream`; 0 on HTTP/1.1.
    #[must_use]
    pub fn interims(&self, stream: u32) -> InterimSender {
        InterimSender { link: self.clone(), stream }
    }

    /// The next head to write.
    #[must_use]
    pub fn take_interim(&self) -> Option<Interim> {
        if !self.0.waiting.load(Ordering::Acquire) {
            return None;
        }
        let mut waiting = self.0.interims.lock().unwrap_or_else(PoisonError::into_inner);
        let next = waiting.pop_front();
        self.0.waiting.store(!waiting.is_empty(), Ordering::Release);
        next
    }

    /// Takes no heads from here on, nor those that wait.
    pub fn refuse_interims(&self) {
        self.0.refused.store(true, Ordering::Relaxed);
        self.0.interims.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Has the transport's task woken when a head is given. For transports whose requests run in other tasks.
    pub fn wake_for_interims(&self, cx: &Context<'_>) {
        let mut transport = self.0.transport.lock().unwrap_or_else(PoisonError::into_inner);
        if transport.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            *transport = Some(cx.waker().clone());
        }
    }
}

impl Drop for LateBody {
    fn drop(&mut self) {
        let shared = &self.0.0;
        *shared.late_body_ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(now());
        shared.late_bodies.fetch_sub(1, Ordering::Relaxed);
    }
}

impl InterimSender {
    /// Gives a head to the transport and waits until it is written, or will never be.
    ///
    /// # Cancel safety
    /// A head that is not begun yet is not written any more.
    pub async fn send(&self, status: StatusCode, headers: HeaderMap) {
        let shared = &self.link.0;
        if shared.refused.load(Ordering::Relaxed) {
            return;
        }
        let (written, is_written) = oneshot::channel();
        let interim = Interim { stream: self.stream, status, headers, written };
        shared.interims.lock().unwrap_or_else(PoisonError::into_inner).push_back(interim);
        shared.waiting.store(true, Ordering::Release);
        if let Some(transport) = &*shared.transport.lock().unwrap_or_else(PoisonError::into_inner) {
            transport.wake_by_ref();
        }
        // An error is a transport that dropped it.
        let _ = is_written.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Poll;

    #[test]
    fn a_head_waits_for_its_transport_and_its_request_for_both() {
        let link = ClientLink::new();
        let hand = link.interims(3);
        let cx = &mut Context::from_waker(Waker::noop());
        link.wake_for_interims(cx);
        assert!(link.take_interim().is_none());
        let mut sending = pin!(hand.send(StatusCode::EARLY_HINTS, HeaderMap::new()));
        assert!(sending.as_mut().poll(cx).is_pending());
        let interim = link.take_interim().unwrap();
        assert!((interim.stream, interim.status.as_u16(), interim.wanted()) == (3, 103, true));
        assert!(sending.as_mut().poll(cx).is_pending() && link.take_interim().is_none());
        interim.done();
        assert_eq!(sending.as_mut().poll(cx), Poll::Ready(()));
    }

    #[test]
    fn a_request_that_is_gone_wants_nothing_written() {
        let link = ClientLink::new();
        let hand = link.interims(0);
        {
            let cx = &mut Context::from_waker(Waker::noop());
            assert!(pin!(hand.send(StatusCode::PROCESSING, HeaderMap::new())).poll(cx).is_pending());
        }
        assert!(link.take_interim().is_some_and(|interim| !interim.wanted()));
    }

    #[test]
    fn a_transport_that_takes_none_keeps_nobody_waiting() {
        let link = ClientLink::new();
        let hand = link.interims(1);
        let cx = &mut Context::from_waker(Waker::noop());
        let mut sending = pin!(hand.send(StatusCode::EARLY_HINTS, HeaderMap::new()));
        assert!(sending.as_mut().poll(cx).is_pending());
        link.refuse_interims();
        assert_eq!(sending.as_mut().poll(cx), Poll::Ready(()));
        assert_eq!(pin!(hand.send(StatusCode::EARLY_HINTS, HeaderMap::new())).poll(cx), Poll::Ready(()));
        assert!(link.take_interim().is_none());
    }
}
