//! A rate limit for log lines that repeat: at most one in each interval, with the number held back since.
//!
//! Leaves: what is said, and the clock, to the caller. For rare paths: a lock is taken at each call.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets one line through in each interval and counts the rest. Const-made, so that it can stand in a `static`.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl Pace {
    /// One line in each `interval`.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::new(State { last: None, suppressed: 0 }) }
    }

    /// One line a second.
    #[must_use]
    pub const fn every_second() -> Self {
        Self::new(Duration::from_secs(1))
    }

    /// Whether a line may be written at `now`: the number suppressed since the last one, or `None` to stay silent.
    pub fn allow(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < self.interval) {
            state.suppressed = state.suppressed.saturating_add(1);
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_one_line_through_in_each_interval_and_counts_the_rest() {
        let pace = Pace::every_second();
        let start = Instant::now();
        let at = |millis| pace.allow(start + Duration::from_millis(millis));
        let answers = [0, 1, 999, 1000, 1500, 5000, 5001].map(at);
        assert_eq!(answers, [Some(0), None, None, Some(2), None, Some(1), None]);
    }

    #[test]
    fn an_instant_before_the_last_line_stays_silent() {
        let pace = Pace::every_second();
        let start = Instant::now() + Duration::from_secs(10);
        assert_eq!(pace.allow(start), Some(0));
        assert_eq!(pace.allow(start - Duration::from_secs(5)), None);
    }
}
