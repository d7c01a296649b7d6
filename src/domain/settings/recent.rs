//! What is kept in memory of requests that are over, and who may watch.

/// The last requests, for the dashboard, `clearway top` and `clearway explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentSettings {
    /// Requests that are kept; 0 for none.
    pub requests: usize,
    /// Requests that ended badly: so many by the proxy's or a target's fault, and so many by a client's.
    pub errors: usize,
    /// Who may follow the feed at once.
    pub subscribers: usize,
}

impl RecentSettings {
    /// What one of `workers` keeps.
    #[must_use]
    pub const fn share(&self, workers: usize) -> (usize, usize) {
        let workers = if workers == 0 { 1 } else { workers };
        (self.requests.div_ceil(workers), self.errors.div_ceil(workers))
    }
}

impl Default for RecentSettings {
    fn default() -> Self {
        Self { requests: 4_096, errors: 256, subscribers: 8 }
    }
}
