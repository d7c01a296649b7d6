//! Upgrade: 101 answers, and the tunnel behind them.
//!
//! Only WebSocket over HTTP/1.1. A refusal (400, 426) passes through; the connection closes after it, because what
//! the client sent behind its head is no HTTP.
//! Limits: `limits.tunnels`, `timeouts.tunnel_idle`.

use super::answer_body::Source;
use super::forward::{Reply, exchange, pass_on};
use super::outgoing::Outgoing;
use super::respond::Answer;
use super::scope::Scope;
use super::site::Site;
use super::turn::Turn;
use crate::domain::fault::{Fault, FaultKind};
use crate::runtime::{Passed, tunnel};
use crate::telemetry::{AccessRecord, Counter, Gauge};
use http::{HeaderValue, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

/// Sends an upgrade request; a 101 makes the connection a tunnel, anything else is passed on.
///
/// # Errors
/// As `forward::send`, and `Overloaded` when all tunnels are taken.
pub(super) async fn open(
    scope: &Scope,
    site: &Site,
    outgoing: Outgoing,
    record: &mut AccessRecord,
) -> Result<Answer, Fault> {
    let worker = &scope.worker;
    let Some(place) = worker.tunnels.try_take() else {
        worker.metrics.add(Counter::TunnelsFull, 1);
        return Err(Fault::new(
            FaultKind::Overloaded,
            format!("{} tunnels are open, as many as limits.tunnels", site.settings.limits.tunnels),
        ));
    };
    let Outgoing { outbound, service, permit, upgrade, .. } = outgoing;
    let turn = Turn::new(site, service, None, None);
    let reply = exchange(scope, site, turn, outbound, false, None, record).await?;
    if reply.head.status != StatusCode::SWITCHING_PROTOCOLS {
        let mut answer = pass_on(scope, site, reply, None, permit, None)?;
        answer.0.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return Ok(answer);
    }
    let Reply { mut head, answering, lease, .. } = reply;
    let agreed = answering.websocket();
    let (Some(client), Some(target), true) = (upgrade, answering.into_stream(), agreed) else {
        return Err(Fault::new(FaultKind::BadAnswer, "the target switched to another protocol than was asked for"));
    };
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    head.headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let (give_record, take_record) = oneshot::channel::<Box<AccessRecord>>();
    let idle = site.settings.timeouts.tunnel_idle;
    let metrics = worker.metrics.clone();
    worker.tasks.spawn("tunnel", async move {
        let _held = (place, permit, lease, metrics.gauge(Gauge::Tunnels));
        metrics.add(Counter::TunnelsOpened, 1);
        let Ok(record) = take_record.await else { return };
        let Ok(client) = client.await else { return };
        let mut open = Open { record, passed: Passed::default(), ended: false };
        open.record.upgraded = true;
        let was_idle = tunnel(TokioIo::new(client), target, idle, &open.passed).await;
        open.ended = true;
        if was_idle {
            metrics.add(Counter::TunnelIdleTimeouts, 1);
        }
    });
    Ok(Answer(Response::from_parts(head, Source::Tunnel(Some(give_record)))))
}

/// An open tunnel; its record says what it passed, however it ends.
struct Open {
    record: Box<AccessRecord>,
    passed: Passed,
    /// By itself, and not with the process.
    ended: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        let Self { record, passed, ended } = self;
        (record.bytes_in, record.bytes_out) =
            (passed.sent.load(Ordering::Relaxed), passed.received.load(Ordering::Relaxed));
        if !*ended {
            record.fault = Some(Fault::new(record.broken_off(), "the tunnel was cut"));
        }
    }
}
