//! Recent: single requests as one worker remembers them: the last that are over, the last that ended badly, and the
//! uploads under way.
//!
//! Owns: the rings, their bounds, what is cut off. Leaves: what a request is to the access record, which writes here
//! when it is dropped.
//! Limits: `recent.requests`, `recent.errors`; texts of `TEXT_BYTES_MAX`; uploads are bounded by `limits.requests`.
//!
//! The cost for a request is one copy of about 300 bytes into memory that was there before, under a lock that only its
//! worker takes, and for some microseconds whoever looks.

mod entry;
mod ring;
mod uploads;

pub(super) use entry::{Entry, shown};
pub use entry::{RecentRequest, RequestFacts};
pub(super) use uploads::Begun;
pub use uploads::{UploadGuard, UploadUnderWay};

use super::metrics::{Counter, WorkerMetrics};
use crate::domain::fault::Side;
use crate::domain::settings::RecentSettings;
use ring::Ring;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uploads::Uploads;

/// What is kept of one text that a client chose.
pub(super) const TEXT_BYTES_MAX: usize = 256;

/// What one worker remembers; cheap to clone.
#[derive(Clone, Default)]
pub struct Recent(Arc<Inner>);

/// On cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Inner {
    /// Whether anything is kept at all.
    enabled: AtomicBool,
    rings: Mutex<Rings>,
    uploads: Uploads,
}

#[derive(Default)]
struct Rings {
    all: Ring,
    /// By the proxy's or a target's fault.
    ours: Ring,
    /// By a client's.
    clients: Ring,
}

/// How a request ended, as the rings see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Well,
    Badly(Side),
}

impl Recent {
    /// Keeps so many from now on: requests, and errors of each kind.
    pub fn resize(&self, (requests, errors): (usize, usize)) {
        let mut rings = self.rings();
        rings.all.resize(requests);
        rings.ours.resize(errors);
        rings.clients.resize(errors);
        self.0.enabled.store(requests + errors > 0, Ordering::Relaxed);
    }

    /// Whether requests are kept.
    pub(super) fn is_enabled(&self) -> bool {
        self.0.enabled.load(Ordering::Relaxed)
    }

    /// Keeps one request, as `write` describes it. Allocates only until the rings are full.
    pub(super) fn keep(&self, end: End, metrics: &WorkerMetrics, write: impl Fn(&mut Entry)) {
        let mut rings = self.rings();
        if rings.all.put(&write) {
            metrics.add(Counter::RecentForgotten, 1);
        }
        let forgotten = match end {
            End::Well => false,
            End::Badly(Side::Client) => rings.clients.put(&write),
            End::Badly(Side::Proxy | Side::Target) => rings.ours.put(&write),
        };
        if forgotten {
            metrics.add(Counter::RecentErrorsForgotten, 1);
        }
    }

    /// The uploads under way.
    pub(super) fn uploads(&self) -> &Uploads {
        &self.0.uploads
    }

    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.0.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("enabled", &self.0.enabled).finish_non_exhaustive()
    }
}

/// What all workers remember; cheap to clone.
#[derive(Clone, Debug)]
pub struct Recents(Arc<[Recent]>);

impl Recents {
    /// For so many workers, at least one.
    #[must_use]
    pub fn new(workers: usize, settings: &RecentSettings) -> Self {
        let recents = Self((0..workers.max(1)).map(|_| Recent::default()).collect());
        recents.resize(settings);
        recents
    }

    /// What worker `index` remembers, from 0.
    #[must_use]
    pub fn worker(&self, index: usize) -> Recent {
        self.0.get(index % self.0.len()).cloned().unwrap_or_default()
    }

    /// Keeps as many as `settings` say from now on.
    pub fn resize(&self, settings: &RecentSettings) {
        self.0.iter().for_each(|recent| recent.resize(settings.share(self.0.len())));
    }

    /// The request with this id, the latest where several had it.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<RecentRequest> {
        let found = self.0.iter().flat_map(|recent| {
            let rings = recent.rings();
            [&rings.all, &rings.ours, &rings.clients].into_iter().filter_map(|ring| ring.find(id)).collect::<Vec<_>>()
        });
        found.max_by_key(|request| request.facts.at)
    }

    /// The last `most` requests that ended badly, the latest first: by the proxy's or a target's fault, then by
    /// clients'.
    #[must_use]
    pub fn errors(&self, most: usize) -> (Vec<RecentRequest>, Vec<RecentRequest>) {
        let latest = |choose: fn(&Rings) -> &Ring| {
            let mut all = self.0.iter().flat_map(|recent| choose(&recent.rings()).latest(most)).collect::<Vec<_>>();
            all.sort_by_key(|request| std::cmp::Reverse(request.facts.at));
            all.truncate(most);
            all
        };
        (latest(|rings| &rings.ours), latest(|rings| &rings.clients))
    }

    /// The uploads under way, the oldest first.
    #[must_use]
    pub fn uploads(&self) -> Vec<UploadUnderWay> {
        let mut all = self.0.iter().flat_map(|recent| recent.uploads().view()).collect::<Vec<_>>();
        all.sort_by_key(|upload| upload.begun);
        all
    }
}

#[cfg(test)]
mod tests;
