//! Renewal: when a certificate is asked for anew, and how long failures make us wait.
//!
//! Pure rules; the moment is always an argument. Leaves: asking, and remembering attempts across a restart, to `acme`.

use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The longest pause that failures lead to, before it is spread.
const PAUSE_MAX: Duration = Duration::from_secs(3 * 3_600);

/// An authority may ask for more patience, but not for more than this.
pub const PATIENCE_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// The first moment.
    pub not_before: SystemTime,
    /// The last moment.
    pub not_after: SystemTime,
}

/// When an authority would like a certificate to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub start: SystemTime,
    /// The last moment.
    pub end: SystemTime,
}

/// A number drawn from 0 to 1, which spreads what would happen everywhere at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw(u32);

impl Draw {
    /// Made from any evenly spread bits.
    #[must_use]
    pub const fn of(bits: u32) -> Self {
        Self(bits)
    }

    /// That part of `whole`.
    fn part(self, whole: Duration) -> Duration {
        whole.mul_f64(f64::from(self.0) / f64::from(u32::MAX))
    }
}

/// When a certificate with this `life` is renewed: at a moment of the authority's `window`, else after two thirds of
/// its life and a little more. A window that leaves less than a tenth of the life is cut short.
#[must_use]
pub fn due(life: Life, window: Option<Window>, draw: Draw) -> SystemTime {
    let length = life.not_after.duration_since(life.not_before).unwrap_or_default();
    let latest = life.not_before + length * 9 / 10;
    let wanted = match window {
        Some(window) => window.start + draw.part(window.end.duration_since(window.start).unwrap_or_default()),
        None => life.not_before + length * 2 / 3 + draw.part(length / 60),
    };
    wanted.min(latest)
}

/// How often may be asked, and whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Attempts within a day.
    pub per_day: usize,
    /// The pause after the first failure; each further one waits three times as long.
    pub first_pause: Duration,
    /// Failures before a second authority is asked; `None` where there is none.
    pub second_after: Option<u32>,
}

/// Whom an attempt goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The authority that is asked first.
    First,
    /// The one that stands in for it.
    Second,
}

/// What an attempt waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// So many failures.
    Failures(u32),
    /// As many attempts within a day as are allowed.
    PerDay,
    /// The authority, which named the time.
    Patience,
}

/// What was tried since the last success; kept across a restart, so that a process that is started again and again
/// does not ask again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// When the last ones began, oldest first.
    pub begun: Vec<SystemTime>,
    /// Failures since the last success.
    pub failures: u32,
    /// The authority asked for patience until then.
    pub patience: Option<SystemTime>,
    /// The second one did.
    pub second_patience: Option<SystemTime>,
}

impl Attempts {
    /// From when on the next attempt may begin, and why not sooner; nothing where it may begin at once.
    #[must_use]
    pub fn next(&self, now: SystemTime, rules: &Rules, draw: Draw) -> Option<(SystemTime, Hold)> {
        // What seems to be in the future was written before the clock was set back.
        let today = self.begun.iter().filter(|begun| **begun <= now && **begun + DAY > now).collect::<Vec<_>>();
        let last = self.begun.iter().rev().find(|begun| **begun <= now);
        let paused = last.filter(|_| self.failures > 0);
        let paused =
            paused.map(|last| (*last + pause(self.failures, rules.first_pause, draw), Hold::Failures(self.failures)));
        let full = today.len().checked_sub(rules.per_day.max(1)).and_then(|index| today.get(index));
        let full = full.map(|begun| (**begun + DAY, Hold::PerDay));
        let patience = match rules.second_after {
            Some(_) => self.patient(Turn::First, now).zip(self.patient(Turn::Second, now)).map(|(a, b)| a.min(b)),
            None => self.patient(Turn::First, now),
        };
        let patience = patience.map(|until| (until, Hold::Patience));
        [paused, full, patience].into_iter().flatten().filter(|(at, _)| *at > now).max_by_key(|(at, _)| *at)
    }

    /// Whom the next attempt goes to, and how many went there before it. The second authority gets its turn after so
    /// many failures, then every other time; one that asked for patience is not waited for while the other did not.
    #[must_use]
    pub fn turn(&self, now: SystemTime, rules: &Rules) -> (Turn, u32) {
        let Some(after) = rules.second_after else { return (Turn::First, self.failures) };
        let beyond = self.failures.checked_sub(after);
        let wanted = if beyond.is_some_and(|beyond| beyond.is_multiple_of(2)) { Turn::Second } else { Turn::First };
        let other = if wanted == Turn::First { Turn::Second } else { Turn::First };
        let turn = match (self.patient(wanted, now), self.patient(other, now)) {
            (Some(_), None) => other,
            _ => wanted,
        };
        let theirs = beyond.map_or(0, |beyond| beyond.div_ceil(2));
        (turn, if turn == Turn::Second { theirs } else { self.failures - theirs })
    }

    /// Until when `turn` asked for patience, where that is not over and not absurd.
    fn patient(&self, turn: Turn, now: SystemTime) -> Option<SystemTime> {
        let patience = if turn == Turn::First { self.patience } else { self.second_patience };
        patience.filter(|until| *until > now && *until <= now + PATIENCE_MAX)
    }

    /// An attempt at `turn` begins.
    pub fn begin(&mut self, now: SystemTime, turn: Turn) {
        self.begun.retain(|begun| *begun <= now && *begun + DAY > now);
        self.begun.push(now);
        // Counted until it succeeds: an attempt that takes the process with it failed.
        self.failures = self.failures.saturating_add(1);
        *self.patience_of(turn) = None;
    }

    /// It failed, and the authority asked for patience until then.
    pub fn fail(&mut self, now: SystemTime, turn: Turn, patience: Option<SystemTime>) {
        *self.patience_of(turn) = patience.map(|until| until.min(now + PATIENCE_MAX));
    }

    /// It succeeded.
    pub fn succeed(&mut self) {
        self.failures = 0;
        self.patience = None;
        self.second_patience = None;
    }

    fn patience_of(&mut self, turn: Turn) -> &mut Option<SystemTime> {
        match turn {
            Turn::First => &mut self.patience,
            Turn::Second => &mut self.second_patience,
        }
    }
}

/// How long to wait after so many failures, and up to half as long again.
fn pause(failures: u32, first: Duration, draw: Draw) -> Duration {
    let Some(more) = failures.checked_sub(1) else { return Duration::ZERO };
    let factor = 3_u32.checked_pow(more).unwrap_or(u32::MAX);
    let pause = first.checked_mul(factor).unwrap_or(PAUSE_MAX).min(PAUSE_MAX.max(first));
    pause + draw.part(pause / 2)
}

#[cfg(test)]
mod tests;
