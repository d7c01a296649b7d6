//! What the service manager is told: systemd's notification protocol.
//!
//! One datagram of `NAME=value` lines for each message. Forty lines of our own: the crates for it read the environment
//! by themselves, and bring what is not needed here.
//! Source: sd_notify(3), systemd.service(5).

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The way to the service manager, where there is one.
#[derive(Debug, Default)]
pub struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// The service manager at `address`, the value of `NOTIFY_SOCKET`: a path, or `@` and an abstract name.
    ///
    /// # Errors
    /// The operating system's.
    pub fn to(address: &str) -> io::Result<Self> {
        let address = match address.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(address)?,
        };
        let socket = UnixDatagram::unbound()?;
        // A service manager that is stuck must not stop us too.
        socket.set_nonblocking(true)?;
        Ok(Self(Some((socket, address))))
    }

    /// Sends `lines`; does nothing where there is no service manager.
    pub fn send(&self, lines: &[&str]) {
        if let Some((socket, address)) = &self.0
            && let Err(error) = socket.send_to_addr(lines.join("\n").as_bytes(), address)
        {
            tracing::warn!(%error, "the service manager cannot be notified");
        }
    }
}
