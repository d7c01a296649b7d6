//! A line as an AWS Application Load Balancer writes it, so that tables and reports made for one go on working.
//!
//! What has no counterpart here is `-`, as there: amounts of bytes are those of bodies, heads are not counted; the
//! trace id is the request's id; certificates have no ARN; rules are numbered by service.
//!
//! Source: AWS, "Access logs for your Application Load Balancer", access log entries.

use super::super::redact::redact_query;
use super::AccessRecord;
use super::escape::{self, FIELD_BYTES_MAX, clip};
use super::stamp::Stamp;
use crate::domain::fault::FaultKind;
use crate::domain::names::ServiceName;
use http::{HeaderValue, StatusCode, Version};
use std::time::Duration;

/// The name that a load balancer would have.
const RESOURCE: &[u8] = b" app/clearway/0000000000000000 ";

/// Appends the line of `record` to `out`.
pub(super) fn write(out: &mut Vec<u8>, stamp: &mut Stamp, record: &AccessRecord, total: Duration) {
    out.extend_from_slice(kind(record).as_bytes());
    out.push(b' ');
    stamp.write(out, record.wall + total);
    out.extend_from_slice(RESOURCE);
    escape::socket(out, record.client, record.facts.peer.port());
    out.push(b' ');
    escape::quoted(out, record.address.as_deref().unwrap_or("-").as_bytes());
    times(out, record, total);
    number(out, u64::from(record.final_status().as_u16()));
    target_status(out, record);
    number(out, record.bytes_in);
    number(out, record.bytes_out);
    request(out, record);
    let tls = record.facts.tls.as_ref();
    plain(out, tls.map_or("-", |tls| tls.cipher));
    plain(out, tls.map_or("-", |tls| tls.version));
    plain(out, record.service.map_or("-", ServiceName::as_str));
    quoted(out, Some(record.request_id.as_bytes()));
    quoted(out, tls.and_then(|tls| tls.server_name.as_deref()).map(str::as_bytes));
    quoted(out, None);
    number(out, record.service.map_or(0, |service| service as u64 + 1));
    out.push(b' ');
    stamp.write(out, record.wall);
    quoted(out, Some(action(record).as_bytes()));
    redirect(out, record);
    quoted(out, record.final_fault().map(|fault| fault.code().as_bytes()));
    quoted(out, record.address.as_deref().map(str::as_bytes));
    out.extend_from_slice(b" \"");
    target_code(out, record);
    out.push(b'"');
    quoted(out, record.final_fault().filter(|fault| ambiguous(*fault)).map(|_| b"Severe".as_slice()));
    quoted(out, record.final_fault().filter(|fault| ambiguous(*fault)).map(|fault| fault.code().as_bytes()));
    out.extend_from_slice(b" TID_");
    escape::number(out, record.facts.id);
    out.push(b'\n');
}

fn kind(record: &AccessRecord) -> &'static str {
    match (record.facts.scheme(), record.version, record.upgraded) {
        ("https", _, true) => "wss",
        (_, _, true) => "ws",
        (_, Version::HTTP_2, _) => "h2",
        ("https", ..) => "https",
        _ => "http",
    }
}

/// Whether a target answered, whatever became of the answer.
fn answered(record: &AccessRecord) -> bool {
    record.first_byte.is_some()
}

/// Until the target had the request, until its answer began, until that ended; -1 for what never came to it.
fn times(out: &mut Vec<u8>, record: &AccessRecord, total: Duration) {
    let Some(first_byte) = record.first_byte else {
        return out.extend_from_slice(b" -1 -1 -1");
    };
    let before = record.queue.unwrap_or_default() + record.connect.unwrap_or_default();
    for part in [before, first_byte, total.saturating_sub(before + first_byte)] {
        out.push(b' ');
        escape::seconds(out, part);
    }
}

fn target_status(out: &mut Vec<u8>, record: &AccessRecord) {
    out.push(b' ');
    target_code(out, record);
}

fn target_code(out: &mut Vec<u8>, record: &AccessRecord) {
    match record.status {
        Some(status) if answered(record) => escape::number(out, u64::from(status.as_u16())),
        _ => out.push(b'-'),
    }
}

/// The whole URL, with its port.
fn request(out: &mut Vec<u8>, record: &AccessRecord) {
    out.extend_from_slice(b" \"");
    escape::quoted(out, clip(record.method.as_str().as_bytes(), FIELD_BYTES_MAX).0);
    out.push(b' ');
    out.extend_from_slice(if record.facts.tls.is_some() { b"https://" } else { b"http://" });
    let mut has_port = false;
    record.host(|piece| {
        // An IPv6 address has colons inside its brackets.
        has_port |= piece.rsplit(|byte| *byte == b']').next().is_some_and(|rest| rest.contains(&b':'));
        escape::quoted(out, piece);
    });
    if !has_port {
        out.push(b':');
        escape::number(out, u64::from(record.facts.local.port()));
    }
    record.path(|piece| escape::quoted(out, piece));
    out.push(b' ');
    out.extend_from_slice(record.protocol().as_bytes());
    out.push(b'"');
    quoted(out, record.user_agent.as_ref().map(HeaderValue::as_bytes));
}

/// Where it leads; the query is the request's, secrets and all.
fn redirect(out: &mut Vec<u8>, record: &AccessRecord) {
    let url = record.redirect.as_ref().and_then(|url| std::str::from_utf8(url.as_bytes()).ok());
    quoted(out, url.map(redact_query).as_deref().map(str::as_bytes));
}

fn action(record: &AccessRecord) -> &'static str {
    match record.status {
        Some(_) if answered(record) => "forward",
        Some(StatusCode::PERMANENT_REDIRECT) => "redirect",
        Some(_) if record.address.is_none() => "fixed-response",
        _ => "forward",
    }
}

/// What desync mitigation calls severe: a head or body that can be read in two ways.
const fn ambiguous(fault: FaultKind) -> bool {
    matches!(
        fault,
        FaultKind::Malformed
            | FaultKind::BadHost
            | FaultKind::BadLength
            | FaultKind::BadTransferCoding
            | FaultKind::BadBody
    )
}

fn number(out: &mut Vec<u8>, n: u64) {
    out.push(b' ');
    escape::number(out, n);
}

fn plain(out: &mut Vec<u8>, text: &str) {
    out.push(b' ');
    out.extend_from_slice(text.as_bytes());
}

/// A value in quotes, a hyphen for none.
fn quoted(out: &mut Vec<u8>, value: Option<&[u8]>) {
    out.extend_from_slice(b" \"");
    escape::quoted(out, clip(value.unwrap_or(b"-"), FIELD_BYTES_MAX).0);
    out.push(b'"');
}
