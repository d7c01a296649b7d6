//! The place of a request in a trace: what the target is told of it, and whether it is recorded.

use super::ids::RequestIds;
use super::site::Site;
use crate::domain::trace::{TraceContext, is_id};
use crate::telemetry::{AccessRecord, SpanStart};
use http::HeaderMap;

/// What a target is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) context: TraceContext,
    /// Whether the client's own trace goes on; what it says beside it belongs to it.
    pub(super) is_theirs: bool,
}

/// What the target is told; notes in `record` what the log and the span need.
pub(super) fn context(ids: &RequestIds, site: &Site, headers: &HeaderMap, record: &mut AccessRecord) -> Told {
    let theirs = TraceContext::of(headers);
    let traces = &site.settings.traces;
    let chosen = traces.endpoint.is_some()
        && match &theirs {
            Some(theirs) => theirs.sampled,
            None => ids.chosen(traces.one_in),
        };
    record.trace = theirs.map(|theirs| theirs.trace);
    let context = match theirs {
        Some(theirs) if !chosen => theirs,
        _ => {
            let span = ids.span();
            let trace = theirs.map_or_else(|| own_trace(ids, record), |theirs| theirs.trace);
            if chosen {
                record.span = Some(SpanStart { trace, span, parent: theirs.map(|theirs| theirs.parent) });
            }
            TraceContext { trace, parent: span, sampled: chosen }
        }
    };
    Told { context, is_theirs: theirs.is_some() }
}

/// The request's id where it has the form of one, so that logs and traces find each other.
fn own_trace(ids: &RequestIds, record: &mut AccessRecord) -> [u8; 32] {
    let id = record.request_id.as_bytes();
    match <[u8; 32]>::try_from(id) {
        Ok(trace) if is_id(&trace) => trace,
        _ => {
            let trace = ids.trace();
            record.trace = Some(trace);
            trace
        }
    }
}
