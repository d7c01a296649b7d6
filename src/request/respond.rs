//! Answers made here: faults in the form each caller reads, and the few that need no target.

use super::answer_body::{AnswerBody, Source};
use super::scope::Scope;
use super::site::Site;
use crate::clearml::{cors_origin, fault_answer, same_host};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::forwarded::X_REQUEST_ID;
use crate::domain::names::ServiceName;
use crate::runtime::ClientLink;
use crate::telemetry::AccessRecord;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Request, Response, StatusCode, Version};

/// Whose fault an answer of ours is: `target; target_unreachable`.
pub(super) const X_FAULT: HeaderName = HeaderName::from_static("x-fault");

/// The methods that are forwarded, for 405 and `OPTIONS *`.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// What an answer to a fault needs to know of the request, which may be gone by then.
#[derive(Debug)]
pub(super) struct Asker<'a> {
    origin: Option<HeaderValue>,
    legacy: bool,
    site: &'a Site,
    version: Version,
    link: &'a ClientLink,
}

impl<'a> Asker<'a> {
    pub(super) fn of<B>(request: &Request<B>, scope: &'a Scope, site: &'a Site) -> Self {
        Self {
            origin: request.headers().get(header::ORIGIN).cloned(),
            legacy: scope.facts.listener.is_legacy(),
            site,
            version: request.version(),
            link: scope.link(),
        }
    }
}

/// An answer whose record is still to be attached.
#[derive(Debug)]
pub(super) struct Answer(pub(super) Response<Source>);

impl Answer {
    /// The answer with the request's id on it; the record is written with its last byte.
    pub(super) fn with_record(self, mut record: Box<AccessRecord>, link: &ClientLink) -> Response<AnswerBody> {
        let (mut head, mut source) = self.0.into_parts();
        head.headers.insert(X_REQUEST_ID, record.request_id.clone());
        record.status = Some(head.status);
        let body = match &mut source {
            Source::Tunnel(give) => {
                if let Some(give) = give.take() {
                    // A tunnel whose task is gone has ended; its record is then written here.
                    drop(give.send(record));
                }
                AnswerBody::new(source, None, link.clone())
            }
            Source::Own(_) | Source::Target(_) => AnswerBody::new(source, Some(record), link.clone()),
        };
        Response::from_parts(head, body)
    }

    /// Text of our own.
    pub(super) fn text(status: StatusCode, content_type: HeaderValue, text: String) -> Self {
        let mut response = Response::new(Source::Own(Bytes::from(text)));
        *response.status_mut() = status;
        let length = match response.body() {
            Source::Own(text) => text.len(),
            Source::Target(_) | Source::Tunnel(_) => 0,
        };
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        Self(response)
    }
}

/// What this proxy can do, for `OPTIONS *` and `Max-Forwards: 0`.
pub(super) fn options() -> Answer {
    let mut response = Response::new(Source::Own(Bytes::new()));
    response.headers_mut().insert(header::ALLOW, METHODS);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    Answer(response)
}

/// The answer to a fault, in the form that the caller of this service reads.
pub(super) fn fault(fault: Fault, asker: &Asker<'_>, record: Box<AccessRecord>) -> Response<AnswerBody> {
    fault_with_hint(fault, None, asker, record)
}

/// The same with one more sentence about what to do.
pub(super) fn fault_with_hint(
    fault: Fault,
    hint: Option<&str>,
    asker: &Asker<'_>,
    mut record: Box<AccessRecord>,
) -> Response<AnswerBody> {
    let kind = fault.kind;
    let page = fault_answer(record.service, &fault, record.request_id.to_str().unwrap_or_default(), hint);
    let mut answer = Answer::text(kind.status(), HeaderValue::from_static(page.content_type), page.body);
    let headers = answer.0.headers_mut();
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(format!("{}; {}", kind.side().as_str(), kind.code())))
    {
        headers.insert(X_FAULT, value);
    }
    if let Some(wait) = fault.retry_after() {
        // Rounded up: who comes a moment too early is refused again.
        let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
    }
    if kind == FaultKind::MethodRefused {
        headers.insert(header::ALLOW, METHODS);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if closes(kind) && asker.version != Version::HTTP_2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    allow_app(headers, asker, &record);
    record.fault = Some(fault);
    answer.with_record(record, asker.link)
}

/// The host that the request named, with its port.
pub(super) fn host_of(record: &AccessRecord) -> Option<&str> {
    let field = record.host.as_ref().and_then(|host| host.to_str().ok());
    field.or_else(|| record.target.authority().map(|authority| authority.as_str()))
}

/// Lets the web UI read an error of ours on the API's and files' hosts: without this it sees status 0.
fn allow_app(headers: &mut HeaderMap, asker: &Asker<'_>, record: &AccessRecord) {
    if !matches!(record.service, Some(ServiceName::Api | ServiceName::Files)) {
        return;
    }
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    let host = host_of(record).unwrap_or_default();
    let layout = &asker.site.settings.layout;
    let origin = asker.origin.as_ref().filter(|origin| {
        origin.to_str().is_ok_and(|origin| cors_origin(layout, origin, host) || asker.legacy && same_host(origin, host))
    });
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// After these nothing else of the connection can be believed, or is worth reading.
const fn closes(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Malformed
            | FaultKind::BadHost
            | FaultKind::BadLength
            | FaultKind::BadTransferCoding
            | FaultKind::BadBody
            | FaultKind::BadVersion
            | FaultKind::PlainOnTls
            | FaultKind::OtherConnection
            | FaultKind::ClientCertificateRefused
            | FaultKind::HeadTimeout
            | FaultKind::SlowBody
            | FaultKind::BodyTooLarge
            | FaultKind::TargetTooLong
            | FaultKind::HeadTooLarge
            | FaultKind::TooManyHeaders
    )
}
