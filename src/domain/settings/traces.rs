//! Where requests are recorded as traces, and the defaults.

use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Spans for a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSettings {
    /// Its URL for traces; `None`: nothing is recorded.
    pub endpoint: Option<String>,
    /// Authorities that its certificate may come from, as a PEM file; `None` for the public ones.
    pub ca: Option<PathBuf>,
    /// Of requests that belong to no trace yet, one in so many is recorded.
    pub one_in: NonZeroUsize,
    /// Spans that wait to be sent.
    pub queue: NonZeroUsize,
}

impl Default for TraceSettings {
    fn default() -> Self {
        let [one_in, queue] = [99, 2_047].map(|more| NonZeroUsize::MIN.saturating_add(more));
        Self { endpoint: None, ca: None, one_in, queue }
    }
}
