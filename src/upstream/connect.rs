//! Dialling a target: each of its addresses in turn, then the HTTP client on top.

use super::pool::Sender;
use super::stream::TargetStream;
use super::target::Target;
use crate::domain::units::ByteSize;
use crate::runtime::{Deadline, Tasks, send_at_once};
use crate::telemetry::{Counter, WorkerMetrics};
use bytes::Bytes;
use http_body::Body;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// hyper's read buffer for one connection to a target; it also bounds a header line, so it must exceed the head limit.
const READ_BUFFER: usize = 512 * 1024;

/// Makes connections to targets for one worker.
#[derive(Clone, Debug)]
pub struct Connector {
    tasks: Tasks,
    metrics: WorkerMetrics,
    attempt: Duration,
    answer_head: ByteSize,
}

/// No connection to any address of a target. Not one byte was sent.
#[derive(Debug)]
pub enum ConnectError {
    /// The name has no address.
    Resolve(io::Error),
    /// The last address tried, and why it did not work.
    Dial(SocketAddr, io::Error),
    /// The caller's deadline passed.
    Deadline,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => write!(f, "the name cannot be resolved: {error}"),
            Self::Dial(addr, error) => write!(f, "{addr}: {error}"),
            Self::Deadline => f.write_str("no connection in time"),
        }
    }
}

impl Error for ConnectError {}

impl Connector {
    /// A connector whose attempts on one address last at most `attempt`, for answers with heads up to `answer_head`.
    #[must_use]
    pub fn new(tasks: Tasks, metrics: WorkerMetrics, attempt: Duration, answer_head: ByteSize) -> Self {
        Self { tasks, metrics, attempt, answer_head }
    }

    /// A new connection to `target`, tried on all its addresses until `deadline`.
    ///
    /// # Errors
    /// `ConnectError`; not one byte was sent.
    ///
    /// # Cancel safety
    /// A connection under way is closed when dropped.
    pub async fn connect<B>(&self, target: &Arc<Target>, deadline: Deadline) -> Result<Sender<B>, ConnectError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let dialled = self.dial(target, deadline).await;
        let stream = dialled.inspect_err(|_| {
            self.metrics.add(Counter::TargetConnectsFailed, 1);
            target.addresses().distrust();
        })?;
        self.metrics.add(Counter::TargetConnects, 1);
        let mut builder = http1::Builder::new();
        builder
            .max_header_size(self.answer_head.as_usize())
            .max_buf_size(READ_BUFFER.max(self.answer_head.as_usize() * 2));
        // The handshake of HTTP/1 exchanges no bytes, so it cannot fail on the network.
        let handshake = builder.handshake(TokioIo::new(TargetStream::new(stream))).await;
        let (sender, connection) = handshake.map_err(|error| ConnectError::Resolve(io::Error::other(error)))?;
        let label = Arc::clone(target.label());
        self.tasks.spawn("target connection", async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(target_addr = %label, error = %error, "connection to a target ended early");
            }
        });
        Ok(Sender::new(sender, target.id()))
    }

    async fn dial(&self, target: &Target, deadline: Deadline) -> Result<TcpStream, ConnectError> {
        let addresses = deadline.bound(target.addresses().get()).await.ok_or(ConnectError::Deadline)?;
        let mut last = ConnectError::Deadline;
        for addr in addresses.map_err(ConnectError::Resolve)?.iter() {
            let attempt = deadline.or_after(self.attempt).bound(TcpStream::connect(addr)).await;
            let timed_out = || Err(io::Error::from(io::ErrorKind::TimedOut));
            match attempt.unwrap_or_else(timed_out).and_then(|stream| send_at_once(&stream).map(|()| stream)) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = ConnectError::Dial(*addr, error),
            }
        }
        Err(last)
    }
}
