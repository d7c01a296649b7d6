//! The byte stream under HTTP/1.1: nothing reaches the HTTP library before its framing was checked.
//!
//! Reads go straight into the library's buffer and are checked there; only a head that is not complete yet is kept
//! here until it is. A refused head is replaced by a harmless stand-in whose request the service answers with the
//! refusal, so that answers keep their order and the connection closes by itself.
//!
//! Closing lingers: a client that is still sending when its answer is complete would lose the answer to a reset, so
//! our side is closed first (a client that writes on then sees a broken pipe, and reads) and what it sends is
//! dropped for a while.

use super::Connections;
use super::activity::Activity;
use super::stalled_write::Stall;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::framing::{ChunkError, HeadLimits, Refusal, Stop, Tracker};
use crate::runtime::ClientLink;
use crate::telemetry::{Counter, WorkerMetrics};
use std::future::poll_fn;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a closed connection is still read from. The bodies of requests were taken before, by `request`; what comes
/// now are bytes of a client that has not noticed the close.
pub(super) const GOODBYE: Duration = Duration::from_secs(5);

/// And at most this many bytes of it.
const GOODBYE_BYTES: u64 = 1024 * 1024;

/// A parked connection is read into this much first, on the stack.
const WAKE_READ: usize = 256;

/// What the wire and the service tell each other about single requests of the connection.
#[derive(Debug, Default)]
pub(super) struct WireReport {
    /// The request (from 0) that stands in for a refused head, and why that was refused.
    refusal: OnceLock<(u64, Fault)>,
    /// The request (from 0) behind which the wire is not followed any more.
    upgrade: OnceLock<u64>,
    /// That request was granted: what is behind it is no HTTP.
    switched: AtomicBool,
}

impl WireReport {
    /// The refusal that request `number` (from 0) stands in for.
    pub(super) fn refusal(&self, number: u64) -> Option<&Fault> {
        self.refusal.get().filter(|(at, _)| *at == number).map(|(_, fault)| fault)
    }

    /// Whether the wire follows nothing behind request `number` (from 0): unless its answer is 101, the connection
    /// must end with it.
    pub(super) fn is_upgrade(&self, number: u64) -> bool {
        self.upgrade.get() == Some(&number)
    }

    /// The connection is no HTTP from here on.
    pub(super) fn set_switched(&self) {
        self.switched.store(true, Ordering::Relaxed);
    }
}

/// A transport whose HTTP/1.1 framing is checked.
#[derive(Debug)]
pub(super) struct Wire<I> {
    inner: I,
    tracker: Tracker,
    report: Arc<WireReport>,
    /// Bytes that were read and not given on: the first `cleared` of them may be given.
    held: Vec<u8>,
    cleared: usize,
    /// The body broke; reading fails once `held` is given.
    broken: bool,
    /// The client closed its sending side.
    half_closed: bool,
    /// Runs while a head is incomplete.
    head_timer: Option<Pin<Box<Sleep>>>,
    head_time: Duration,
    stall: Stall,
    linger: Linger,
    activity: Arc<Activity>,
    link: ClientLink,
    metrics: WorkerMetrics,
}

/// Taking what a client still sends after its answer.
#[derive(Debug)]
struct Linger {
    time: Duration,
    left: u64,
    timer: Option<Pin<Box<Sleep>>>,
    closed: bool,
}

impl<I> Wire<I> {
    /// The wire over `inner`, and what it will report.
    pub(super) fn new(
        inner: I,
        parts: &Connections,
        activity: &Arc<Activity>,
        link: ClientLink,
    ) -> (Self, Arc<WireReport>) {
        let limits = &parts.limits;
        let head = HeadLimits {
            head: limits.head.as_usize(),
            target: limits.target.as_usize(),
            headers: limits.headers.get(),
        };
        let report = Arc::new(WireReport::default());
        let wire = Self {
            inner,
            tracker: Tracker::new(head),
            report: Arc::clone(&report),
            held: Vec::new(),
            cleared: 0,
            broken: false,
            half_closed: false,
            head_timer: None,
            head_time: parts.timeouts.head,
            stall: Stall::new(parts.timeouts.stalled_answer),
            linger: Linger {
                time: GOODBYE.min(parts.timeouts.linger),
                left: GOODBYE_BYTES.min(limits.linger.get()),
                timer: None,
                closed: false,
            },
            activity: Arc::clone(activity),
            link,
            metrics: parts.metrics.clone(),
        };
        (wire, report)
    }

    /// Puts bytes that were given on before in front again: they are cleared already.
    fn take_back(&mut self, bytes: &[u8]) {
        self.held.splice(..0, bytes.iter().copied());
        self.cleared += bytes.len();
    }

    /// Gives back what only a busy connection needs.
    pub(super) fn rest(&mut self) {
        self.activity.set_parking(false);
        self.stall.rest();
    }

    /// Whether no request is running or arriving.
    fn at_rest(&self) -> bool {
        self.tracker.between() && self.activity.idle()
    }

    /// The end of what the client sends. Until a whole request is answered and the answer has left, the library is not
    /// told: it would drop the rest, which a client that closed only its sending side still waits for.
    fn end(&self, cx: &Context<'_>) -> Poll<Result<()>> {
        if self.tracker.between() { self.activity.poll_idle(cx).map(Ok) } else { Poll::Ready(Ok(())) }
    }

    /// Gives cleared bytes on; false when there are none.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let count = self.cleared.min(buf.remaining());
        let Some(bytes) = self.held.get(..count).filter(|bytes| !bytes.is_empty()) else { return false };
        buf.put_slice(bytes);
        self.held.drain(..count);
        self.cleared -= count;
        if self.held.is_empty() {
            // An idle connection keeps no buffer.
            self.held = Vec::new();
        }
        true
    }

    /// Checks what was just read into `buf` behind `before`; true when some of it may be given now.
    fn check(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> bool {
        let fresh = buf.filled().get(before..).unwrap_or_default();
        if self.held.is_empty() {
            let cleared = self.tracker.clear(fresh, 0);
            self.note();
            if cleared.stop.is_none() && cleared.count == fresh.len() {
                return true;
            }
            self.held = fresh.get(cleared.count..).unwrap_or_default().to_vec();
            buf.set_filled(before + cleared.count);
            self.stopped(cleared.stop);
            cleared.count > 0
        } else {
            let searched = self.held.len();
            self.held.extend_from_slice(fresh);
            buf.set_filled(before);
            let cleared = self.tracker.clear(&self.held, searched);
            self.note();
            self.cleared = cleared.count;
            self.stopped(cleared.stop);
            false
        }
    }

    /// Tells the others where the stream stands now.
    fn note(&self) {
        if let Some(number) = self.tracker.upgrade() {
            // Only one can be: nothing is followed behind it.
            let _ = self.report.upgrade.set(number);
        }
        self.activity.set_receiving(!self.tracker.between());
    }

    fn stopped(&mut self, stop: Option<Stop>) {
        match stop {
            Some(Stop::Partial) => {
                if self.head_timer.is_none() || self.cleared > 0 {
                    self.head_timer = Some(Box::pin(sleep(self.head_time)));
                    self.activity.set_partial(true);
                }
                return;
            }
            Some(Stop::Refused(refusal)) => self.refuse(*refusal),
            Some(Stop::BadChunk) => {
                self.held.truncate(self.cleared);
                self.broken = true;
            }
            // Bytes behind the point where everything stopped.
            None => self.held.truncate(self.cleared),
        }
        if self.head_timer.take().is_some() {
            self.activity.set_partial(false);
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.held.truncate(self.cleared);
        self.held.extend_from_slice(&refusal.stand_in);
        self.cleared = self.held.len();
        self.tracker.stop();
        // Only one head of a connection can be refused: nothing passes behind it.
        let _ = self.report.refusal.set((self.tracker.heads(), refusal.fault));
    }

    /// Refuses the head in progress when it took too long; false while there is time.
    fn head_timed_out(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(timer) = &mut self.head_timer else { return false };
        if timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.head_timer = None;
        self.activity.set_partial(false);
        self.metrics.add(Counter::HeadTimeouts, 1);
        let fault =
            Fault::new(FaultKind::HeadTimeout, format!("the header was not complete after {:?}", self.head_time));
        self.refuse(Refusal::unread(fault));
        true
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Wire<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let me = self.get_mut();
        me.activity.set_waiting(false);
        loop {
            if me.give(buf) {
                return Poll::Ready(Ok(()));
            }
            if me.broken {
                return Poll::Ready(Err(Error::new(ErrorKind::InvalidData, ChunkError)));
            }
            if me.tracker.stopped() {
                // The stand-in asked for the end of the connection; nothing else is read.
                return Poll::Pending;
            }
            if me.half_closed {
                return me.end(cx);
            }
            let before = buf.filled().len();
            match Pin::new(&mut me.inner).poll_read(cx, buf) {
                Poll::Pending => {
                    if !me.head_timed_out(cx) {
                        me.activity.set_waiting(me.tracker.between() && me.held.is_empty());
                        return Poll::Pending;
                    }
                }
                // A client that closes without a TLS goodbye between two requests only closed; during one it has gone.
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::UnexpectedEof && me.at_rest() => {
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) if buf.filled().len() == before => {
                    me.half_closed = true;
                    return me.end(cx);
                }
                Poll::Ready(Ok(())) => {
                    if me.check(buf, before) {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let me = self.get_mut();
        me.activity.set_unflushed(true);
        let result = Pin::new(&mut me.inner).poll_write(cx, bytes);
        me.stall.watch(cx, result, &me.metrics, &me.link)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let me = self.get_mut();
        me.activity.set_unflushed(true);
        let result = Pin::new(&mut me.inner).poll_write_vectored(cx, bytes);
        me.stall.watch(cx, result, &me.metrics, &me.link)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let me = self.get_mut();
        let result = Pin::new(&mut me.inner).poll_flush(cx);
        if result.is_ready() {
            me.activity.set_unflushed(false);
        }
        me.stall.watch(cx, result, &me.metrics, &me.link)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let me = self.get_mut();
        if me.activity.parking() {
            return Poll::Ready(Ok(()));
        }
        let time = me.linger.time;
        let timer = me.linger.timer.get_or_insert_with(|| Box::pin(sleep(time)));
        let late = timer.as_mut().poll(cx).is_ready();
        if !me.linger.closed {
            match Pin::new(&mut me.inner).poll_shutdown(cx) {
                Poll::Pending if !late => return Poll::Pending,
                Poll::Pending => return Poll::Ready(Err(ErrorKind::TimedOut.into())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => me.linger.closed = true,
            }
        }
        // Behind a switch what still comes is for the target.
        let switched = me.report.switched.load(Ordering::Relaxed);
        if switched || (me.tracker.between() && me.held.is_empty()) {
            return Poll::Ready(Ok(()));
        }
        me.drop_the_rest(cx, late)
    }
}

impl<I: AsyncRead + Unpin> Wire<I> {
    /// Waits for the client, with no buffer but what it sends; true for a head or a part of one, false when it closed.
    /// What came is read again by whoever reads next.
    ///
    /// # Errors
    /// The transport's.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub(super) async fn woken(&mut self) -> Result<bool> {
        poll_fn(|cx| {
            let mut piece = [0; WAKE_READ];
            let mut buf = ReadBuf::new(&mut piece);
            match Pin::new(&mut *self).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) => {
                    self.take_back(buf.filled());
                    Poll::Ready(Ok(!buf.filled().is_empty()))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                // A head has begun: it has a deadline of its own.
                Poll::Pending if !self.held.is_empty() => Poll::Ready(Ok(true)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Reads and drops what the client still sends, until it closes, or time or bytes run out.
    fn drop_the_rest(&mut self, cx: &mut Context<'_>, late: bool) -> Poll<Result<()>> {
        let mut scratch = [0; 16 * 1024];
        loop {
            if late || self.linger.left == 0 {
                self.metrics.add(Counter::LingerCutOff, 1);
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {
                    self.linger.left = self.linger.left.saturating_sub(buf.filled().len() as u64)
                }
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}
