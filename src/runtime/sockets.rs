//! Socket options: what the kernel is told about listening, client and target sockets.

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Connections that wait in the kernel for `accept`, per worker and address.
const BACKLOG: i32 = 4_096;

/// A quiet connection is probed after this long, so that a vanished peer is noticed.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(60);

/// Between two such probes.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Why an address cannot be listened on.
#[derive(Debug)]
pub struct ListenError {
    /// The address.
    pub addr: SocketAddr,
    /// The operating system's error.
    pub source: std::io::Error,
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot listen on {}", self.addr)
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Listens on `addr` with `SO_REUSEPORT`, so that every worker has its own queue. An IPv6 wildcard takes IPv4 too.
///
/// # Errors
/// `ListenError` with the address, for instance when another program has the port.
pub fn listen(addr: SocketAddr) -> Result<std::net::TcpListener, ListenError> {
    open(addr, true).map_err(|source| ListenError { addr, source })
}

/// Fails where anybody listens on `addr` already, also where sharing would be allowed.
///
/// # Errors
/// `ListenError` with the address.
pub fn probe(addr: SocketAddr) -> Result<(), ListenError> {
    open(addr, false).map(drop).map_err(|source| ListenError { addr, source })
}

fn open(addr: SocketAddr, shared: bool) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Prepares an accepted client socket: no delay, keep-alive, and a bound on how long the kernel keeps trying to
/// deliver bytes (`TCP_USER_TIMEOUT` also ends a peer that keeps its window shut).
///
/// # Errors
/// The operating system's; the connection is then of no use.
pub fn tune_client(socket: &TcpStream, give_up: Duration) -> std::io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE_AFTER).with_interval(KEEP_ALIVE_EVERY))?;
    socket.set_tcp_user_timeout(Some(give_up))
}

/// Prepares a socket to a target: no delay, keep-alive (a long silence before an answer is normal there).
///
/// # Errors
/// The operating system's.
pub fn tune_target(socket: &TcpStream) -> std::io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE_AFTER).with_interval(KEEP_ALIVE_EVERY))
}
