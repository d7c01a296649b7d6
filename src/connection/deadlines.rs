//! Driving a connection to its end: idle deadlines, parking, and the polite close when its listener or the process
//! stops.

use super::Connections;
use super::activity::Activity;
use super::wire::GOODBYE;
use crate::domain::settings::Timeouts;
use crate::runtime::{Stop, now};
use crate::telemetry::Counter;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long a client may take to receive what is left of its last answer over HTTP/2. The library keeps up to a frame of
/// it behind the end of its body, and of each that ended just before. Over HTTP/1.1 it is known when all has left.
const LAST_BYTES: Duration = Duration::from_secs(30);

/// Why a connection is not driven any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has ended.
    Ended,
    /// It was quiet for so long that the library let go of it; the transport is open.
    Parked,
}

/// How far a connection's end has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// The next answer is the last; until then an idle connection is kept.
    Leaving(Instant),
    /// The process stops; a first request may be on its way.
    Stopping,
    /// It was asked to end.
    Finishing,
}

/// What is due.
enum Due {
    /// Nothing before this.
    At(Instant),
    /// To ask for the end.
    Finish,
    /// To park it.
    Park,
    /// It was asked to end and has nothing to finish: the client does not answer the GOAWAY.
    Over,
}

/// A connection that can be asked to end after its running requests.
pub(super) trait Polite: Future<Output = hyper::Result<()>> {
    /// Whether asking for the end can cross a request on its way, which is then lost: HTTP/1.1 has no GOAWAY.
    const CROSSES: bool;

    /// Asks for the end: `Connection: close` or GOAWAY.
    fn finish(self: Pin<&mut Self>);
}

/// Runs `connection` until it ends, is idle for too long, or was asked to end and is idle; or until it was quiet for
/// `park`.
///
/// # Cancel safety
/// Dropping the future closes the transport.
pub(super) async fn drive<C: Polite>(
    parts: &Connections,
    activity: &Activity,
    park: Option<Duration>,
    mut connection: Pin<&mut C>,
) -> hyper::Result<Outcome> {
    let mut closing = std::pin::pin!(parts.shutdown.clone().beyond(Stop::Running));
    let first = parts.timeouts.head.min(parts.timeouts.keep_alive).min(park.unwrap_or(Duration::MAX));
    let mut timer = std::pin::pin!(tokio::time::sleep(first));
    let mut stage = Stage::Running;
    loop {
        let finish = tokio::select! {
            biased;
            ended = connection.as_mut() => return ended.map(|()| Outcome::Ended),
            stop = &mut closing, if matches!(stage, Stage::Running | Stage::Leaving(_)) => match stop {
                Stop::Leaving(until) if C::CROSSES => {
                    activity.leave();
                    stage = Stage::Leaving(until.instant());
                    closing.set(parts.shutdown.clone().beyond(stop));
                    false
                }
                Stop::Leaving(_) => true,
                Stop::Running | Stop::Draining(_) => {
                    stage = Stage::Stopping;
                    false
                }
            },
            // A new connection's first request is on its way: closed now, its client could not know what became of it.
            () = used(activity), if stage == Stage::Stopping => true,
            () = &mut timer => match due(&parts.timeouts, activity, park, stage) {
                Due::At(at) => {
                    timer.as_mut().reset(at.into());
                    continue;
                }
                Due::Over => return Ok(Outcome::Ended),
                Due::Park => {
                    if let Poll::Ready(let_go) = let_go(activity, connection.as_mut()).await {
                        return let_go.map(|()| Outcome::Parked);
                    }
                    true
                }
                Due::Finish => {
                    if stage == Stage::Running {
                        parts.metrics.add(Counter::KeepAliveTimeouts, 1);
                    }
                    true
                }
            },
        };
        if finish {
            stage = Stage::Finishing;
            connection.as_mut().finish();
        }
        timer.as_mut().reset((now() + GOODBYE).into());
    }
}

/// What a connection's timer means when it fires.
fn due(timeouts: &Timeouts, activity: &Activity, park: Option<Duration>, stage: Stage) -> Due {
    let at = now();
    let expiry = activity.expiry(timeouts.head, timeouts.keep_alive, timeouts.linger);
    match stage {
        Stage::Finishing => {
            let end = activity.end(LAST_BYTES.min(timeouts.keep_alive), timeouts.linger);
            if expiry.is_some() && end <= at { Due::Over } else { Due::At(at + GOODBYE) }
        }
        // A request ends at some later time, so the connection cannot expire before this.
        Stage::Stopping => {
            if expiry.is_some() {
                Due::Finish
            } else {
                Due::At(at + timeouts.keep_alive)
            }
        }
        Stage::Leaving(until) => match expiry {
            Some(expiry) if until.min(expiry) <= at => Due::Finish,
            Some(expiry) => Due::At(until.min(expiry)),
            None => Due::At(at + GOODBYE),
        },
        Stage::Running => {
            let parks = park.map(|park| activity.quiet_since().map_or(at + park, |since| since + park));
            let ends = expiry.unwrap_or(at + timeouts.keep_alive);
            match parks {
                _ if ends <= at => Due::Finish,
                Some(parks) if parks <= at => Due::Park,
                Some(parks) => Due::At(parks.min(ends)),
                None => Due::At(ends),
            }
        }
    }
}

/// Asks the library to let go of a quiet connection, which it does at once. If it ever should not, the connection ends
/// behind what is under way.
async fn let_go<C: Polite>(activity: &Activity, mut connection: Pin<&mut C>) -> Poll<hyper::Result<()>> {
    activity.set_parking(true);
    connection.as_mut().finish();
    let let_go = poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx))).await;
    if let_go.is_pending() {
        activity.set_parking(false);
    }
    let_go
}

/// Ready once the connection has had a request. Looked at behind each step of the connection, so it needs no waker.
async fn used(activity: &Activity) {
    poll_fn(|_| if activity.used() { Poll::Ready(()) } else { Poll::Pending }).await;
}
