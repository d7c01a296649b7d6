//! Rescue: a download that a target broke off goes on where it stopped, on the client's open stream.
//!
//! Only stored files (`clearml::is_download`), only with a strong validator, and only from exactly the same version:
//! whatever else comes, the answer stays cut off, and never ends cleanly. What is asked for is asked by us and changes
//! nothing at the target, so it may be asked again.
//! Limits: `RESCUES` for one answer, `PATIENCE` for each, `limits.held_requests`; `rescue_downloads` turns it off.

use super::hold::Search;
use super::scope::Worker;
use super::site::Site;
use super::turn::Turn;
use super::upload::OutgoingBody;
use crate::clearml::is_download;
use crate::domain::names::ServiceName;
use crate::domain::resume::Remainder;
use crate::runtime::{Deadline, now};
use crate::telemetry::{AccessRecord, Counter};
use crate::upstream::{Answering, Exchanged, Framing, Lane, Lease, Outbound};
use http::{StatusCode, response};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How often one answer goes on. A file of many gigabytes may meet some restarts.
const RESCUES: u32 = 16;

/// How long the target may take to come back. ClearML's SDK waits 30 seconds between two bytes.
const PATIENCE: Duration = Duration::from_secs(25);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(250);

type GoingOn = Pin<Box<dyn Future<Output = Option<(Answering, Lease)>> + Send>>;

/// What is needed to go on with an answer.
pub(super) struct Rescue {
    remainder: Remainder,
    /// The head that asked for the whole.
    asked: Vec<u8>,
    service: ServiceName,
    site: Arc<Site>,
    left: u32,
    /// The search for the rest, and what was said when the answer broke.
    going_on: Option<(GoingOn, String)>,
}

impl fmt::Debug for Rescue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rescue").field("remainder", &self.remainder).field("left", &self.left).finish_non_exhaustive()
    }
}

impl Rescue {
    /// For an answer with this head and this length that can go on, else `None`. `asked` is the head of its request,
    /// which is taken then.
    pub(super) fn of(
        head: &response::Parts,
        length: Option<u64>,
        asked: &mut Vec<u8>,
        service: ServiceName,
        site: &Arc<Site>,
        record: &AccessRecord,
    ) -> Option<Box<Self>> {
        if !site.settings.rescue_downloads
            || asked.is_empty()
            || !is_download(service, &record.method, record.target.path())
        {
            return None;
        }
        let remainder = Remainder::of(head.status, &head.headers, length)?;
        let asked = std::mem::take(asked);
        Some(Box::new(Self { remainder, asked, service, site: Arc::clone(site), left: RESCUES, going_on: None }))
    }

    /// So many bytes were passed on.
    pub(super) fn came(&mut self, bytes: usize) {
        self.remainder.came(bytes as u64);
    }

    /// Begins to look for the rest after a break, said in `cut`; false when it was done too often.
    pub(super) fn begin(&mut self, worker: &Arc<Worker>, cut: &str) -> bool {
        if self.left == 0 {
            worker.metrics.add(Counter::DownloadsLost, 1);
            return false;
        }
        self.left -= 1;
        let head = self.remainder.request(&self.asked);
        let rest = go_on(Arc::clone(worker), Arc::clone(&self.site), self.service, head, self.remainder.clone());
        self.going_on = Some((Box::pin(rest), cut.to_owned()));
        true
    }

    /// What takes the place of the broken answer, once it is found.
    ///
    /// # Errors
    /// How the answer was cut, when there is no rest to be had.
    pub(super) fn poll(&mut self, worker: &Worker, cx: &mut Context<'_>) -> Poll<Result<(Answering, Lease), String>> {
        let Some((going_on, _)) = &mut self.going_on else { return Poll::Pending };
        let found = ready!(going_on.as_mut().poll(cx));
        let cut = self.going_on.take().map(|(_, cut)| cut).unwrap_or_default();
        worker.metrics.add(if found.is_some() { Counter::DownloadsRescued } else { Counter::DownloadsLost }, 1);
        Poll::Ready(found.ok_or(cut))
    }

    /// Whether it is looking for the rest now.
    pub(super) const fn is_under_way(&self) -> bool {
        self.going_on.is_some()
    }
}

async fn go_on(
    worker: Arc<Worker>,
    site: Arc<Site>,
    service: ServiceName,
    head: Vec<u8>,
    remainder: Remainder,
) -> Option<(Answering, Lease)> {
    let deadline = Deadline::after(PATIENCE);
    let mut search = Search::new(&worker, &site, Turn::new(&site, service, Some(Lane::Calls), None), deadline);
    while !deadline.passed() {
        let (lease, connection) = search.connection(head.len() as u64, None, now()).await.ok()?;
        let mut outbound = Outbound::new(head.clone(), OutgoingBody::empty(), Framing::Length(0));
        match deadline.bound(connection.exchange(&mut outbound, false)).await? {
            Ok(Exchanged { head, answering, .. })
                if remainder.is_given_by(head.status, &head.headers, answering.size_hint().exact()) =>
            {
                lease.target().answered();
                return Some((answering, lease));
            }
            Ok(Exchanged { head, .. }) if is_passing(head.status) => {}
            // Another version, or gone.
            Ok(_) => return None,
            Err(_) => lease.target().broke("it broke off a download"),
        }
        Deadline::after(PAUSE).wait().await;
    }
    None
}

/// Whether a status says that the same may be answered a little later.
fn is_passing(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}
