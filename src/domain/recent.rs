//! Recent: what was seen a short while ago, by its hash; a bounded set whose members end by themselves.
//!
//! Leaves: the clock and the hash to the caller.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A set of hashes, each with an end. The oldest make room for new ones.
#[derive(Debug, Default)]
pub struct Recent {
    ends: HashMap<u128, Instant>,
    /// Oldest first; what was renewed since then stands in it more than once.
    order: VecDeque<(u128, Instant)>,
}

impl Recent {
    /// Whether `hash` is in it at `now`.
    #[must_use]
    pub fn contains(&self, hash: u128, now: Instant) -> bool {
        self.ends.get(&hash).is_some_and(|end| *end > now)
    }

    /// Keeps `hash` for `time` from `now`, and at most `most` of all; true when another had to go for it.
    pub fn insert(&mut self, hash: u128, now: Instant, time: Duration, most: usize) -> bool {
        let fresh = self.ends.get(&hash).is_some_and(|end| end.saturating_duration_since(now) > time / 2);
        if fresh || most == 0 {
            return false;
        }
        self.drop_ended(now);
        self.ends.insert(hash, now + time);
        self.order.push_back((hash, now + time));
        let full = self.ends.len() > most;
        while self.ends.len() > most {
            self.drop_oldest();
        }
        full
    }

    /// Forgets `hash`.
    pub fn remove(&mut self, hash: u128) {
        // Rare. Its place in the order would take room until it ends, as often as it comes and goes.
        if self.ends.remove(&hash).is_some() {
            self.order.retain(|(other, _)| *other != hash);
        }
    }

    fn drop_ended(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(_, end)| *end <= now) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((hash, end)) = self.order.pop_front() else {
            self.ends.clear();
            return;
        };
        if self.ends.get(&hash) == Some(&end) {
            self.ends.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn members_end_by_themselves_and_may_be_renewed() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        recent.insert(1, start, MINUTE, 10);
        assert!(
            recent.contains(1, start + MINUTE / 2) && !recent.contains(1, start + MINUTE) && !recent.contains(2, start)
        );
        recent.insert(1, start + MINUTE * 3 / 4, MINUTE, 10);
        assert!(recent.contains(1, start + MINUTE * 3 / 2));
        recent.insert(2, start + MINUTE * 5, MINUTE, 10);
        assert_eq!((recent.ends.len(), recent.order.len()), (1, 1), "ended members take no room");
        recent.remove(2);
        assert!(!recent.contains(2, start + MINUTE * 5));
    }

    #[test]
    fn there_are_never_more_than_allowed_and_the_oldest_go() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        for hash in 0..1_000 {
            assert_eq!(recent.insert(hash, start, MINUTE, 10), hash >= 10);
            assert!(recent.ends.len() <= 10 && recent.order.len() <= 10);
        }
        assert!(recent.contains(999, start) && !recent.contains(989, start) && recent.contains(990, start));
        assert!(!recent.insert(5, start, MINUTE, 0) && !recent.contains(5, start));
    }

    #[test]
    fn one_member_that_comes_and_goes_for_ever_takes_little_room() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        for _ in 0..1_000 {
            recent.insert(7, start, MINUTE, 10);
            recent.remove(7);
            assert!(!recent.contains(7, start) && recent.order.is_empty());
        }
    }

    #[test]
    fn one_member_renewed_for_ever_takes_little_room() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        for second in 0..10_000 {
            recent.insert(7, start + Duration::from_secs(second), MINUTE, 10);
            assert!(recent.contains(7, start + Duration::from_secs(second)) && recent.order.len() <= 3);
        }
    }
}
