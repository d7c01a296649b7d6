//! A record as a span: what a tracing system is told of a request.
//!
//! Names are those of OpenTelemetry's conventions for HTTP servers where it has any, ours begin with `clearway.`.
//! Secrets are hidden and values cut as in the log.

use super::super::spans::{Attribute, Span, SpanStart};
use super::AccessRecord;
use super::escape::{FIELD_BYTES_MAX, clip};
use crate::clearml::Action;
use crate::domain::names::ServiceName;
use http::Version;
use std::time::Duration;

/// The span of `record`, which took `total`.
pub(super) fn span(record: &AccessRecord, start: SpanStart, total: Duration) -> Span {
    let status = record.final_status();
    let fault = record.final_fault().map(|kind| kind.code());
    let mut span = Span {
        start,
        name: record.action.map_or("request", Action::name),
        begun: record.wall,
        took: total,
        failure: if status.is_server_error() || record.status.is_none() { fault.or(Some("5xx")) } else { None },
        attributes: Vec::with_capacity(24),
    };
    text(&mut span, "http.request.method", record.method.as_str().as_bytes());
    about_url(&mut span, record);
    text(&mut span, "client.address", record.client.to_string().as_bytes());
    let version = match record.version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    };
    text(&mut span, "network.protocol.version", version.as_bytes());
    optional(&mut span, "user_agent.original", record.user_agent.as_ref().map(|agent| agent.as_bytes()));
    text(&mut span, "clearway.request_id", record.request_id.as_bytes());
    optional(&mut span, "clearway.service", record.service.map(ServiceName::as_str).map(str::as_bytes));
    optional(&mut span, "clearway.worker", record.worker.as_ref().map(|worker| worker.as_bytes()));
    optional(&mut span, "clearway.target", record.address.as_deref().map(str::as_bytes));
    number(&mut span, "http.response.status_code", status.as_u16().into());
    optional(&mut span, "error.type", fault.map(str::as_bytes));
    number(&mut span, "http.request.body.size", record.bytes_in);
    number(&mut span, "http.response.body.size", record.bytes_out);
    number(&mut span, "clearway.attempts", record.attempts.into());
    for (name, took) in [
        ("clearway.queue_seconds", record.queue),
        ("clearway.connect_seconds", record.connect),
        ("clearway.first_byte_seconds", record.first_byte),
    ] {
        span.attributes.extend(took.map(|took| (name, Attribute::Seconds(took.as_secs_f64()))));
    }
    span
}

fn about_url(span: &mut Span, record: &AccessRecord) {
    let mut host = Vec::new();
    record.host(|piece| host.extend_from_slice(piece));
    optional(span, "server.address", (!host.is_empty()).then_some(host.as_slice()));
    let mut target = Vec::new();
    record.path(|piece| target.extend_from_slice(piece));
    let query = target.iter().position(|byte| *byte == b'?');
    let (path, query) = target.split_at(query.unwrap_or(target.len()));
    span.attributes.push(("url.path", Attribute::Text(String::from_utf8_lossy(path).into_owned())));
    if let Some(query) = query.get(1..).filter(|query| !query.is_empty()) {
        span.attributes.push(("url.query", Attribute::Text(String::from_utf8_lossy(query).into_owned())));
    }
    text(span, "url.scheme", record.facts.scheme().as_bytes());
}

fn text(span: &mut Span, name: &'static str, value: &[u8]) {
    let value = String::from_utf8_lossy(clip(value, FIELD_BYTES_MAX).0).into_owned();
    span.attributes.push((name, Attribute::Text(value)));
}

fn optional(span: &mut Span, name: &'static str, value: Option<&[u8]>) {
    if let Some(value) = value {
        text(span, name, value);
    }
}

fn number(span: &mut Span, name: &'static str, value: u64) {
    span.attributes.push((name, Attribute::Number(value)));
}
