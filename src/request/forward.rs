//! Forward: lease a target, send the request once, pass the answer on.
//!
//! **No replay.** GET is not safe here: `queues.get_next_task` and `events.add_batch` are GETs with bodies. A request
//! is sent again only when the connection gave it back unsent, whatever its method.
//! Limits: `timeouts.hold`, `timeouts.first_byte`.

use super::admit::Permit;
use super::answer_body::{Relay, Silence, Source};
use super::gather::gather;
use super::hold::Search;
use super::outgoing::Outgoing;
use super::rescue::Rescue;
use super::respond::Answer;
use super::scope::{Scope, Worker};
use super::site::Site;
use super::turn::Turn;
use super::upload::{Counted, OutgoingBody, Upload};
use crate::domain::fault::{Fault, FaultKind};
use crate::runtime::{Deadline, now};
use crate::telemetry::{AccessRecord, Counter};
use crate::upstream::{Answering, ExchangeError, Exchanged, Lease, Outbound, Rest, Target};
use http::{Response, StatusCode, response};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Before another connection to a target that closes them before they take a byte.
const BACK_OFF: Duration = Duration::from_millis(50);

/// A head from a target, with what is needed for the rest of its answer.
pub(super) struct Reply {
    pub(super) head: response::Parts,
    /// When it came.
    pub(super) at: Instant,
    pub(super) answering: Answering,
    /// What is left of the request, whose answer came early.
    pub(super) rest: Option<Box<Rest<OutgoingBody>>>,
    pub(super) lease: Lease,
    /// The head of the request, where it had no body.
    pub(super) asked: Vec<u8>,
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
    site: &Arc<Site>,
    mut outgoing: Outgoing,
    record: &mut AccessRecord,
) -> Result<Answer, Fault> {
    let mut counted = Counted { record, upload: outgoing.upload.take() };
    let (lane, gathered) = gather(&scope.worker, site, &mut outgoing, counted.upload.as_deref()).await?;
    let Outgoing { outbound, service, holder, permit, to_head, .. } = outgoing;
    let turn = Turn::new(site, service, Some(lane), holder);
    let mut reply = exchange(scope, site, turn, outbound, to_head, counted.upload.as_deref(), counted.record).await?;
    drop(gathered);
    let length = reply.answering.size_hint().exact();
    let rescue = Rescue::of(&reply.head, length, &mut reply.asked, service, site, counted.record);
    pass_on(scope, site, reply, counted.upload.take(), permit, rescue)
}

/// The target's answer as ours; lease and place are given back with its last byte.
///
/// # Errors
/// `BadAnswer` for a head that cannot be passed on.
pub(super) fn pass_on(
    scope: &Scope,
    site: &Site,
    reply: Reply,
    upload: Option<Arc<Upload>>,
    permit: Permit,
    rescue: Option<Box<Rescue>>,
) -> Result<Answer, Fault> {
    let Reply { head, at, answering, rest, lease, .. } = reply;
    if let Some(rest) = rest {
        send_on(scope, rest, upload.clone(), site.settings.timeouts.target_idle);
    }
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Fault::new(FaultKind::BadAnswer, "the target switched protocols without being asked"));
    }
    let silence = Silence::new(site.settings.timeouts.target_idle, at);
    let worker = Arc::clone(&scope.worker);
    let relay = Relay { answering, upload, worker, silence, rescue, lease: Some(lease), _permit: permit };
    Ok(Answer(Response::from_parts(head, Source::Target(Box::new(relay)))))
}

/// Goes on sending a body behind its answer, in a task of its own, until nothing of it moved for `patience`.
fn send_on(scope: &Scope, rest: Box<Rest<OutgoingBody>>, upload: Option<Arc<Upload>>, patience: Duration) {
    let late = scope.link().late_body();
    scope.worker.tasks.spawn("rest of a body", async move {
        let _late = late;
        // Cut off when it stands still: the target then sees an incomplete request, never a complete one.
        head_in_time(pin!(rest.send()), upload.as_deref(), patience, now()).await;
    });
}

/// Sends a request over the first connection that takes it; returns the answer's head.
pub(super) async fn exchange(
    scope: &Scope,
    site: &Site,
    turn: Turn<'_>,
    mut outbound: Outbound<OutgoingBody>,
    to_head: bool,
    upload: Option<&Upload>,
    record: &mut AccessRecord,
) -> Result<Reply, Fault> {
    let worker = &scope.worker;
    let timeouts = &site.settings.timeouts;
    // The clock is read once for several waits: it costs as much as a field of the head.
    let mut searched = now();
    let mut search = Search::new(worker, site, turn, Deadline::at(searched + timeouts.hold));
    loop {
        let found = search.connection(outbound.kept(), Some(record), searched).await;
        record.queue = Some(search.turn.waited);
        record.address = search.address.take().or_else(|| record.address.take());
        let (lease, connection) = found?;
        record.attempts += 1;
        let begun = now();
        record.connect = Some(begun.saturating_duration_since(searched).saturating_sub(search.turn.waited));
        let answered = {
            let exchange = pin!(connection.exchange(&mut outbound, to_head));
            head_in_time(exchange, upload, timeouts.first_byte, begun).await
        };
        match answered {
            Some(Ok(Exchanged { head, answering, rest })) => {
                let at = now();
                record.first_byte = Some(at.saturating_duration_since(begun));
                lease.target().answered();
                return Ok(Reply { head, at, answering, rest, lease, asked: outbound.into_head() });
            }
            Some(Err(ExchangeError::Unsent)) => {
                worker.metrics.add(Counter::Retries, 1);
                if search.deadline.passed() {
                    let detail = "every connection to the service ended before it took a byte";
                    return Err(Fault::new(FaultKind::Unreachable, detail));
                }
                // Once is the usual end of an idle connection; more often is a target that accepts and closes.
                if record.attempts > 1 {
                    lease.target().broke("it accepts and closes");
                    Deadline::after(BACK_OFF).wait().await;
                }
                searched = now();
            }
            Some(Err(error)) => return Err(broken(error, upload, worker, lease.target())),
            None => {
                worker.metrics.add(Counter::FirstByteTimeouts, 1);
                return Err(Fault::new(FaultKind::NoAnswer, format!("no answer within {:?}", timeouts.first_byte)));
            }
        }
    }
}

/// Waits for the head; `None` when neither it nor any byte of the request's body moved for `limit` from `begun` on.
async fn head_in_time<F: Future>(
    mut sending: Pin<&mut F>,
    upload: Option<&Upload>,
    limit: Duration,
    begun: Instant,
) -> Option<F::Output> {
    let mut until = Deadline::at(begun + limit);
    loop {
        if let Some(done) = until.bound(sending.as_mut()).await {
            return Some(done);
        }
        let moved = upload.map(|upload| Deadline::at(upload.moved() + limit)).filter(|moved| *moved > until)?;
        until = moved;
    }
}

fn broken(error: ExchangeError, upload: Option<&Upload>, worker: &Worker, target: &Target) -> Fault {
    if let Some(fault) = upload.and_then(|upload| upload.fault()) {
        return fault.clone();
    }
    match &error {
        ExchangeError::Broken(error) => target.broke(&format!("a request got no answer: {error}")),
        ExchangeError::BadAnswer(what) => target.broke(what),
        ExchangeError::TooLarge => target.broke("the head of an answer is too large"),
        ExchangeError::Body | ExchangeError::Unsent => {}
    }
    match error {
        ExchangeError::BadAnswer(what) => Fault::new(FaultKind::BadAnswer, what),
        ExchangeError::TooLarge => {
            worker.metrics.add(Counter::AnswerHeadTooLarge, 1);
            Fault::new(
                FaultKind::BadAnswer,
                "the head of the answer is larger than limits.answer_head, or has too many fields",
            )
        }
        ExchangeError::Broken(error) => {
            Fault::new(FaultKind::Broken, format!("the connection ended before an answer: {error}"))
        }
        ExchangeError::Body => Fault::new(FaultKind::BadBody, "the request body ended early"),
        // Handled before: an unsent request is sent elsewhere.
        ExchangeError::Unsent => Fault::new(FaultKind::Internal, "an unsent request was given up"),
    }
}
