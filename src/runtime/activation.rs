//! Sockets that the service manager has opened: systemd's socket activation.
//!
//! Source: sd_listen_fds(3). The crate checks that they are meant for this process.

use listenfd::ListenFd;
use std::net::TcpListener;

/// The listening TCP sockets among them; they are taken once.
#[must_use]
pub fn activated_sockets() -> Vec<TcpListener> {
    let mut given = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..given.len() {
        match given.take_tcp_listener(index) {
            Ok(socket) => sockets.extend(socket),
            Err(error) => tracing::warn!(%error, index, "a socket of the service manager is no listening TCP socket"),
        }
    }
    sockets
}
