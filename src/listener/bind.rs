//! Binding: one socket per worker and address, so that the kernel spreads connections over the workers.

use crate::domain::addr::ListenAddr;
use crate::runtime::{ListenError, listen, probe};
use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::time::Duration;

/// An address that is listened on.
#[derive(Debug)]
pub struct Bound {
    /// The address, with the port that was taken where 0 was asked for.
    pub addr: SocketAddr,
    /// One socket for each worker.
    pub sockets: Vec<TcpListener>,
}

/// Why a listener cannot be opened.
#[derive(Debug)]
pub struct BindError(ListenError);

impl BindError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.0.source.kind() {
            ErrorKind::AddrInUse => {
                "another program has this port; stop it, or choose another with listeners.https.bind, listeners.http.bind or \
                 listeners.legacy; a ClearML Server that has it can publish another, for services.*.targets"
            }
            ErrorKind::PermissionDenied => {
                "ports below 1024 need CAP_NET_BIND_SERVICE, or net.ipv4.ip_unprivileged_port_start=0; or choose a higher port and map it"
            }
            ErrorKind::AddrNotAvailable => "this machine does not have the address",
            _ => "check listeners.https.bind, listeners.http.bind and listeners.legacy",
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0, self.0.source)
    }
}

impl Error for BindError {}

/// Listens on `addr` with a socket for each of `workers`; `give_up` is how long a client may take nothing. Where `ours`,
/// this process listens on the port already, on another address or for another kind of listener.
///
/// # Errors
/// `BindError` when the address cannot be had.
pub fn bind(addr: ListenAddr, workers: NonZeroUsize, give_up: Duration, ours: bool) -> Result<Bound, BindError> {
    bind_all(addr.socket_addr(), workers, give_up, ours).map_err(BindError)
}

fn bind_all(addr: SocketAddr, workers: NonZeroUsize, give_up: Duration, ours: bool) -> Result<Bound, ListenError> {
    let (addr, first) = match first(addr, give_up, ours) {
        // A machine without IPv6 still has "every address".
        Err(error) if addr.ip().is_unspecified() && addr.is_ipv6() && lacks_family(&error) => {
            tracing::warn!(%addr, "no IPv6 on this machine; listening on IPv4 only");
            let addr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, addr.port()));
            (addr, first(addr, give_up, ours)?)
        }
        result => (addr, result?),
    };
    let addr = first.local_addr().map_err(|source| ListenError { addr, source })?;
    let mut sockets = vec![first];
    for _ in 1..workers.get() {
        sockets.push(listen(addr, give_up)?);
    }
    Ok(Bound { addr, sockets })
}

fn first(addr: SocketAddr, give_up: Duration, ours: bool) -> Result<TcpListener, ListenError> {
    if addr.port() != 0 && !ours {
        // Sockets of one user may share a port; a second proxy must not take half of the first one's connections.
        probe(addr)?;
    }
    listen(addr, give_up)
}

fn lacks_family(error: &ListenError) -> bool {
    // EAFNOSUPPORT and EADDRNOTAVAIL on Linux.
    matches!(error.source.raw_os_error(), Some(97 | 99))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(60);

    #[test]
    fn each_worker_gets_a_socket_on_the_same_port() {
        let bound =
            bind(ListenAddr::parse("127.0.0.1:0").unwrap(), NonZeroUsize::new(3).unwrap(), WAIT, false).unwrap();
        assert_eq!(bound.sockets.len(), 3);
        assert_ne!(bound.addr.port(), 0);
        assert!(bound.sockets.iter().all(|socket| socket.local_addr().unwrap() == bound.addr));
    }

    #[test]
    fn a_port_in_use_is_refused_with_a_hint() {
        let one = NonZeroUsize::MIN;
        let bound = bind(ListenAddr::parse("127.0.0.1:0").unwrap(), one, WAIT, false).unwrap();
        let again = ListenAddr::new(bound.addr);
        let error = bind(again, one, WAIT, false).unwrap_err();
        assert!(error.to_string().contains(&bound.addr.to_string()), "{error}");
        assert!(error.hint().contains("another program") && error.hint().contains("listeners.legacy"));
        assert!(bind(again, one, WAIT, true).is_ok(), "a port of our own may be shared");
    }
}
