//! The messages of OTLP that are used here, and spans as such.
//!
//! Source: opentelemetry-proto 1.x, `collector/trace/v1/trace_service.proto`, `trace/v1/trace.proto`,
//! `common/v1/common.proto`, `resource/v1/resource.proto`. Numbers never change there, names do not travel.

use crate::telemetry::{Attribute, Span};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Export {
    #[prost(message, repeated, tag = "1")]
    pub(super) resource_spans: Vec<ResourceSpans>,
}

/// What the collector answers.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Exported {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    pub(super) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(super) scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(super) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    pub(super) scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    pub(super) spans: Vec<SpanMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Scope {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SpanMessage {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(super) name: String,
    #[prost(int32, tag = "6")]
    pub(super) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(super) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub(super) end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    pub(super) status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    pub(super) flags: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Status {
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(int32, tag = "3")]
    pub(super) code: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(message, optional, tag = "2")]
    pub(super) value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AnyValue {
    #[prost(oneof = "AnyKind", tags = "1, 3, 4")]
    pub(super) kind: Option<AnyKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum AnyKind {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
    #[prost(double, tag = "4")]
    Double(f64),
}

/// `SPAN_KIND_SERVER`.
const SERVER: i32 = 2;
/// `STATUS_CODE_ERROR`.
const FAILED: i32 = 2;
/// The trace is recorded.
const SAMPLED: u32 = 1;

/// `spans` as one message; `instance` tells this process from its siblings.
pub(super) fn export(spans: &[Span], instance: &str) -> Export {
    let version = env!("CARGO_PKG_VERSION");
    let about = [("service.name", "clearway"), ("service.version", version), ("service.instance.id", instance)];
    let attributes = about.into_iter().map(|(key, value)| pair(key, &Attribute::Text(value.to_owned()))).collect();
    let scope = Scope { name: String::from("clearway"), version: version.to_owned() };
    let spans = spans.iter().map(message).collect();
    Export {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
        }],
    }
}

fn message(span: &Span) -> SpanMessage {
    let status = span.failure.map(|why| Status { message: why.to_owned(), code: FAILED });
    SpanMessage {
        trace_id: bytes(&span.start.trace),
        span_id: bytes(&span.start.span),
        parent_span_id: span.start.parent.as_ref().map_or_else(Vec::new, |parent| bytes(parent)),
        name: span.name.to_owned(),
        kind: SERVER,
        start_time_unix_nano: nanos(span.begun),
        end_time_unix_nano: nanos(span.begun + span.took),
        attributes: span.attributes.iter().map(|(key, value)| pair(key, value)).collect(),
        status,
        flags: SAMPLED,
    }
}

fn pair(key: &str, value: &Attribute) -> KeyValue {
    let kind = match value {
        Attribute::Text(text) => AnyKind::Text(text.clone()),
        Attribute::Number(number) => AnyKind::Number(i64::try_from(*number).unwrap_or(i64::MAX)),
        Attribute::Seconds(seconds) => AnyKind::Double(*seconds),
    };
    KeyValue { key: key.to_owned(), value: Some(AnyValue { kind: Some(kind) }) }
}

fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The bytes that pairs of hexadecimal digits stand for.
fn bytes(digits: &[u8]) -> Vec<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or(0);
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | value(*digit))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::SpanStart;
    use std::time::Duration;

    #[test]
    fn a_span_becomes_a_message() {
        let start = SpanStart { trace: *b"4bf92f3577b34da6a3ce929d0e0e4736", span: *b"00f067aa0ba902b7", parent: None };
        let span = Span {
            start,
            name: "tasks.create",
            begun: UNIX_EPOCH + Duration::from_secs(3),
            took: Duration::from_nanos(5),
            failure: Some("queue_full"),
            attributes: vec![("a", Attribute::Number(u64::MAX)), ("b", Attribute::Seconds(0.5))],
        };
        let message = message(&span);
        assert_eq!(message.trace_id[..3], [0x4b, 0xf9, 0x2f]);
        assert_eq!((message.trace_id.len(), message.span_id.len(), message.parent_span_id.len()), (16, 8, 0));
        assert_eq!((message.start_time_unix_nano, message.end_time_unix_nano), (3_000_000_000, 3_000_000_005));
        assert_eq!(message.status.unwrap().code, FAILED);
        let number = message.attributes[0].value.clone().unwrap().kind;
        assert_eq!(number, Some(AnyKind::Number(i64::MAX)));
    }
}
