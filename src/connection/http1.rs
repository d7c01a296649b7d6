//! HTTP/1.1 and 1.0: parser settings, keep-alive, upgrades.

use super::Connections;
use super::activity::Activity;
use super::deadlines::{Outcome, Polite, drive};
use super::interim::WithInterims;
use super::parked;
use super::tracked::Tracked;
use super::wire::Wire;
use crate::runtime::ClientLink;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::{Builder, UpgradeableConnection};
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// hyper's read buffer grows up to this while a body streams; heads are smaller by our own limit.
const READ_BUFFER: usize = 256 * 1024;

/// Fields that hyper keeps in a table on the stack; above that it allocates for each head.
const FIELDS_ON_STACK: usize = 100;

pub(super) async fn serve<I, S, B>(parts: &Connections, transport: I, service: S, link: ClientLink) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let activity = Activity::new(link.clone());
    let (mut wire, report) = Wire::new(transport, parts, &activity, link.clone());
    let mut service = Tracked { inner: service, activity: Arc::clone(&activity), wire: Some(report) };
    loop {
        // In a box, so that a parked connection keeps none of it.
        match Box::pin(run(parts, &activity, wire, service, link.clone())).await? {
            Some(rested) => (wire, service) = rested,
            None => return Ok(()),
        }
        if !parked::wait(parts, &activity, &mut wire).await {
            return Ok(());
        }
    }
}

/// Runs the library on the connection until its end; or until it was quiet for so long that it is parked, which gives
/// wire and service back.
async fn run<I, S, B>(
    parts: &Connections,
    activity: &Activity,
    wire: Wire<I>,
    service: Tracked<S>,
    link: ClientLink,
) -> hyper::Result<Option<(Wire<I>, Tracked<S>)>>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let head = parts.limits.head.as_usize();
    let mut builder = Builder::new();
    builder
        .max_buf_size(READ_BUFFER.max(head.saturating_mul(2)))
        // The wire has its own deadline for heads, which also gives an answer.
        .header_read_timeout(None);
    if parts.limits.headers.get() > FIELDS_ON_STACK {
        builder.max_headers(parts.limits.headers.get());
    }
    let transport = WithInterims::http1(wire, link, parts.metrics.clone());
    let mut connection = builder.serve_connection(TokioIo::new(transport), service).with_upgrades();
    if drive(parts, activity, Some(parts.park), Pin::new(&mut connection)).await? == Outcome::Ended {
        return Ok(None);
    }
    // The wire gives whole heads only, so nothing can be left of them; if there is, nobody knows what it means.
    let left = connection.into_parts().filter(|left| left.read_buf.is_empty());
    Ok(left.map(|left| {
        let mut wire = left.io.into_inner().into_inner();
        wire.rest();
        (wire, left.service)
    }))
}

impl<I, S, B> Polite for UpgradeableConnection<TokioIo<WithInterims<Wire<I>>>, Tracked<S>>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    const CROSSES: bool = true;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
