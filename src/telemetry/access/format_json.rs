//! A line as one JSON object. Keys without a value are left out, except `fault`, which is then `null`.

use super::AccessRecord;
use super::escape::{self, CUT, FIELD_BYTES_MAX, clip};
use super::stamp::Stamp;
use crate::clearml::client_version;
use std::time::Duration;

/// Appends the line of `record` to `out`.
pub(super) fn write(out: &mut Vec<u8>, stamp: &mut Stamp, record: &AccessRecord, total: Duration) {
    out.extend_from_slice(b"{\"time\":\"");
    stamp.write(out, record.wall);
    out.extend_from_slice(b"\",\"request_id\":\"");
    field(out, record.request_id.as_bytes());
    if let Some(trace) = &record.trace {
        out.extend_from_slice(b"\",\"trace_id\":\"");
        out.extend_from_slice(trace);
    }
    connection(out, record);
    request(out, record);
    outcome(out, record);
    number(out, b",\"bytes_in\":", record.bytes_in);
    number(out, b",\"bytes_out\":", record.bytes_out);
    millis(out, b",\"queue_ms\":", record.queue);
    millis(out, b",\"connect_ms\":", record.connect);
    millis(out, b",\"first_byte_ms\":", record.first_byte);
    millis(out, b",\"total_ms\":", Some(total));
    if let Some(agent) = &record.user_agent {
        out.extend_from_slice(b",\"user_agent\":\"");
        field(out, agent.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(if record.upgraded { b",\"upgraded\":true}\n" } else { b",\"upgraded\":false}\n" });
}

/// Begins inside the string of `request_id` or `trace_id` and ends after a value.
fn connection(out: &mut Vec<u8>, record: &AccessRecord) {
    let facts = &*record.facts;
    number(out, b"\",\"connection\":", facts.id);
    out.extend_from_slice(b",\"client\":\"");
    escape::ip(out, record.client);
    out.extend_from_slice(b"\",\"peer\":\"");
    escape::socket(out, facts.peer.ip(), facts.peer.port());
    out.extend_from_slice(b"\",\"listener\":\"");
    out.extend_from_slice(facts.listener.as_str().as_bytes());
    out.extend_from_slice(b"\",\"protocol\":\"");
    out.extend_from_slice(record.protocol().as_bytes());
    if let Some(tls) = &facts.tls {
        out.extend_from_slice(b"\",\"tls\":\"");
        out.extend_from_slice(tls.version.as_bytes());
    }
    out.push(b'"');
}

fn request(out: &mut Vec<u8>, record: &AccessRecord) {
    out.extend_from_slice(b",\"method\":\"");
    field(out, record.method.as_str().as_bytes());
    if record.has_host() {
        out.extend_from_slice(b"\",\"host\":\"");
        record.host(|piece| field(out, piece));
    }
    out.extend_from_slice(b"\",\"path\":\"");
    record.path(|piece| escape::json(out, piece));
    if let Some(service) = record.service {
        out.extend_from_slice(b"\",\"service\":\"");
        out.extend_from_slice(service.as_str().as_bytes());
    }
    if let Some(action) = record.action {
        out.extend_from_slice(b"\",\"action\":\"");
        out.extend_from_slice(action.name().as_bytes());
    }
    if let Some(worker) = &record.worker {
        out.extend_from_slice(b"\",\"worker\":\"");
        field(out, worker.as_bytes());
    }
    if let Some(client) = &record.client_certificate {
        out.extend_from_slice(b"\",\"client_subject\":\"");
        field(out, client.subject.as_bytes());
    }
    if let Some(name) = &record.client_name {
        out.extend_from_slice(b"\",\"program\":\"");
        field(out, client_version(name.as_bytes()));
    }
    if let Some(address) = &record.address {
        out.extend_from_slice(b"\",\"target\":\"");
        field(out, address.as_bytes());
    }
    out.push(b'"');
}

fn outcome(out: &mut Vec<u8>, record: &AccessRecord) {
    number(out, b",\"status\":", u64::from(record.final_status().as_u16()));
    let Some(fault) = record.final_fault() else {
        return out.extend_from_slice(b",\"fault\":null");
    };
    out.extend_from_slice(b",\"fault\":\"");
    out.extend_from_slice(fault.code().as_bytes());
    out.extend_from_slice(b"\",\"fault_side\":\"");
    out.extend_from_slice(fault.side().as_str().as_bytes());
    out.push(b'"');
}

fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    let (head, cut) = clip(bytes, FIELD_BYTES_MAX);
    escape::json(out, head);
    if cut {
        out.extend_from_slice(CUT.as_bytes());
    }
}

fn number(out: &mut Vec<u8>, key: &[u8], n: u64) {
    out.extend_from_slice(key);
    escape::number(out, n);
}

fn millis(out: &mut Vec<u8>, key: &[u8], duration: Option<Duration>) {
    if let Some(duration) = duration {
        out.extend_from_slice(key);
        escape::millis(out, duration);
    }
}
