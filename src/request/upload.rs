//! A request's body on its way to the target: counted, limited, timed, never kept.
//!
//! Limits: `services.*.max_body`, `limits.min_upload_rate` over `timeouts.slow_body`.

use super::client_body::ClientBody;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::hop_by_hop::allowed_in_trailers;
use crate::domain::settings::Settings;
use crate::domain::units::ByteSize;
use crate::runtime::now;
use crate::telemetry::{AccessRecord, Counter, UploadGuard, WorkerMetrics};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep};

/// What is known about a body under way; shared by the body and by whoever waits for the answer.
#[derive(Debug)]
pub(super) struct Upload {
    begun: Instant,
    bytes: AtomicU64,
    /// Milliseconds from `begun` to the last frame.
    moved: AtomicU64,
    fault: OnceLock<Fault>,
    max: Option<u64>,
    rate_min: u64,
    window: Duration,
    metrics: WorkerMetrics,
    /// Where it is shown while it is under way.
    shown: Option<UploadGuard>,
}

impl Upload {
    pub(super) fn new(
        settings: &Settings,
        max_body: Option<ByteSize>,
        metrics: WorkerMetrics,
        shown: Option<UploadGuard>,
    ) -> Arc<Self> {
        Arc::new(Self {
            begun: now(),
            bytes: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            fault: OnceLock::new(),
            max: max_body.map(ByteSize::get),
            rate_min: settings.limits.min_upload_rate.get(),
            window: settings.timeouts.slow_body,
            metrics,
            shown,
        })
    }

    /// Bytes taken from the client.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// When the last bytes were taken.
    pub(super) fn moved(&self) -> Instant {
        self.begun + Duration::from_millis(self.moved.load(Ordering::Relaxed))
    }

    /// Why it ended early, if it did.
    pub(super) fn fault(&self) -> Option<&Fault> {
        self.fault.get()
    }

    fn count(&self, bytes: u64, at: Instant) -> Result<(), UploadError> {
        let total = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.moved.store(u64::try_from((at - self.begun).as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if let Some(shown) = &self.shown {
            shown.received(total);
        }
        match self.max {
            Some(max) if total > max => {
                self.metrics.add(Counter::BodyTooLarge, 1);
                Err(self.fail(FaultKind::BodyTooLarge, format!("more than {max} bytes of body")))
            }
            _ => Ok(()),
        }
    }

    fn fail(&self, kind: FaultKind, detail: impl Into<std::borrow::Cow<'static, str>>) -> UploadError {
        let _ = self.fault.set(Fault::new(kind, detail));
        UploadError
    }
}

/// A record under way and the body that it belongs to; the record learns how much of that came, however the request ends.
pub(super) struct Counted<'a> {
    pub(super) record: &'a mut AccessRecord,
    pub(super) upload: Option<Arc<Upload>>,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            self.record.bytes_in = upload.bytes();
        }
    }
}

/// The body ended early; `Upload::fault` says why. The request to the target is cut, never completed.
#[derive(Debug)]
pub struct UploadError;

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request body ended early")
    }
}

impl Error for UploadError {}

/// The body that a target is sent.
#[derive(Debug)]
pub struct OutgoingBody(Form);

#[derive(Debug)]
enum Form {
    /// Here as a whole; empty once it was taken.
    Whole(Bytes),
    /// As the client sends it.
    Streaming(Box<Streaming>),
}

#[derive(Debug)]
struct Streaming {
    inner: ClientBody,
    upload: Arc<Upload>,
    pace: Pace,
}

/// How fast the client sends. Only time spent waiting for the client counts, not time the target takes.
#[derive(Debug, Default)]
struct Pace {
    waiting_since: Option<Instant>,
    waited: Duration,
    bytes: u64,
    timer: Option<Pin<Box<Sleep>>>,
}

impl OutgoingBody {
    pub(super) const fn empty() -> Self {
        Self(Form::Whole(Bytes::new()))
    }

    pub(super) fn streaming(inner: ClientBody, upload: Arc<Upload>) -> Self {
        Self(Form::Streaming(Box::new(Streaming { inner, upload, pace: Pace::default() })))
    }

    /// Takes in a body of `length` bytes as the client sends it.
    ///
    /// # Errors
    /// As the body's own; also where it ends before.
    ///
    /// # Cancel safety
    /// What came so far is lost when dropped.
    pub(super) async fn gather(&mut self, length: u64) -> Result<(), UploadError> {
        let Form::Streaming(streaming) = &mut self.0 else { return Ok(()) };
        let whole = streaming.whole(length).await?;
        self.0 = Form::Whole(whole);
        Ok(())
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match &mut self.0 {
            Form::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Form::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Form::Streaming(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Form::Whole(bytes) => bytes.is_empty(),
            Form::Streaming(body) => body.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Form::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Form::Streaming(body) => body.inner.size_hint(),
        }
    }
}

impl Streaming {
    /// The whole body. What comes in one piece, as most small ones do, is not copied.
    async fn whole(&mut self, length: u64) -> Result<Bytes, UploadError> {
        let mut pieces = Vec::new();
        loop {
            // Trailers have no place behind a body of known length.
            let data = match poll_fn(|cx| self.poll(cx)).await {
                Some(frame) => frame?.into_data().unwrap_or_default(),
                // Only its end shows that it is empty.
                None if length == 0 => return Ok(Bytes::new()),
                None => return Err(self.upload.fail(FaultKind::BadBody, "the body is shorter than its length")),
            };
            if length == 0 && data.is_empty() {
                continue;
            }
            if pieces.is_empty() && data.len() as u64 >= length {
                return Ok(data);
            }
            pieces.extend_from_slice(&data);
            if pieces.len() as u64 >= length {
                return Ok(pieces.into());
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else {
            return self.pace.wait(cx, &self.upload).map(|error| Some(Err(error)));
        };
        let at = now();
        let frame = match frame {
            None => None,
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.pace.came(at, bytes, &self.upload)?;
                self.upload.count(bytes, at)?;
                Some(Ok(frame.map_trailers_checked()))
            }
            Some(Err(error)) => Some(Err(self.broken(&error))),
        };
        Poll::Ready(frame)
    }

    /// The client left, or its body broke its framing.
    fn broken(&self, error: &hyper::Error) -> UploadError {
        let io = std::iter::successors(error.source(), |error: &&(dyn Error + 'static)| (*error).source())
            .find_map(|error| error.downcast_ref::<io::Error>());
        let (kind, detail) = match io.map(io::Error::kind) {
            Some(
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::InvalidData
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::Other,
            ) => (
                FaultKind::BadBody,
                format!("the body broke off or its chunks are malformed after {} bytes", self.upload.bytes()),
            ),
            // Resets, and every error of HTTP/2, where a body ends early only by a reset.
            _ => (
                FaultKind::ClientGone,
                format!("the client broke off after {} bytes of its body: {error}", self.upload.bytes()),
            ),
        };
        self.upload.fail(kind, detail)
    }
}

impl Pace {
    /// The client sent `bytes`.
    fn came(&mut self, at: Instant, bytes: u64, upload: &Upload) -> Result<(), UploadError> {
        self.bytes += bytes;
        match self.waiting_since.take() {
            Some(since) => {
                self.waited += at.saturating_duration_since(since);
                self.judge(upload)
            }
            None => Ok(()),
        }
    }

    /// Once a whole window was spent waiting: an error for too few bytes, else a new window.
    fn judge(&mut self, upload: &Upload) -> Result<(), UploadError> {
        if self.waited < upload.window {
            return Ok(());
        }
        let wanted = upload.rate_min.saturating_mul(upload.window.as_millis().try_into().unwrap_or(u64::MAX)) / 1_000;
        if self.bytes < wanted {
            upload.metrics.add(Counter::SlowBodies, 1);
            let detail = format!("{} bytes of body in {:?}, at least {wanted} wanted", self.bytes, self.waited);
            return Err(upload.fail(FaultKind::SlowBody, detail));
        }
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        Ok(())
    }

    /// Waits for the client; an error once it was slower than the least rate over a whole window.
    fn wait(&mut self, cx: &mut Context<'_>, upload: &Upload) -> Poll<UploadError> {
        let mut since = *self.waiting_since.get_or_insert_with(now);
        loop {
            let left = upload.window.saturating_sub(self.waited);
            // Kept from wait to wait and set anew only when it fires: most waits are far shorter.
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(left)));
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
            let at = now();
            self.waited += at.saturating_duration_since(since);
            (since, self.waiting_since) = (at, Some(at));
            if let Err(error) = self.judge(upload) {
                return Poll::Ready(error);
            }
        }
    }
}

/// Trailers with only the fields that may be passed on.
pub(super) trait CheckedTrailers {
    fn map_trailers_checked(self) -> Self;
}

impl CheckedTrailers for Frame<Bytes> {
    fn map_trailers_checked(self) -> Self {
        match self.into_trailers() {
            Ok(mut trailers) => {
                let refused = trailers.keys().filter(|name| !allowed_in_trailers(name)).cloned().collect::<Vec<_>>();
                for name in refused {
                    trailers.remove(name);
                }
                Self::trailers(trailers)
            }
            Err(data) => data,
        }
    }
}
