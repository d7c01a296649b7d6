//! The body of an answer: our own text, or a target's bytes passed on as they come.
//!
//! Owns: what an answer holds until its last byte (record, lease, place, connection) and gives back after it.
//! Limits: `timeouts.target_idle`.

use super::admit::Permit;
use super::rescue::Rescue;
use super::scope::Worker;
use super::upload::{CheckedTrailers, Upload};
use crate::domain::fault::{Fault, FaultKind};
use crate::runtime::{ClientLink, now};
use crate::telemetry::{AccessRecord, Counter};
use crate::upstream::{Answering, Lease};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

/// The body of an answer. Its record is written when it is dropped.
#[derive(Debug)]
pub struct AnswerBody {
    source: Source,
    /// The last frame was given.
    ended: bool,
    record: Option<Box<AccessRecord>>,
    link: ClientLink,
    /// What went wrong, told once everything before it is on its way.
    failure: Option<AnswerError>,
}

/// Where an answer's bytes come from.
#[derive(Debug)]
pub(super) enum Source {
    /// Made here.
    Own(Bytes),
    /// A target's.
    Target(Box<Relay>),
    /// None: the connection becomes a tunnel, whose task waits for the record.
    Tunnel(Option<oneshot::Sender<Box<AccessRecord>>>),
}

/// A target's answer under way.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) answering: Answering,
    pub(super) upload: Option<Arc<Upload>>,
    pub(super) worker: Arc<Worker>,
    pub(super) silence: Silence,
    /// For an answer that can go on elsewhere.
    pub(super) rescue: Option<Box<Rescue>>,
    /// Given back with the target's last byte, however long the client takes for it.
    pub(super) lease: Option<Lease>,
    /// The request's place, given back when the answer is over.
    pub(super) _permit: Permit,
}

/// How long a target has been silent.
#[derive(Debug)]
pub(super) struct Silence {
    limit: Duration,
    since: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

/// The answer cannot be completed; the client sees a broken connection or stream, never a clean end.
#[derive(Debug)]
pub struct AnswerError(FaultKind);

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code())
    }
}

impl std::error::Error for AnswerError {}

impl AnswerBody {
    pub(super) fn new(source: Source, record: Option<Box<AccessRecord>>, link: ClientLink) -> Self {
        // Over HTTP/2 the library would send the text with an answer to HEAD too.
        let head = record.as_ref().is_some_and(|record| record.method == http::Method::HEAD);
        let mut body = Self { source, ended: false, record, link, failure: None };
        // Answers to HEAD, 204 and 304 end before they are asked for a frame.
        body.ended = match &mut body.source {
            Source::Own(text) => head || text.is_empty(),
            // The body of a file that was asked for in place of its head is for nobody.
            Source::Target(relay) => relay.ended() || head,
            Source::Tunnel(_) => true,
        };
        body
    }

    fn count(&mut self, frame: &Frame<Bytes>) {
        if let (Some(record), Some(data)) = (&mut self.record, frame.data_ref()) {
            record.bytes_out += data.len() as u64;
        }
    }

    fn fail(&mut self, kind: FaultKind, detail: String) -> AnswerError {
        if let Some(record) = &mut self.record {
            record.fault = Some(Fault::new(kind, detail));
        }
        self.ended = true;
        AnswerError(kind)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let (frame, ended) = match &mut self.source {
            Source::Own(text) => (Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))), true),
            Source::Target(relay) => relay.poll(cx),
            Source::Tunnel(_) => (Poll::Ready(None), true),
        };
        self.ended |= ended;
        match frame {
            Poll::Ready(Some(Ok(frame))) => {
                self.count(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err((kind, detail)))) => {
                // The server library drops what it has not written when a body fails; asked once more, it writes first.
                self.failure = Some(self.fail(kind, detail));
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.failure.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(text) => SizeHint::with_exact(text.len() as u64),
            Source::Target(relay) => relay.answering.size_hint(),
            Source::Tunnel(_) => SizeHint::with_exact(0),
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        let Some(record) = &mut self.record else { return };
        if let Source::Target(relay) = &self.source {
            record.bytes_in = relay.upload.as_ref().map_or(0, |upload| upload.bytes());
        }
        // HEAD needs no body of ours either.
        if !self.ended && record.fault.is_none() && record.method != http::Method::HEAD {
            record.fault = Some(match self.link.stalled() {
                true => Fault::new(FaultKind::StalledClient, "the client took no bytes of its answer"),
                false => Fault::new(record.broken_off(), "the answer was not taken to its end"),
            });
        }
    }
}

type Step = (Poll<Option<Result<Frame<Bytes>, (FaultKind, String)>>>, bool);

impl Relay {
    /// The next frame, and whether it was the last.
    fn poll(&mut self, cx: &mut Context<'_>) -> Step {
        if let Some(fault) = self.upload.as_ref().and_then(|upload| upload.fault()) {
            return (Poll::Ready(Some(Err((fault.kind, fault.detail.clone().into_owned())))), true);
        }
        match self.next(cx) {
            // Whoever looks for the rest has a patience of its own.
            Poll::Pending if self.is_searching() => (Poll::Pending, false),
            Poll::Pending => match self.silence.wait(cx) {
                Poll::Pending => (Poll::Pending, false),
                Poll::Ready(limit) => {
                    self.worker.metrics.add(Counter::TargetIdleTimeouts, 1);
                    let detail = format!("the target was silent for {limit:?} inside its answer");
                    (Poll::Ready(Some(Err((FaultKind::Truncated, detail)))), true)
                }
            },
            Poll::Ready(Some(Ok(frame))) => {
                self.silence.since = now();
                if let (Some(rescue), Some(data)) = (&mut self.rescue, frame.data_ref()) {
                    rescue.came(data.len());
                }
                (Poll::Ready(Some(Ok(frame.map_trailers_checked()))), self.ended())
            }
            Poll::Ready(Some(Err(detail))) => (Poll::Ready(Some(Err((FaultKind::Truncated, detail)))), true),
            Poll::Ready(None) => (Poll::Ready(None), self.ended()),
        }
    }

    /// What the target gives next. A download that it broke off goes on from wherever its rest is found.
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        loop {
            if !self.is_searching() {
                let cut = match self.answering.poll_frame(cx) {
                    Poll::Ready(Some(Err(cut))) => cut.to_string(),
                    other => return other.map_err(|cut| cut.to_string()),
                };
                // Its slot is free before another one is looked for.
                if let Some(lease) = self.lease.take() {
                    lease.target().broke(&cut);
                }
                if !self.rescue.as_mut().is_some_and(|rescue| rescue.begin(&self.worker, &cut)) {
                    return Poll::Ready(Some(Err(cut)));
                }
            }
            let Some(rescue) = &mut self.rescue else { return Poll::Ready(None) };
            match ready!(rescue.poll(&self.worker, cx)) {
                Ok((answering, lease)) => {
                    (self.answering, self.lease) = (answering, Some(lease));
                    self.silence.since = now();
                }
                Err(cut) => return Poll::Ready(Some(Err(cut))),
            }
        }
    }

    fn is_searching(&self) -> bool {
        self.rescue.as_ref().is_some_and(|rescue| rescue.is_under_way())
    }

    /// Whether the answer is complete; its connection may then carry another request.
    fn ended(&mut self) -> bool {
        if let Some(connection) = self.answering.take_free() {
            self.worker.pool.put_back(connection);
        }
        let ended = self.answering.ended();
        if ended {
            self.lease = None;
        }
        ended
    }
}

impl Silence {
    /// Silent from `since` on.
    pub(super) fn new(limit: Duration, since: Instant) -> Self {
        Self { limit, since, timer: None }
    }

    /// Ready with the limit once it has passed.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        loop {
            let until = self.since + self.limit;
            // Made once and moved on only when it fires, so that a busy answer pays nothing for it.
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.limit)));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if until <= now() {
                return Poll::Ready(self.limit);
            }
            timer.as_mut().reset(until.into());
        }
    }
}
