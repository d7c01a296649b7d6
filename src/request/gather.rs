//! Small bodies of API calls, taken in whole before a target is asked: a slow client then keeps no Python thread.
//!
//! Limits: `limits.gathered_body` of each, `limits.gathered` of all together; what is over streams as an upload does.
//! A body that is said to be empty is waited for in any case.
//! The client's pace is watched as for any body.

use super::outgoing::Outgoing;
use super::scope::Worker;
use super::site::Site;
use super::upload::Upload;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::names::ServiceName;
use crate::telemetry::Counter;
use crate::upstream::{Framing, Lane};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Memory that a body uses; given back when dropped.
#[derive(Debug)]
pub(super) struct Room {
    worker: Arc<Worker>,
    bytes: u64,
}

impl Room {
    /// `None` where this worker's share is used up.
    fn take(worker: &Arc<Worker>, site: &Site, bytes: u64) -> Option<Self> {
        let share = site.settings.gathering.total.get() / site.settings.workers.get() as u64;
        let before = worker.gathered.fetch_add(bytes, Ordering::Relaxed);
        let room = Self { worker: Arc::clone(worker), bytes };
        (before + bytes <= share).then_some(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.worker.gathered.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Takes in the body of an API call that is small enough. The lane that the request takes then, and what its body uses.
///
/// # Errors
/// What went wrong with the body; no target has heard of the request.
///
/// # Cancel safety
/// The body is lost with the request.
pub(super) async fn gather(
    worker: &Arc<Worker>,
    site: &Site,
    outgoing: &mut Outgoing,
    upload: Option<&Upload>,
) -> Result<(Lane, Option<Room>), Fault> {
    let Some((body, framing)) = outgoing.outbound.body_mut() else { return Ok((Lane::Calls, None)) };
    let length = match framing {
        // HTTP/2 may say so and send something: then the head alone must not reach a target as a whole request.
        Framing::Length(0) => 0,
        Framing::Length(length)
            if outgoing.service == ServiceName::Api && length <= site.settings.gathering.body.get() =>
        {
            length
        }
        _ => return Ok((Lane::Uploads, None)),
    };
    let room = Room::take(worker, site, length);
    if room.is_none() && length > 0 {
        worker.metrics.add(Counter::GatheredFull, 1);
        return Ok((Lane::Uploads, None));
    }
    if body.gather(length).await.is_err() {
        let fault = upload.and_then(|upload| upload.fault().cloned());
        return Err(fault.unwrap_or_else(|| Fault::new(FaultKind::BadBody, "the request body ended early")));
    }
    Ok((Lane::Calls, room))
}
