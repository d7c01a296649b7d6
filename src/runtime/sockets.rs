//! Socket options: what the kernel is told about listening, client and target sockets.

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

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
/// Accepted sockets inherit what is set here, without a system call each: no delay, keep-alive, and `give_up`: how long
/// the kernel keeps trying to deliver bytes (`TCP_USER_TIMEOUT` also ends a peer that keeps its window shut).
///
/// # Errors
/// `ListenError` with the address, for instance when another program has the port.
pub fn listen(addr: SocketAddr, give_up: Duration) -> Result<std::net::TcpListener, ListenError> {
    let open = || {
        let socket = std::net::TcpListener::from(open(addr, true)?);
        adopt(&socket, give_up)?;
        Ok(socket)
    };
    open().map_err(|source| ListenError { addr, source })
}

/// Sets what `listen` sets, on a listening socket that somebody else has opened.
///
/// # Errors
/// The operating system's.
pub fn adopt(listener: &std::net::TcpListener, give_up: Duration) -> std::io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE_AFTER).with_interval(KEEP_ALIVE_EVERY))?;
    socket.set_tcp_user_timeout(Some(give_up))
}

/// Changes how long the kernel keeps trying to deliver bytes to peers that `listener` accepts from now on.
///
/// # Errors
/// The operating system's.
pub fn set_give_up(listener: &std::net::TcpListener, give_up: Duration) -> std::io::Result<()> {
    SockRef::from(listener).set_tcp_user_timeout(Some(give_up))
}

/// Fails where anybody listens on `addr` already, also where sharing would be allowed.
///
/// # Errors
/// `ListenError` with the address.
pub fn probe(addr: SocketAddr) -> Result<(), ListenError> {
    open(addr, false).map(drop).map_err(|source| ListenError { addr, source })
}

fn open(addr: SocketAddr, shared: bool) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// A connection that was begun. Its socket does not block, and no executor knows it.
#[derive(Debug)]
pub enum Begun {
    /// It is there.
    Made(TcpStream),
    /// The socket becomes writable once it is there, or has failed.
    UnderWay(TcpStream),
}

/// Begins a connection to `addr`. On this machine, and to its containers, it is there when the call returns.
///
/// # Errors
/// The operating system's, where it knows at once. A refusal shows later, as the error of the socket.
pub fn begin_connect(addr: SocketAddr) -> std::io::Result<Begun> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    match socket.connect(&addr.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => return Err(error),
        // The system says that it is under way, however soon it is there.
        Ok(()) | Err(_) => {}
    }
    let socket = TcpStream::from(socket);
    Ok(if socket.peer_addr().is_ok() { Begun::Made(socket) } else { Begun::UnderWay(socket) })
}

/// Lets no write wait for the acknowledgement of an earlier one: a body follows its head in a write of its own.
///
/// # Errors
/// The operating system's.
pub fn send_at_once(socket: &impl AsFd) -> std::io::Result<()> {
    SockRef::from(socket).set_tcp_nodelay(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_sockets_inherit_the_listeners_options() {
        let listener = listen(([127, 0, 0, 1], 0).into(), Duration::from_secs(7)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let accepted = Socket::from(listener.accept().unwrap().0);
        assert!(accepted.tcp_nodelay().unwrap());
        assert!(accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(Duration::from_secs(7)));
    }
}
