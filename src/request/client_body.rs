//! A request's body as the client sends it, read to its end even when nobody wants the rest.
//!
//! An answer may be complete while the client still sends: a refused upload (401, 413), a wrong host. Dropping the body
//! then resets the connection or stream, and many clients lose the answer with it. So the rest is read and dropped
//! for a while.
//! Limits: `limits.linger`, `timeouts.linger`.

use super::scope::Worker;
use crate::domain::settings::Settings;
use crate::runtime::Deadline;
use crate::telemetry::Counter;
use bytes::Bytes;
use http::{Request, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A client's body; what is left of it when it is dropped is read by a task of its own.
#[derive(Debug)]
pub(super) struct ClientBody {
    inner: Option<Incoming>,
    worker: Arc<Worker>,
    /// The client waits for `100 Continue`, which goes out when the body is first asked for.
    unasked: bool,
}

impl ClientBody {
    /// Wraps the body of `request`.
    pub(super) fn of(request: Request<Incoming>, worker: &Arc<Worker>) -> Request<Self> {
        let unasked = request.headers().contains_key(header::EXPECT);
        request.map(|inner| Self {
            inner: (!inner.is_end_stream()).then_some(inner),
            worker: Arc::clone(worker),
            unasked,
        })
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.unasked = false;
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let frame = Pin::new(inner).poll_frame(cx);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.inner = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        let Some(rest) = self.inner.take().filter(|rest| !rest.is_end_stream() && !self.unasked) else { return };
        let worker = Arc::clone(&self.worker);
        self.worker.tasks.spawn_late("unread body", async move {
            let settings = worker.settings();
            if Deadline::after(settings.timeouts.linger).bound(read(rest, &settings)).await != Some(true) {
                worker.metrics.add(Counter::LingerCutOff, 1);
            }
        });
    }
}

/// Reads and drops; false when there was more than the limit.
async fn read(mut rest: Incoming, settings: &Settings) -> bool {
    let mut left = settings.limits.linger.get();
    while let Some(Ok(frame)) = rest.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        if left == 0 {
            return false;
        }
    }
    true
}
