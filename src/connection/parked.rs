//! A quiet HTTP/1.1 connection, parked: only its socket and TLS state are kept, until its client sends or leaves.
//!
//! The library keeps 16 KiB of buffers for each connection, however long it is silent. It is dissolved after a while of
//! silence (`http1`) and made again when bytes come; they wait in the wire, so none is lost and none is seen twice.
//! Limits: `timeouts.park`, `timeouts.keep_alive`.

use super::Connections;
use super::activity::Activity;
use super::wire::Wire;
use crate::runtime::{Stop, now};
use crate::telemetry::{Counter, Gauge};
use std::future::poll_fn;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// Waits until the client sends. False when the connection has ended instead: closed by the client, silent for
/// `timeouts.keep_alive`, or asked to end.
///
/// # Cancel safety
/// Nothing that was read is lost when dropped.
pub(super) async fn wait<I>(parts: &Connections, activity: &Activity, wire: &mut Wire<I>) -> bool
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let _parked = parts.metrics.gauge(Gauge::ParkedConnections);
    parts.metrics.add(Counter::ConnectionsParked, 1);
    tracing::debug!("connection parked");
    let timeouts = &parts.timeouts;
    let mut expiry = activity.expiry(timeouts.head, timeouts.keep_alive, timeouts.linger).unwrap_or_else(now);
    let mut seen = Stop::Running;
    loop {
        tokio::select! {
            biased;
            woken = wire.woken() => match woken {
                Ok(true) => return true,
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(%error, "parked client connection ended early");
                    return false;
                }
            },
            stop = parts.shutdown.clone().beyond(seen) => match stop {
                Stop::Leaving(until) => {
                    expiry = expiry.min(until.instant());
                    seen = stop;
                }
                // A connection without a request yet is waited for: whoever runs it knows how long.
                Stop::Running | Stop::Draining(_) if !activity.used() => return true,
                Stop::Running | Stop::Draining(_) => break,
            },
            () = tokio::time::sleep_until(expiry.into()) => {
                if seen == Stop::Running {
                    parts.metrics.add(Counter::KeepAliveTimeouts, 1);
                }
                break;
            }
        }
    }
    // How the goodbye went does not matter: nothing was under way.
    let _ = poll_fn(|cx| Pin::new(&mut *wire).poll_shutdown(cx)).await;
    false
}

#[cfg(test)]
mod tests;
