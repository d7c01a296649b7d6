//! Renewal: when a certificate is asked for anew, and how long failures make us wait.
//!
//! Pure rules; the moment is always an argument. Leaves: asking, and remembering attempts across a restart, to `acme`.

use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// After the first failure. Each further one waits three times as long: five in the first hour, as many failed
/// validations as public authorities allow a name.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

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
}

impl Attempts {
    /// From when on the next attempt may begin; not after `now` where it may begin at once.
    #[must_use]
    pub fn next(&self, now: SystemTime, per_day: usize, draw: Draw) -> SystemTime {
        // What seems to be in the future was written before the clock was set back.
        let today = self.begun.iter().filter(|begun| **begun <= now && **begun + DAY > now).collect::<Vec<_>>();
        let last = self.begun.iter().rev().find(|begun| **begun <= now);
        let paused = last.map(|last| *last + pause(self.failures, draw));
        let full =
            today.len().checked_sub(per_day.max(1)).and_then(|index| today.get(index)).map(|begun| **begun + DAY);
        let patience = self.patience.filter(|until| *until <= now + PATIENCE_MAX);
        [paused, full, patience].into_iter().flatten().max().unwrap_or(now)
    }

    /// An attempt begins.
    pub fn begin(&mut self, now: SystemTime) {
        self.begun.retain(|begun| *begun <= now && *begun + DAY > now);
        self.begun.push(now);
        // Counted until it succeeds: an attempt that takes the process with it failed.
        self.failures = self.failures.saturating_add(1);
        self.patience = None;
    }

    /// It failed, and the authority asked for patience until then.
    pub fn fail(&mut self, now: SystemTime, patience: Option<SystemTime>) {
        self.patience = patience.map(|until| until.min(now + PATIENCE_MAX));
    }

    /// It succeeded.
    pub fn succeed(&mut self) {
        self.failures = 0;
        self.patience = None;
    }
}

/// How long to wait after so many failures, and up to half as long again.
fn pause(failures: u32, draw: Draw) -> Duration {
    let Some(more) = failures.checked_sub(1) else { return Duration::ZERO };
    let factor = 3_u32.checked_pow(more).unwrap_or(u32::MAX);
    let pause = FIRST_PAUSE.checked_mul(factor).unwrap_or(PAUSE_MAX).min(PAUSE_MAX);
    pause + draw.part(pause / 2)
}

#[cfg(test)]
mod tests;
