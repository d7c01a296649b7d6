//! Who a connection is from: its peer, or whom a balancer in front names in a PROXY header.
//!
//! Where the protocol is on, nobody but the listed balancers may connect, and each connection begins with a header: a
//! receiver that guesses can be told anything.
//! Limits: `timeouts.handshake`; the header's own length.

use super::acceptor::Acceptor;
use super::peeked::Peeked;
use crate::domain::addr::PeerAddr;
use crate::domain::settings::ListenerSettings;
use crate::runtime::{Deadline, now};
use crate::telemetry::{Counter, Pace};

/// A port scan may bring many: one line a second is enough.
static PACE: Pace = Pace::every_second();

/// The client of a connection that came from `peer`; `None` when it is to be closed, which is said and counted.
pub(super) async fn introduce(
    acceptor: &Acceptor,
    listener: &ListenerSettings,
    stream: &mut Peeked,
    peer: PeerAddr,
) -> Option<PeerAddr> {
    if !listener.proxy_protocol {
        return Some(peer);
    }
    if !listener.proxy_networks.contains(peer.ip()) {
        return refused(acceptor, peer, "it is in none of the proxy_networks");
    }
    let deadline = Deadline::after(acceptor.connections.timeouts.handshake);
    match deadline.bound(stream.proxy_header()).await {
        Some(Ok(Ok(source))) => Some(source.map_or(peer, PeerAddr::new)),
        Some(Ok(Err(error))) => refused(acceptor, peer, &error.to_string()),
        // It left before it said anything, as health checks of balancers do.
        Some(Err(_)) => None,
        None => refused(acceptor, peer, "its PROXY header did not come in time"),
    }
}

fn refused(acceptor: &Acceptor, peer: PeerAddr, reason: &str) -> Option<PeerAddr> {
    acceptor.connections.metrics.add(Counter::ProxyHeadersRefused, 1);
    if let Some(suppressed) = PACE.allow(now()) {
        tracing::info!(%peer, reason, suppressed, "a connection was refused");
    }
    None
}
