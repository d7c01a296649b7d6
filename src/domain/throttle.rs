//! Throttle: how often something failed lately, by its hash, in bounded memory.
//!
//! Each failure adds a debt of one `pause`, and debts are paid by the passing of time alone: nothing that succeeds
//! lowers them, so one good login does not buy new guesses. What is under way is held against the limit too, so that
//! many guesses at once gain nothing; when it ends well, exactly that is given back.
//!
//! Leaves: the clock and the hash to the caller.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How many failures are borne: `burst` at once, then one for each `pause`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Failures at once.
    pub burst: u32,
    /// Time that pays for one failure.
    pub pause: Duration,
}

/// Failures by hash.
#[derive(Debug, Default)]
pub struct Throttle {
    entries: HashMap<u64, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// When all of its failures are paid for.
    paid: Instant,
    /// Tries that have not ended.
    open: u32,
}

/// Whether one more try may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Yes; so many failures are not paid for.
    Free(u32),
    /// Not while others are under way: if all of them failed, it would be one too many.
    Busy,
    /// Not before so long.
    Blocked(Duration),
}

impl Throttle {
    /// How `hash` stands at `now`.
    #[must_use]
    pub fn standing(&self, hash: u64, now: Instant, rate: Rate) -> Standing {
        let Some(entry) = self.entries.get(&hash) else { return Standing::Free(0) };
        let failures = entry.failures(now, rate);
        if failures >= rate.burst {
            let room = rate.pause.saturating_mul(rate.burst.saturating_sub(1));
            return Standing::Blocked(entry.debt(now).saturating_sub(room));
        }
        if failures.saturating_add(entry.open) >= rate.burst { Standing::Busy } else { Standing::Free(failures) }
    }

    /// Begins a try; true when another hash had to be forgotten for it.
    pub fn begin(&mut self, hash: u64, now: Instant, most: usize) -> bool {
        let full = !self.entries.contains_key(&hash) && self.entries.len() >= most && self.make_room(now, most);
        self.entries.entry(hash).or_insert(Entry { paid: now, open: 0 }).open += 1;
        full
    }

    /// Ends a try that `begin` began.
    pub fn end(&mut self, hash: u64, failed: bool, now: Instant, rate: Rate) {
        // It may have been forgotten; a failure is counted all the same.
        let entry = self.entries.entry(hash).or_insert(Entry { paid: now, open: 1 });
        entry.open = entry.open.saturating_sub(1);
        if failed {
            entry.paid = entry.paid.max(now) + rate.pause;
        }
        if entry.open == 0 && entry.paid <= now {
            self.entries.remove(&hash);
        }
    }

    /// Forgets what is paid for, and where that is not enough, the quarter with the least debt: so that the work for it
    /// is done once for many. True when a debt went. Whoever is under way stays.
    fn make_room(&mut self, now: Instant, most: usize) -> bool {
        self.entries.retain(|_, entry| entry.open > 0 || entry.paid > now);
        if self.entries.len() < most {
            return false;
        }
        let mut ends =
            self.entries.values().filter(|entry| entry.open == 0).map(|entry| entry.paid).collect::<Vec<_>>();
        if ends.is_empty() {
            return false;
        }
        let quarter = ends.len() / 4;
        let (_, cut, _) = ends.select_nth_unstable(quarter);
        let cut = *cut;
        self.entries.retain(|_, entry| entry.open > 0 || entry.paid > cut);
        true
    }
}

impl Entry {
    fn debt(&self, now: Instant) -> Duration {
        self.paid.saturating_duration_since(now)
    }

    /// Failures that are not paid for, begun ones counted whole.
    fn failures(&self, now: Instant, rate: Rate) -> u32 {
        let pause = rate.pause.as_nanos().max(1);
        u32::try_from(self.debt(now).as_nanos().div_ceil(pause)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, pause: Duration::from_secs(10) };
    const ME: u64 = 7;

    fn fail(throttle: &mut Throttle, now: Instant) {
        throttle.begin(ME, now, 100);
        throttle.end(ME, true, now, RATE);
    }

    #[test]
    fn failures_block_and_time_alone_forgives() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for failures in 0..3 {
            assert_eq!(throttle.standing(ME, start, RATE), Standing::Free(failures));
            fail(&mut throttle, start);
        }
        assert_eq!(throttle.standing(ME, start, RATE), Standing::Blocked(Duration::from_secs(10)));
        assert_eq!(throttle.standing(ME, at(4), RATE), Standing::Blocked(Duration::from_secs(6)));
        assert_eq!(throttle.standing(ME, at(10), RATE), Standing::Free(2));
        fail(&mut throttle, at(10));
        assert_eq!(throttle.standing(ME, at(10), RATE), Standing::Blocked(Duration::from_secs(10)));
        assert_eq!(throttle.standing(ME, at(40), RATE), Standing::Free(0));
        assert_eq!(throttle.standing(8, start, RATE), Standing::Free(0), "others are not concerned");
    }

    #[test]
    fn a_success_gives_back_only_its_own_try() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        fail(&mut throttle, start);
        fail(&mut throttle, start);
        for _ in 0..10 {
            throttle.begin(ME, start, 100);
            throttle.end(ME, false, start, RATE);
        }
        assert_eq!(throttle.standing(ME, start, RATE), Standing::Free(2));
    }

    #[test]
    fn tries_under_way_count_until_they_end() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..3 {
            assert!(matches!(throttle.standing(ME, start, RATE), Standing::Free(0)));
            throttle.begin(ME, start, 100);
        }
        assert_eq!(throttle.standing(ME, start, RATE), Standing::Busy);
        throttle.end(ME, false, start, RATE);
        assert_eq!(throttle.standing(ME, start, RATE), Standing::Free(0));
        throttle.end(ME, true, start, RATE);
        throttle.end(ME, false, start, RATE);
        assert_eq!(throttle.standing(ME, start, RATE), Standing::Free(1));
    }

    #[test]
    fn memory_is_bounded_and_debts_outlive_single_failures() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..3 {
            fail(&mut throttle, start);
        }
        for hash in 1_000..11_000 {
            throttle.begin(hash, start, 100);
            throttle.end(hash, true, start, RATE);
            assert!(throttle.entries.len() <= 100);
        }
        assert!(matches!(throttle.standing(ME, start, RATE), Standing::Blocked(_)));
    }

    #[test]
    fn what_is_paid_for_makes_room_first() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let later = start + Duration::from_secs(3_600);
        for hash in 0..100 {
            let when = if hash % 2 == 0 { start } else { later };
            throttle.begin(hash, when, 100);
            throttle.end(hash, true, when, RATE);
        }
        assert!(!throttle.begin(200, later, 100) && throttle.entries.len() == 51);
        throttle.end(200, false, later, RATE);
        assert_eq!(throttle.entries.len(), 50, "what ended well leaves nothing");
    }
}
