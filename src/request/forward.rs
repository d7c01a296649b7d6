//! Forward: lease a target, send the request once, pass the answer on.
//!
//! **No replay.** GET is not safe here: `queues.get_next_task` and `events.add_batch` are GETs with bodies. A request
//! is sent again only when the connection gave it back unsent, whatever its method.
//! Limits: `timeouts.hold`, `timeouts.first_byte`.

use super::admit::Permit;
use super::answer_body::{Relay, Silence, Source};
use super::outgoing::Outgoing;
use super::respond::Answer;
use super::scope::{Scope, Worker};
use super::site::Site;
use super::target_answer::{clean, keeps_alive};
use super::upload::{OutgoingBody, Upload};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::names::ServiceName;
use crate::runtime::{Deadline, now};
use crate::telemetry::{AccessRecord, Counter};
use crate::upstream::{Group, Lease, SendError, Sender};
use http::{Request, Response};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;

/// Between two attempts to connect while a request is held; doubled each time up to `BACK_OFF_MAX`.
const BACK_OFF: Duration = Duration::from_millis(50);
const BACK_OFF_MAX: Duration = Duration::from_millis(500);

/// A head from a target, with the connection it came on.
pub(super) struct Reply {
    pub(super) response: Response<Incoming>,
    pub(super) sender: Sender<OutgoingBody>,
    pub(super) lease: Lease,
}

/// Sends one request and gives its answer back as it comes.
///
/// # Errors
/// `Unreachable` when nothing was sent, `Broken`, `BadAnswer` or `NoAnswer` after that, or what went wrong with the
/// request's own body.
///
/// # Cancel safety
/// Dropping the future closes the connection to the target.
pub(super) async fn send(
    scope: &Scope,
    site: &Site,
    outgoing: Outgoing,
    record: &mut AccessRecord,
) -> Result<Answer, Fault> {
    let Outgoing { request, service, permit, upload, .. } = outgoing;
    let Reply { response, sender, lease } = exchange(scope, site, service, request, upload.as_deref(), record).await?;
    pass_on(scope, site, response, Some(sender), upload, (lease, permit))
}

/// The target's answer as ours; `held` is given back with its last byte.
///
/// # Errors
/// `BadAnswer` for a head that cannot be passed on.
pub(super) fn pass_on(
    scope: &Scope,
    site: &Site,
    response: Response<Incoming>,
    sender: Option<Sender<OutgoingBody>>,
    upload: Option<Arc<Upload>>,
    held: (Lease, Permit),
) -> Result<Answer, Fault> {
    let (mut head, inner) = response.into_parts();
    let sender = sender.filter(|_| keeps_alive(&head));
    clean(&mut head, false)?;
    let silence = Silence::new(site.settings.timeouts.target_idle);
    let relay = Relay { inner, sender, upload, worker: Arc::clone(&scope.worker), silence, _held: held };
    Ok(Answer(Response::from_parts(head, Source::Target(Box::new(relay)))))
}

/// Sends a request over the first connection that takes it; returns the answer's head.
pub(super) async fn exchange(
    scope: &Scope,
    site: &Site,
    service: ServiceName,
    mut request: Request<OutgoingBody>,
    upload: Option<&Upload>,
    record: &mut AccessRecord,
) -> Result<Reply, Fault> {
    let worker = &scope.worker;
    let timeouts = &site.settings.timeouts;
    record.queue = Some(now().saturating_duration_since(record.begun));
    let held_until = Deadline::after(timeouts.hold);
    loop {
        let (lease, mut sender) = connection(worker, site.groups.get(service), held_until, record).await?;
        record.attempts += 1;
        let begun = now();
        let sending = sender.send(request);
        match head_in_time(sending, upload, timeouts.first_byte).await {
            Some(Ok(response)) => {
                record.first_byte = Some(now().saturating_duration_since(begun));
                return Ok(Reply { response, sender, lease });
            }
            Some(Err(SendError::Unsent(unsent))) => {
                worker.metrics.add(Counter::Retries, 1);
                request = *unsent;
            }
            Some(Err(SendError::Broken(error))) => return Err(broken(&error, upload, worker)),
            None => {
                worker.metrics.add(Counter::FirstByteTimeouts, 1);
                return Err(Fault::new(FaultKind::NoAnswer, format!("no answer within {:?}", timeouts.first_byte)));
            }
        }
    }
}

/// A connection to some target of `group`: an idle one, or a new one. While no target accepts, the request is held
/// and tried again until the deadline.
async fn connection(
    worker: &Worker,
    group: &Group,
    deadline: Deadline,
    record: &mut AccessRecord,
) -> Result<(Lease, Sender<OutgoingBody>), Fault> {
    let begun = now();
    let mut tried = Vec::new();
    let mut pause = BACK_OFF;
    loop {
        let Some(lease) = group.lease(&tried) else {
            return Err(Fault::new(FaultKind::Unreachable, "the service has no target"));
        };
        let target = lease.target();
        record.address = Some(Arc::clone(target.label()));
        let taken = match worker.pool.take(target.id()).await {
            Some(sender) => Ok(sender),
            None => worker.connector.connect(target, deadline).await,
        };
        let error = match taken {
            Ok(sender) => {
                record.connect = Some(now().saturating_duration_since(begun));
                return Ok((lease, sender));
            }
            Err(error) => error,
        };
        if deadline.passed() {
            worker.metrics.add(Counter::HoldTimeouts, 1);
            return Err(Fault::new(FaultKind::Unreachable, format!("target {}: {error}", target.label())));
        }
        tried.push(target.id());
        // Another target is tried at once; the same ones only after a pause.
        if tried.len() >= group.targets().len() {
            tried.clear();
            Deadline::after(pause).min(deadline).wait().await;
            pause = (pause * 2).min(BACK_OFF_MAX);
        }
    }
}

/// Waits for the head; `None` when neither it nor any byte of the request's body moved for `limit`.
async fn head_in_time<T>(sending: impl Future<Output = T>, upload: Option<&Upload>, limit: Duration) -> Option<T> {
    let mut sending = std::pin::pin!(sending);
    let mut until = Deadline::after(limit);
    loop {
        if let Some(done) = until.bound(sending.as_mut()).await {
            return Some(done);
        }
        let moved = upload.map(|upload| Deadline::at(upload.moved() + limit)).filter(|moved| *moved > until)?;
        until = moved;
    }
}

fn broken(error: &hyper::Error, upload: Option<&Upload>, worker: &Worker) -> Fault {
    if let Some(fault) = upload.and_then(|upload| upload.fault()) {
        return fault.clone();
    }
    if error.is_parse_too_large() {
        worker.metrics.add(Counter::AnswerHeadTooLarge, 1);
    }
    let kind = if error.is_parse() { FaultKind::BadAnswer } else { FaultKind::Broken };
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Fault::new(kind, format!("{error}{source}"))
}
