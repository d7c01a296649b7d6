//! One client transport, from first byte to close, whichever HTTP version was agreed on.
//!
//! Owns: limits and deadlines of a connection, and the guard on the wire under HTTP/1.1. Leaves: what a request
//! means to the service it is given.
//! Limits: `limits.head`, `limits.headers`, `limits.target`, `limits.streams`, `limits.linger`, `timeouts.head`,
//! `timeouts.keep_alive`, `timeouts.park`, `timeouts.stalled_answer`, `timeouts.linger`.

mod activity;
mod deadlines;
mod gathered;
mod http1;
mod http2;
mod interim;
mod numbered;
mod paced;
mod parked;
mod stall;
mod stalled_write;
mod tracked;
mod wire;

use crate::domain::settings::{Limits, Timeouts};
use crate::runtime::{ClientLink, ShutdownWatch, Tasks};
use crate::telemetry::WorkerMetrics;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use paced::Paced;
use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// What the connections of one worker share.
#[derive(Clone, Debug)]
pub struct Connections {
    /// Sizes and counts.
    pub limits: Arc<Limits>,
    /// Waits.
    pub timeouts: Arc<Timeouts>,
    /// How long a connection is quiet before it is parked.
    pub park: Duration,
    /// This worker's counters.
    pub metrics: WorkerMetrics,
    /// This worker's tasks.
    pub tasks: Tasks,
    /// When to stop.
    pub shutdown: ShutdownWatch,
}

impl Connections {
    /// Serves one transport to its end: HTTP/2 where `http2`, else HTTP/1.1 and 1.0.
    ///
    /// A head that is refused on the wire reaches `service` as a stand-in with a `Refused` extension, so that every
    /// refusal is answered and recorded in one place. `link` tells the service's requests of a stalled client.
    ///
    /// # Cancel safety
    /// Dropping the future closes the transport.
    pub async fn serve<I, S, B>(&self, transport: I, http2: bool, service: S, link: ClientLink)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let transport = Paced::new(transport);
        let ended = if http2 {
            // In a box, so that HTTP/1.1 keeps no room for it.
            Box::pin(http2::serve(self, transport, service, link)).await
        } else {
            http1::serve(self, transport, service, link).await
        };
        if let Err(error) = ended {
            tracing::debug!(error = %error, source = error.source().map(tracing::field::display), "client connection ended early");
        }
    }
}

#[cfg(test)]
mod tests;
