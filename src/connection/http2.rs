//! HTTP/2: stream limits, header sizes, reset floods.
//!
//! hyper and h2 refuse malformed frames and fields themselves; what they let through is for `request::guard`.

use super::Connections;
use super::activity::Activity;
use super::deadlines::{Polite, drive};
use super::gathered::Gathered;
use super::interim::WithInterims;
use super::numbered::Numbered;
use super::stall::Streams;
use super::tracked::Tracked;
use crate::runtime::ClientLink;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2::{Builder, Connection};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// What a client may send on one stream before we ask for more: large enough for uploads over long lines.
const STREAM_WINDOW: u32 = 1 << 20;

/// The same for the whole connection; also the most one client can make us keep. A request that waits for a slot leaves
/// its body unread, and must not stop the bodies of the others: this is room for sixteen that do.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Bytes of an answer kept for a stream whose client takes them slowly.
const SEND_BUFFER: usize = 256 * 1024;

/// Streams that a client reset before we saw their request. Above this the connection is closed: rapid reset,
/// CVE-2023-44487.
const PENDING_RESETS: usize = 20;

/// Streams that we reset for the client's errors, before the connection is closed: CVE-2025-8671.
const LOCAL_RESETS: usize = 256;

/// What the number of its stream adds to a request's header list: name, digits, and 32 as the protocol counts.
const NUMBER: u32 = 64;

pub(super) async fn serve<I, S, B>(parts: &Connections, transport: I, service: S, link: ClientLink) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let activity = Activity::new(link.clone());
    let service = Tracked { inner: service, activity: Arc::clone(&activity), wire: None };
    let patience = parts.timeouts.stalled_answer;
    let streams = Streams { tasks: parts.tasks.clone(), metrics: parts.metrics.clone(), patience, link: link.clone() };
    let mut builder = Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(parts.limits.streams)
        .max_header_list_size(u32::try_from(parts.limits.head.get()).unwrap_or(u32::MAX).saturating_add(NUMBER))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS);
    let mut connection = Gathered::new(transport).flushed_by(|transport| {
        let transport = WithInterims::http2(Numbered::new(transport, link.clone()), link, parts.metrics.clone());
        builder.serve_connection(TokioIo::new(transport), service)
    });
    // Its library can only be dissolved by closing: HTTP/2 is not parked.
    drive(parts, &activity, None, Pin::new(&mut connection)).await.map(|_| ())
}

impl<I, S, B> Polite for Connection<TokioIo<WithInterims<Numbered<Gathered<I>>>>, Tracked<S>, Streams>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    const CROSSES: bool = false;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
