//! The record of one request: made at its head, filled along the way, counted and written once, when dropped.

use super::super::metrics::{Counter, Passed};
use super::super::redact::{HIDDEN, redacted, without_user};
use super::super::spans::SpanStart;
use super::AccessLog;
use super::escape::{CUT, FIELD_BYTES_MAX, PATH_BYTES_MAX, clip};
use super::spanned;
use crate::clearml::{Action, Program, is_health_check};
use crate::domain::facts::{ClientCertificate, ConnectionFacts};
use crate::domain::fault::{Fault, FaultKind, Side};
use crate::domain::names::ServiceName;
use crate::domain::settings::AccessFormat;
use crate::domain::trace::TraceId;
use http::header::{AUTHORIZATION, COOKIE, HOST, REFERER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

/// What the log will say of one request. Dropping it writes the line, also when the client has vanished.
pub struct AccessRecord {
    /// Made by us, or kept from the request.
    pub request_id: HeaderValue,
    /// The connection it came on.
    pub facts: Arc<ConnectionFacts>,
    /// As received.
    pub method: Method,
    /// As received; path and query are logged, with secrets hidden.
    pub target: Uri,
    /// The `Host` field; where there is none, the target's authority is logged.
    pub host: Option<HeaderValue>,
    /// As received.
    pub version: Version,
    /// As received.
    pub user_agent: Option<HeaderValue>,
    /// Whether it came with `Authorization` or a cookie.
    pub(super) signed: bool,
    /// As received; kept only where the format has it.
    pub referer: Option<HeaderValue>,
    /// Where a redirect of ours leads.
    pub redirect: Option<HeaderValue>,
    /// The person behind the peer, after trusted forwarders.
    pub client: IpAddr,
    /// Where it was routed.
    pub service: Option<ServiceName>,
    /// What it asks of that service.
    pub action: Option<Action>,
    /// The trace that it belongs to, where its id does not say so.
    pub trace: Option<TraceId>,
    /// Its place in that trace, where it is recorded.
    pub span: Option<SpanStart>,
    /// The kind of program that sent it.
    pub program: Program,
    /// The field in which that program names itself and its version.
    pub client_name: Option<HeaderValue>,
    /// The ClearML worker that it comes from, as received.
    pub worker: Option<HeaderValue>,
    /// The certificate by which its client is known, where its host asks for one.
    pub client_certificate: Option<Arc<ClientCertificate>>,
    /// The address of the target that answered, or was tried last.
    pub address: Option<Arc<str>>,
    /// What the client saw; `None` when it saw none, logged as 499, or 503 where we stopped.
    pub status: Option<StatusCode>,
    /// Why it ended badly, where it did.
    pub fault: Option<Fault>,
    /// When its head was complete.
    pub begun: Instant,
    /// The same moment by the wall clock.
    pub wall: SystemTime,
    /// Spent waiting for a slot of a target.
    pub queue: Option<Duration>,
    /// Spent on the connection to the target.
    pub connect: Option<Duration>,
    /// From the request sent to the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// Whether it became a tunnel.
    pub upgraded: bool,
    /// How often it was sent, or tried to be.
    pub attempts: u32,
    pub(super) log: AccessLog,
}

impl AccessRecord {
    pub(super) fn begin<B>(
        log: AccessLog,
        facts: Arc<ConnectionFacts>,
        request: &http::Request<B>,
        request_id: HeaderValue,
        begun: Instant,
        wall: SystemTime,
    ) -> Self {
        let Fields { host, user_agent, referer, signed } = Fields::of(request.headers());
        Self {
            request_id,
            client: facts.peer.ip(),
            facts,
            method: request.method().clone(),
            target: request.uri().clone(),
            host: host.cloned(),
            version: request.version(),
            user_agent: user_agent.cloned(),
            signed,
            referer: referer.filter(|_| log.writes(AccessFormat::Combined)).cloned(),
            redirect: None,
            service: None,
            action: None,
            trace: None,
            span: None,
            program: Program::Other,
            client_name: None,
            worker: None,
            client_certificate: None,
            address: None,
            status: None,
            fault: None,
            begun,
            wall,
            queue: None,
            connect: None,
            first_byte: None,
            bytes_in: 0,
            bytes_out: 0,
            upgraded: false,
            attempts: 0,
            log,
        }
    }

    /// Path and query in pieces, secrets hidden and over-long ones cut.
    pub(super) fn path(&self, mut emit: impl FnMut(&[u8])) {
        // `CONNECT host:443` and `GET host` have none.
        let path = self.target.path_and_query().map_or("", |path| path.as_str());
        let head = path.get(..path.floor_char_boundary(PATH_BYTES_MAX)).unwrap_or_default();
        redacted(head, |piece| emit(piece.as_bytes()));
        if head.len() < path.len() {
            emit(CUT.as_bytes());
        }
    }

    /// Whether it was a health check that went well.
    pub(super) fn is_healthy_check(&self) -> bool {
        let agent = self.user_agent.as_ref().map(HeaderValue::as_bytes);
        self.final_status().is_success()
            && self.fault.is_none()
            && is_health_check(self.service, &self.method, self.target.path(), agent, self.signed)
    }

    /// Whether the request named a host.
    pub(super) fn has_host(&self) -> bool {
        self.host.is_some() || self.target.authority().is_some()
    }

    /// The host with its port as the client wrote it, in pieces, a user name before it hidden.
    pub(super) fn host(&self, mut emit: impl FnMut(&[u8])) {
        let authority = || self.target.authority().map(|authority| authority.as_str().as_bytes());
        let Some(host) = self.host.as_ref().map(HeaderValue::as_bytes).or_else(authority) else { return };
        let (had_user, host) = without_user(host);
        if had_user {
            emit(HIDDEN.as_bytes());
            emit(b"@");
        }
        emit(clip(host, FIELD_BYTES_MAX).0);
    }

    /// The version as it stands in a request line.
    pub(super) fn protocol(&self) -> &'static str {
        match self.version {
            Version::HTTP_09 => "HTTP/0.9",
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2.0",
            Version::HTTP_3 => "HTTP/3.0",
            _ => "HTTP/1.1",
        }
    }

    /// Why a request ended before its answer, where nobody said so: its client left, or the process stopped.
    pub fn broken_off(&self) -> FaultKind {
        if self.log.0.cut_off.load(Ordering::Relaxed) { FaultKind::Stopping } else { FaultKind::ClientGone }
    }

    /// The status to log: what the client saw, or what it would have been told, 499 where it left.
    pub(super) fn final_status(&self) -> StatusCode {
        self.status.unwrap_or_else(|| self.broken_off().status())
    }

    /// The fault to log. A request dropped without status and fault was left by its client, or cut off by a stop or a panic
    /// of ours.
    pub(super) fn final_fault(&self) -> Option<FaultKind> {
        match &self.fault {
            Some(fault) => Some(fault.kind),
            None if self.status.is_some() => None,
            None if std::thread::panicking() => Some(FaultKind::Internal),
            None => Some(self.broken_off()),
        }
    }
}

/// The record's part in the counts by ClearML's words.
impl AccessRecord {
    fn passed(&self, action: Action, fault: Option<FaultKind>, total: Duration) -> Passed<'_> {
        let status = self.final_status();
        let broken = fault.is_some_and(|kind| kind.side() != Side::Client);
        Passed {
            action,
            program: self.program,
            worker: self.worker.as_ref().map(HeaderValue::as_bytes),
            client: self.client_name.as_ref().map(HeaderValue::as_bytes),
            refused: self.status.is_some() && status.is_client_error(),
            failed: broken || status.is_server_error(),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            queue: self.queue,
            connect: self.connect,
            first_byte: self.first_byte,
            total,
        }
    }
}

/// What the log has of a request's fields: of several with one name the first.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a HeaderValue>,
    user_agent: Option<&'a HeaderValue>,
    referer: Option<&'a HeaderValue>,
    signed: bool,
}

impl<'a> Fields<'a> {
    /// In one pass: most heads are so short that this takes less than to look for each name.
    fn of(headers: &'a HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            let field = match () {
                () if *name == HOST => &mut fields.host,
                () if *name == USER_AGENT => &mut fields.user_agent,
                () if *name == REFERER => &mut fields.referer,
                () => {
                    fields.signed |= *name == AUTHORIZATION || *name == COOKIE;
                    continue;
                }
            };
            field.get_or_insert(value);
        }
        fields
    }
}

/// The limits that a refused head is over; the others count where they bite.
const fn limit_of(kind: FaultKind) -> Option<Counter> {
    match kind {
        FaultKind::HeadTooLarge => Some(Counter::HeadTooLarge),
        FaultKind::TooManyHeaders => Some(Counter::TooManyHeaders),
        FaultKind::TargetTooLong => Some(Counter::TargetTooLong),
        _ => None,
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        let inner = &self.log.0;
        inner.metrics.request(self.service, self.final_status());
        inner.metrics.add(Counter::BytesIn, self.bytes_in);
        inner.metrics.add(Counter::BytesOut, self.bytes_out);
        let fault = self.final_fault();
        if let Some(kind) = fault {
            inner.metrics.fault(kind);
            if let Some(limit) = limit_of(kind) {
                inner.metrics.add(limit, 1);
            }
        }
        let kept = inner.recent.is_enabled();
        let unseen = self.action.is_none() && self.span.is_none() && !kept;
        if unseen && !inner.enabled.load(Ordering::Relaxed) {
            return;
        }
        let total = (inner.clock)().saturating_duration_since(self.begun);
        if let Some(action) = self.action {
            inner.metrics.passed(&self.passed(action, fault, total));
        }
        if let Some(start) = self.span {
            inner.spans.push(spanned::span(self, start, total), &inner.metrics);
        }
        if kept {
            self.keep(fault, total);
        }
        self.log.write(self, total);
    }
}

impl fmt::Debug for AccessRecord {
    /// The id only: the target may carry secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessRecord").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}
