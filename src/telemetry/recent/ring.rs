//! Ring: the last entries, in places that are used again.

use super::entry::{Entry, RecentRequest};
use std::collections::VecDeque;

/// The last so many entries, the oldest first.
#[derive(Default)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    max: usize,
}

impl Ring {
    /// Keeps at most `max` from now on.
    pub(super) fn resize(&mut self, max: usize) {
        self.max = max;
        let surplus = self.entries.len().saturating_sub(max);
        self.entries.drain(..surplus);
        if surplus > 0 {
            self.entries.shrink_to_fit();
        }
    }

    /// Adds what `write` writes; whether another was forgotten for it.
    pub(super) fn put(&mut self, write: impl Fn(&mut Entry)) -> bool {
        if self.max == 0 {
            return false;
        }
        let oldest = if self.entries.len() < self.max { None } else { self.entries.pop_front() };
        let forgotten = oldest.is_some();
        let mut entry = oldest.unwrap_or_default();
        entry.clear();
        write(&mut entry);
        self.entries.push_back(entry);
        forgotten
    }

    /// The latest request with this id.
    pub(super) fn find(&self, id: &str) -> Option<RecentRequest> {
        self.entries.iter().rev().find(|entry| entry.has_id(id.as_bytes())).and_then(Entry::view)
    }

    /// The latest `most`, the latest first.
    pub(super) fn latest(&self, most: usize) -> Vec<RecentRequest> {
        self.entries.iter().rev().take(most).filter_map(Entry::view).collect()
    }
}
