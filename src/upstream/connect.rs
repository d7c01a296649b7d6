//! Dialling a target: its addresses, then TLS where it speaks it.

use super::connection::Connection;
use super::plain::Plain;
use super::race::race;
use super::stream::{Metered, Stream};
use super::target::Target;
use crate::domain::addr::{TargetAddr, TargetHost};
use crate::runtime::{Begun, Deadline, begin_connect};
use crate::telemetry::{Counter, WorkerMetrics};
use crate::tls::{ClientTls, name_of};
use std::error::Error;
use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

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
    /// The address that accepted, and why no TLS can be spoken with it.
    Tls(SocketAddr, io::Error),
    /// The caller's deadline passed.
    Deadline,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => write!(f, "the name cannot be resolved: {error}"),
            Self::Dial(addr, error) => write!(f, "{addr}: {error}"),
            Self::Tls(addr, error) => write!(f, "{addr}: TLS: {error}"),
            Self::Deadline => f.write_str("no connection in time"),
        }
    }
}

impl Error for ConnectError {}

/// A plain connection to `addr`, which is no target: its name is looked up each time, and nothing is noted.
///
/// # Errors
/// `ConnectError`.
///
/// # Cancel safety
/// Attempts under way are dropped.
pub async fn open_plain(addr: &TargetAddr, deadline: Deadline) -> Result<TcpStream, ConnectError> {
    open(addr, deadline).await.map(|(_, stream)| stream)
}

/// As `open_plain`, with TLS.
///
/// # Errors
/// `ConnectError`; not one byte of what the caller has to say was sent.
///
/// # Cancel safety
/// Attempts under way are dropped.
pub async fn open_tls(
    addr: &TargetAddr,
    tls: &ClientTls,
    deadline: Deadline,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let (at, stream) = open(addr, deadline).await?;
    secure(stream, at, &addr.host, tls, deadline).await
}

async fn open(addr: &TargetAddr, deadline: Deadline) -> Result<(SocketAddr, TcpStream), ConnectError> {
    let addresses = match &addr.host {
        TargetHost::Ip(ip) => vec![SocketAddr::new(*ip, addr.port)],
        TargetHost::Name(name) => {
            let found = deadline.bound(tokio::net::lookup_host((name.as_str(), addr.port))).await;
            found.ok_or(ConnectError::Deadline)?.map_err(ConnectError::Resolve)?.collect()
        }
    };
    let dial = |addr| async move { Ok((addr, TcpStream::connect(addr).await?)) };
    let won = deadline.bound(race(&addresses, dial)).await.ok_or(ConnectError::Deadline)?;
    let won = won.ok_or_else(|| ConnectError::Resolve(io::Error::other("the name has no address")))?;
    won.map_err(|(addr, error)| ConnectError::Dial(addr, error))
}

/// A connection to `addr`, which is no target; nothing is noted.
///
/// # Errors
/// `Dial` or `Deadline`.
///
/// # Cancel safety
/// The attempt is dropped.
pub async fn open_at(addr: SocketAddr, deadline: Deadline) -> Result<TcpStream, ConnectError> {
    let dialled = deadline.bound(TcpStream::connect(addr)).await.ok_or(ConnectError::Deadline)?;
    dialled.map_err(|error| ConnectError::Dial(addr, error))
}

/// TLS over `stream`, which leads to `addr`, as a client of `host`.
///
/// # Errors
/// `Tls` or `Deadline`.
///
/// # Cancel safety
/// The connection is closed.
pub async fn secure(
    stream: TcpStream,
    addr: SocketAddr,
    host: &TargetHost,
    tls: &ClientTls,
    deadline: Deadline,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let name = name_of(host).ok_or_else(|| ConnectError::Tls(addr, io::Error::other("no name to check")))?;
    let secured = deadline.bound(TlsConnector::from(tls.config()).connect(name, stream)).await;
    secured.ok_or(ConnectError::Deadline)?.map_err(|error| ConnectError::Tls(addr, error))
}

/// The socket once its connection, which is under way, is there.
///
/// # Cancel safety
/// The connection is given up.
async fn connected(socket: net::TcpStream) -> io::Result<TcpStream> {
    let stream = TcpStream::from_std(socket)?;
    loop {
        let ready = stream.ready(Interest::WRITABLE).await?;
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        // The executor may have been told too early.
        let there = || {
            stream.peer_addr().map_err(|error| match error.kind() {
                io::ErrorKind::NotConnected => io::ErrorKind::WouldBlock.into(),
                _ => error,
            })
        };
        match stream.try_io(Interest::WRITABLE, there) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !ready.is_write_closed() => {}
            there => return there.map(|_| stream),
        }
    }
}

impl Connector {
    /// A connector whose attempts on one address last at most `attempt`, for answers with heads up to `answer_head`.
    #[must_use]
    pub const fn new(metrics: WorkerMetrics, attempt: Duration, answer_head: usize) -> Self {
        Self { metrics, attempt, answer_head }
    }

    /// A new connection to `target`, tried on its addresses until `deadline`. What comes of it is noted with the target.
    ///
    /// # Errors
    /// `ConnectError`; not one byte was sent.
    ///
    /// # Cancel safety
    /// A connection under way is closed when dropped.
    pub async fn connect(&self, target: &Target, deadline: Deadline) -> Result<Connection, ConnectError> {
        let connection = self.dial(target, deadline).await.inspect_err(|error| {
            self.metrics.add(Counter::TargetConnectsFailed, 1);
            match error {
                // The caller was in a hurry; that says nothing of the target.
                ConnectError::Deadline => target.call(),
                error => target.unaccepted(error.to_string()),
            }
        })?;
        self.metrics.add(Counter::TargetConnects, 1);
        Ok(connection)
    }

    /// As `connect`, without noting anything.
    pub(super) async fn dial(&self, target: &Target, deadline: Deadline) -> Result<Connection, ConnectError> {
        let addresses = deadline.bound(target.addresses().get()).await.ok_or(ConnectError::Deadline)?;
        let addresses = addresses.map_err(ConnectError::Resolve)?;
        let (addr, stream) = match &*addresses {
            // The usual case costs no race.
            [addr] => (*addr, self.attempt(*addr, deadline).await.map_err(|error| ConnectError::Dial(*addr, error))?),
            several => {
                let dial = |addr| async move { self.attempt(addr, deadline).await.map(|stream| (addr, stream)) };
                let won = Box::pin(race(several, dial)).await.ok_or(ConnectError::Deadline)?;
                won.map_err(|(addr, error)| ConnectError::Dial(addr, error))?
            }
        };
        let stream = match &target.plan().tls {
            None if target.addr().tls => {
                return Err(ConnectError::Tls(addr, io::Error::other("no authority is given")));
            }
            None => Stream::Plain(stream),
            // Rare, and large: in a box, so that no other request keeps room for it.
            Some(tls) => Box::pin(self.secure(target, tls, addr, stream, deadline)).await?,
        };
        Ok(Connection::new(stream, target.id(), self.answer_head))
    }

    async fn attempt(&self, addr: SocketAddr, deadline: Deadline) -> io::Result<Plain> {
        let socket = match begin_connect(addr)? {
            // Nearby, and the usual case: nobody has to wait for anything.
            Begun::Made(socket) => return Ok(Plain::fresh(socket)),
            Begun::UnderWay(socket) => socket,
        };
        let attempt = deadline.or_after(self.attempt).bound(connected(socket)).await;
        let stream = attempt.unwrap_or_else(|| {
            self.metrics.add(Counter::ConnectTimeouts, 1);
            Err(io::Error::from(io::ErrorKind::TimedOut))
        });
        stream.map(Plain::registered)
    }

    async fn secure(
        &self,
        target: &Target,
        tls: &ClientTls,
        addr: SocketAddr,
        stream: Plain,
        deadline: Deadline,
    ) -> Result<Stream, ConnectError> {
        let stream = stream.into_known().map_err(|error| ConnectError::Dial(addr, error))?;
        let fail = |error| ConnectError::Tls(addr, error);
        let name = name_of(&target.addr().host).ok_or_else(|| fail(io::Error::other("no name to check")))?;
        let handshake = TlsConnector::from(tls.config()).connect(name, Metered::new(stream));
        let stream = deadline.or_after(self.attempt).bound(handshake).await;
        let stream = stream.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())).map_err(fail)?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

#[cfg(test)]
mod tests;
