//! Dialling a target: each of its addresses in turn.

use super::connection::Connection;
use super::target::Target;
use crate::runtime::{Deadline, send_at_once};
use crate::telemetry::{Counter, WorkerMetrics};
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Makes connections to targets for one worker.
#[derive(Clone, Debug)]
pub struct Connector {
    metrics: WorkerMetrics,
    attempt: Duration,
    answer_head: usize,
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
    pub const fn new(metrics: WorkerMetrics, attempt: Duration, answer_head: usize) -> Self {
        Self { metrics, attempt, answer_head }
    }

    /// A new connection to `target`, tried on all its addresses until `deadline`.
    ///
    /// # Errors
    /// `ConnectError`; not one byte was sent.
    ///
    /// # Cancel safety
    /// A connection under way is closed when dropped.
    pub async fn connect(&self, target: &Target, deadline: Deadline) -> Result<Connection, ConnectError> {
        let stream = self.dial(target, deadline).await.inspect_err(|_| {
            self.metrics.add(Counter::TargetConnectsFailed, 1);
            target.addresses().distrust();
        })?;
        self.metrics.add(Counter::TargetConnects, 1);
        Ok(Connection::new(stream, target.id(), self.answer_head))
    }

    async fn dial(&self, target: &Target, deadline: Deadline) -> Result<TcpStream, ConnectError> {
        let addresses = deadline.bound(target.addresses().get()).await.ok_or(ConnectError::Deadline)?;
        let mut last = ConnectError::Deadline;
        for addr in addresses.map_err(ConnectError::Resolve)?.iter() {
            let attempt = deadline.or_after(self.attempt).bound(TcpStream::connect(addr)).await;
            let timed_out = || {
                self.metrics.add(Counter::ConnectTimeouts, 1);
                Err(io::Error::from(io::ErrorKind::TimedOut))
            };
            match attempt.unwrap_or_else(timed_out).and_then(|stream| send_at_once(&stream).map(|()| stream)) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = ConnectError::Dial(*addr, error),
            }
        }
        Err(last)
    }
}
