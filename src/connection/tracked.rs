//! The service as a connection sees it: counts requests from call to last body byte, and hands over what the wire
//! refused.

use super::activity::{Activity, Running};
use super::interim::FRAME_MAX;
use super::stall::StreamWatch;
use super::wire::WireReport;
use crate::domain::facts::Refused;
use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A service whose requests are counted.
pub(super) struct Tracked<S> {
    pub(super) inner: S,
    pub(super) activity: Arc<Activity>,
    /// HTTP/1.1 only.
    pub(super) wire: Option<Arc<WireReport>>,
}

pin_project! {
    /// A running call.
    pub(super) struct Call<F> {
        #[pin]
        inner: F,
        running: Option<Running>,
        // Where it asks for a WebSocket, which the wire takes for granted.
        upgrade: Option<Arc<WireReport>>,
    }
}

pin_project! {
    /// An answer's body; its request runs until it is dropped.
    pub(super) struct TrackedBody<B> {
        #[pin]
        inner: B,
        running: Running,
        watch: Option<Arc<StreamWatch>>,
        // HTTP/2 only: what is not handed out yet of a frame.
        rest: Option<Box<Bytes>>,
    }
}

impl<S, B> Service<Request<Incoming>> for Tracked<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
{
    type Response = Response<TrackedBody<B>>;
    type Error = S::Error;
    type Future = Call<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let (number, running) = self.activity.begin();
        if let Some(fault) = self.wire.as_ref().and_then(|wire| wire.refusal(number)) {
            request.extensions_mut().insert(Refused(fault.clone()));
        }
        let upgrade = self.wire.as_ref().filter(|wire| wire.is_upgrade(number)).map(Arc::clone);
        Call { inner: self.inner.call(request), running: Some(running), upgrade }
    }
}

impl<F, B, E> Future for Call<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<TrackedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(cx));
        let Some(running) = this.running.take() else { return Poll::Pending };
        Poll::Ready(answer.map(|mut answer| {
            match this.upgrade {
                Some(wire) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => wire.set_switched(),
                // Nobody has looked at what follows, so it must not be taken for a request.
                Some(_) => close_behind(&mut answer),
                None if running.is_last() => close_behind(&mut answer),
                None => {}
            }
            answer.map(|inner| TrackedBody { inner, running, watch: StreamWatch::current(), rest: None })
        }))
    }
}

fn close_behind<B>(answer: &mut Response<B>) {
    let close = if answer.headers().contains_key(UPGRADE) { "close, upgrade" } else { "close" };
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static(close));
}

/// HTTP/2's library takes a whole frame as soon as the client has room for one byte of it. Behind the last one nobody
/// watches the client any more, so that one is handed out in pieces.
impl<B: Body<Data = Bytes>> Body for TrackedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(watch) = this.watch else { return this.inner.poll_frame(cx) };
        if let Some(rest) = this.rest {
            let piece = rest.split_to(FRAME_MAX.min(rest.len()));
            if rest.is_empty() {
                *this.rest = None;
            }
            watch.polled(true);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let mut frame = this.inner.as_mut().poll_frame(cx);
        watch.polled(matches!(frame, Poll::Ready(Some(Ok(_)))));
        if let Poll::Ready(Some(Ok(frame))) = &mut frame
            && let Some(data) = frame.data_mut()
            && data.len() > FRAME_MAX
            && may_be_last(&*this.inner)
        {
            *this.rest = Some(Box::new(data.split_off(FRAME_MAX)));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Whether nothing, or nobody knows what, follows behind the frame that `body` gave.
fn may_be_last(body: &impl Body) -> bool {
    body.is_end_stream() || body.size_hint().exact().is_none()
}
