//! Past: the states that a target has gone through.
//!
//! Limits: `CHANGES_MAX` of them; a target that flaps forgets its older ones.

use std::collections::VecDeque;
use std::time::SystemTime;

/// Enough for a bad night.
const CHANGES_MAX: usize = 32;

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When it was seen.
    pub at: SystemTime,
    /// The state from then on, as in `TargetView`.
    pub state: &'static str,
    /// Why; empty for a target that is well.
    pub reason: String,
}

/// The last changes, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Past(VecDeque<Change>);

impl Past {
    /// Notes a state; nothing where it is the one of before.
    pub(super) fn note(&mut self, state: &'static str, reason: &str, at: impl FnOnce() -> SystemTime) {
        let same = self.0.back().map_or(state == "up", |last| last.state == state);
        if same {
            return;
        }
        if self.0.len() == CHANGES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Change { at: at(), state, reason: reason.to_owned() });
    }

    /// The changes, the latest first.
    pub(super) fn latest_first(&self) -> Vec<Change> {
        self.0.iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_noted_and_the_oldest_go() {
        let at = || SystemTime::UNIX_EPOCH;
        let mut past = Past::default();
        past.note("up", "", at);
        assert!(past.latest_first().is_empty(), "it begins as up");
        past.note("down", "status 500", at);
        past.note("down", "status 502", at);
        past.note("up", "", at);
        let states = past.latest_first().iter().map(|change| (change.state, change.reason.clone())).collect::<Vec<_>>();
        assert_eq!(states, [("up", String::new()), ("down", String::from("status 500"))]);
        for _ in 0..CHANGES_MAX {
            past.note("unreachable", "refused", at);
            past.note("up", "", at);
        }
        assert_eq!(past.latest_first().len(), CHANGES_MAX);
    }
}
