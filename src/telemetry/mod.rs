//! What operators see: events, one access record per request, counters.
//!
//! This is the face; no logic. Written by every part above; reads no clock and no environment itself.

mod access;
mod history;
mod key_watch;
mod log;
mod metrics;
mod pace;
mod recent;
mod redact;
mod rotation;
mod spans;
mod writer;

pub use access::{AccessLog, AccessRecord, AccessWriter, OpenedLog};
pub use history::{Busy, History, LINES, Line, SECONDS, Second};
pub use key_watch::{DefaultKeys, KeyWatch};
pub use log::{LogError, LogHandle, log_panics, start_log};
pub use metrics::{
    ActionTraffic, BOUNDS_MICROS, Counter, Durations, Family, FamilyKind, Gauge, GaugeGuard, Heavy, Labels, Metrics,
    Sample, TlsFailure, Traffic, Value, WorkerMetrics,
};
pub use pace::Pace;
pub use recent::{Recent, RecentRequest, Recents, RequestFacts, UploadGuard, UploadUnderWay};
pub use redact::{Secret, redact_query};
pub use spans::{Attribute, Span, SpanStart, Spans};
pub use writer::AccessLogError;
