//! A request's body as the client sends it, read to its end even when nobody wants the rest.
//!
//! An answer may be complete while the client still sends: a refused upload (401, 413), a wrong host. Dropping the body
//! then resets the connection or stream, and many clients lose the answer with it. So the rest is read and dropped
//! for a while.
//! Limits: `limits.linger`, `timeouts.linger`.

use crate::domain::settings::Settings;
use crate::runtime::{ClientLink, Deadline, Tasks};
use crate::telemetry::{Counter, WorkerMetrics};
use bytes::Bytes;
use http::{Request, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How what is left of bodies is read; one for each worker.
#[derive(Debug)]
pub(super) struct Leftovers {
    tasks: Tasks,
    metrics: WorkerMetrics,
    bytes: u64,
    time: Duration,
}

impl Leftovers {
    pub(super) fn new(tasks: Tasks, metrics: WorkerMetrics, settings: &Settings) -> Arc<Self> {
        Arc::new(Self { tasks, metrics, bytes: settings.limits.linger.get(), time: settings.timeouts.linger })
    }
}

/// A client's body; what is left of it when it is dropped is read by a task of its own.
#[derive(Debug)]
pub(super) struct ClientBody(Option<Coming>);

/// A body that has not ended.
#[derive(Debug)]
struct Coming {
    incoming: Incoming,
    leftovers: Arc<Leftovers>,
    link: ClientLink,
    /// The client waits for `100 Continue`, which goes out when the body is first asked for.
    unasked: bool,
}

impl ClientBody {
    /// Wraps the body of `request`, which came over the connection of `link`.
    pub(super) fn of(request: Request<Incoming>, leftovers: &Arc<Leftovers>, link: &ClientLink) -> Request<Self> {
        if request.body().is_end_stream() {
            return request.map(|_| Self(None));
        }
        let unasked = request.headers().contains_key(header::EXPECT);
        request.map(|incoming| {
            Self(Some(Coming { incoming, leftovers: Arc::clone(leftovers), link: link.clone(), unasked }))
        })
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(coming) = &mut self.0 else { return Poll::Ready(None) };
        coming.unasked = false;
        let frame = Pin::new(&mut coming.incoming).poll_frame(cx);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|coming| coming.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |coming| coming.incoming.size_hint())
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        let Some(Coming { incoming: rest, leftovers, link, unasked }) = self.0.take() else { return };
        if rest.is_end_stream() || unasked {
            return;
        }
        let late = link.late_body();
        let tasks = leftovers.tasks.clone();
        tasks.spawn_late("unread body", async move {
            let _late = late;
            if Deadline::after(leftovers.time).bound(read(rest, leftovers.bytes)).await != Some(true) {
                leftovers.metrics.add(Counter::LingerCutOff, 1);
            }
        });
    }
}

/// Reads and drops; false when there was more than the limit.
async fn read(mut rest: Incoming, mut left: u64) -> bool {
    while let Some(Ok(frame)) = rest.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        if left == 0 {
            return false;
        }
    }
    true
}
