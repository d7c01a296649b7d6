//! Spans: requests that are recorded for a tracing system, on their way to whoever sends them there.
//!
//! Owns: what a span says of a request, and the queue. It is locked for a recorded request alone, never waited at, and
//! what does not fit is dropped and counted. Leaves: the protocol to `traces`.

use super::metrics::{Counter, WorkerMetrics};
use crate::domain::trace::{SpanId, TraceId};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// The place of a request in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanStart {
    /// The trace.
    pub trace: TraceId,
    /// The request.
    pub span: SpanId,
    /// What it is a part of.
    pub parent: Option<SpanId>,
}

/// One request, as a tracing system wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its place.
    pub start: SpanStart,
    /// What was asked for.
    pub name: &'static str,
    /// When its head was complete.
    pub begun: SystemTime,
    /// Until the last byte of its answer.
    pub took: Duration,
    /// Why it failed, where it did.
    pub failure: Option<&'static str>,
    /// What else is known.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// Text.
    Text(String),
    /// A count, a size, a status.
    Number(u64),
    /// Seconds.
    Seconds(f64),
}

/// The queue of the process; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Spans(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    spans: VecDeque<Span>,
    limit: usize,
}

impl Spans {
    /// Lets at most `limit` wait; none at 0, which is where it starts. Those that wait already are left to whoever sends
    /// them.
    pub fn resize(&self, limit: usize) {
        self.waiting().limit = limit;
    }

    /// Puts one more in, or counts that there was no room.
    pub(super) fn push(&self, span: Span, metrics: &WorkerMetrics) {
        let mut waiting = self.waiting();
        if waiting.spans.len() < waiting.limit {
            waiting.spans.push_back(span);
        } else {
            metrics.add(Counter::SpansFull, 1);
        }
    }

    /// The oldest, at most `most`.
    #[must_use]
    pub fn take(&self, most: usize) -> Vec<Span> {
        let mut waiting = self.waiting();
        let count = most.min(waiting.spans.len());
        waiting.spans.drain(..count).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::metrics::Metrics;
    use super::*;

    fn span(took: u64) -> Span {
        Span {
            start: SpanStart { trace: [b'1'; 32], span: [b'2'; 16], parent: None },
            name: "tasks.get_all",
            begun: SystemTime::UNIX_EPOCH,
            took: Duration::from_secs(took),
            failure: None,
            attributes: Vec::new(),
        }
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let (spans, metrics) = (Spans::default(), Metrics::new(1));
        spans.push(span(0), &metrics.worker(0));
        spans.resize(3);
        (1..=5).for_each(|number| spans.push(span(number), &metrics.worker(0)));
        assert_eq!(metrics.total(Counter::SpansFull), 3);
        let took = |spans: Vec<Span>| spans.iter().map(|span| span.took.as_secs()).collect::<Vec<_>>();
        assert_eq!(took(spans.take(2)), [1, 2]);
        assert_eq!(took(spans.take(2)), [3]);
        assert!(spans.take(2).is_empty());
        spans.push(span(6), &metrics.worker(0));
        spans.resize(0);
        spans.push(span(7), &metrics.worker(0));
        assert_eq!((took(spans.take(2)), metrics.total(Counter::SpansFull)), (vec![6], 4), "what waited is still sent");
    }
}
