//! Ring: the last entries, in places that are used again.

use super::entry::{Entry, RecentRequest};

/// The last so many entries.
#[derive(Default)]
pub(super) struct Ring {
    entries: Vec<Entry>,
    max: usize,
    /// The place that is used next, which has the oldest entry once all are used.
    next: usize,
}

impl Ring {
    /// Keeps at most `max` from now on.
    pub(super) fn resize(&mut self, max: usize) {
        // The oldest first, so that places can be added behind the youngest.
        let kept = self.entries.len();
        self.entries.rotate_left(self.next.min(kept));
        let surplus = kept.saturating_sub(max);
        self.entries.drain(..surplus);
        self.entries.shrink_to(max);
        // Room for all: it takes memory only as it is used, and no request waits until the others were moved.
        self.entries.reserve_exact(max - self.entries.len());
        (self.max, self.next) = (max, 0);
    }

    /// Adds what `write` writes; whether another was forgotten for it.
    pub(super) fn put(&mut self, write: impl Fn(&mut Entry)) -> bool {
        if self.max == 0 {
            return false;
        }
        let forgotten = self.entries.len() == self.max;
        if !forgotten {
            self.next = self.entries.len();
            self.entries.push(Entry::default());
        }
        if let Some(entry) = self.entries.get_mut(self.next) {
            entry.clear();
            write(entry);
        }
        self.next = if self.next + 1 < self.max { self.next + 1 } else { 0 };
        forgotten
    }

    /// The latest request with this id.
    pub(super) fn find(&self, id: &str) -> Option<RecentRequest> {
        self.latest_first().find(|entry| entry.has_id(id.as_bytes())).and_then(Entry::view)
    }

    /// The latest `most`, the latest first.
    pub(super) fn latest(&self, most: usize) -> Vec<RecentRequest> {
        self.latest_first().take(most).filter_map(Entry::view).collect()
    }

    fn latest_first(&self) -> impl Iterator<Item = &Entry> {
        let (late, early) = self.entries.split_at(self.next.min(self.entries.len()));
        late.iter().rev().chain(early.iter().rev())
    }
}
