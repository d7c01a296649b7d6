//! Driving a connection to its end: idle deadlines, and the polite close when the process stops.

use super::Connections;
use super::activity::Activity;
use super::wire::GOODBYE;
use crate::runtime::now;
use crate::telemetry::Counter;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// How long a client may take to receive what is left of its last answer. The libraries keep up to some hundred
/// kilobytes of it behind the end of its body.
const LAST_BYTES: Duration = Duration::from_secs(30);

/// A connection that can be asked to end after its running requests.
pub(super) trait Polite: Future<Output = hyper::Result<()>> {
    /// Asks for the end: `Connection: close` or GOAWAY.
    fn finish(self: Pin<&mut Self>);
}

/// Runs `connection` until it ends, is idle for too long, or was asked to end and is idle.
///
/// # Cancel safety
/// Dropping the future closes the transport.
pub(super) async fn drive<C: Polite>(parts: &Connections, activity: &Activity, connection: C) -> hyper::Result<()> {
    let mut connection = std::pin::pin!(connection);
    let mut shutdown = parts.shutdown.clone();
    let mut draining = std::pin::pin!(shutdown.draining());
    let mut timer = std::pin::pin!(tokio::time::sleep(parts.timeouts.head.min(parts.timeouts.keep_alive)));
    let linger = parts.timeouts.linger;
    let last_bytes = LAST_BYTES.min(parts.timeouts.keep_alive);
    let (mut stopping, mut finishing) = (false, false);
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            _ = &mut draining, if !stopping && !finishing => {
                stopping = true;
                timer.as_mut().reset((now() + GOODBYE).into());
            }
            // A new connection's first request is on its way: closed now, its client could not know what became of it.
            () = used(activity), if stopping && !finishing => {
                finishing = true;
                connection.as_mut().finish();
                timer.as_mut().reset((now() + GOODBYE).into());
            }
            () = &mut timer => {
                let at = now();
                let next = match activity.expiry(parts.timeouts.head, parts.timeouts.keep_alive, linger) {
                    // It was asked to end and has nothing to finish: the client does not answer the GOAWAY.
                    Some(_) if finishing && activity.end(last_bytes, linger) <= at => return Ok(()),
                    Some(_) if finishing => at + GOODBYE,
                    Some(expiry) if expiry <= at || stopping => {
                        if !stopping {
                            parts.metrics.add(Counter::KeepAliveTimeouts, 1);
                        }
                        finishing = true;
                        connection.as_mut().finish();
                        at + GOODBYE
                    }
                    Some(expiry) => expiry,
                    None if finishing => at + GOODBYE,
                    // A request ends at some later time, so the connection cannot expire before this.
                    None => at + parts.timeouts.keep_alive,
                };
                timer.as_mut().reset(next.into());
            }
        }
    }
}

/// Ready once the connection has had a request. Looked at behind each step of the connection, so it needs no waker.
async fn used(activity: &Activity) {
    poll_fn(|_| if activity.used() { Poll::Ready(()) } else { Poll::Pending }).await;
}
