//! What is believed of a target, from what was seen of it. Time comes in as an argument.
//!
//! Two questions are kept apart. *Reachable*: does anybody accept and answer there at all? One refused connection says
//! no, one answer says yes. *Up*: is it fit to be chosen before others? That takes several probes in a row either way,
//! or several requests broken off in a row. A target that is reachable but not up is used when no better one is there:
//! the last one is never given up.
//!
//! Statuses of answers to requests say nothing here: ClearML's 500 is an answer of the application.

use std::time::{Duration, Instant};

/// A warming target gets at least this part of its weight, in percent.
const WARM_LEAST: u32 = 10;

/// Closed connections in a row, without an answer between them, after which a target that accepts counts as not there:
/// the port forwarder of a container engine accepts and closes while the container starts.
const CLOSED_MAX: u32 = 2;

/// A target that closes every probe may still serve: so often a request is let through to see.
const TRIAL: Duration = Duration::from_secs(5);

/// When a target goes down and comes up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthRules {
    /// Bad probes in a row that take it down.
    pub down_after: u32,
    /// Good probes in a row that bring it up.
    pub up_after: u32,
    /// Requests broken off in a row that take it out.
    pub eject_after: u32,
    /// How long it stays out, doubled each time.
    pub eject_for: Duration,
    /// The longest it stays out.
    pub eject_max: Duration,
    /// How long a target that came up gets less than its share.
    pub slow_start: Duration,
}

/// Something that was seen of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A probe was answered as expected; where nothing is asked, its connection stayed open.
    Good,
    /// A probe was answered otherwise.
    Bad(String),
    /// A probe was accepted and not answered in time.
    Silent(String),
    /// A probe was accepted and closed without an answer.
    Closed(String),
    /// No connection can be made for a probe.
    Refused(String),
    /// No connection can be made for a request.
    Unaccepted(String),
    /// A request got an answer, whatever its status.
    Answered,
    /// A request was broken off, before its answer or inside it, or its answer was none.
    Broke(String),
}

/// What a target is believed to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Chosen by its weight.
    Up,
    /// Came up a moment ago and gets less than its weight.
    Warming,
    /// Reachable, but its probes are bad.
    Down,
    /// Reachable, but its requests broke off.
    Ejected,
    /// Nobody is there.
    Unreachable,
}

impl State {
    /// The state as shown to people and programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Warming => "warming",
            Self::Down => "down",
            Self::Ejected => "ejected",
            Self::Unreachable => "unreachable",
        }
    }

    /// Whether it is chosen before targets that are not.
    #[must_use]
    pub const fn is_fit(self) -> bool {
        matches!(self, Self::Up | Self::Warming)
    }
}

/// What is believed of one target.
#[derive(Clone, Debug)]
pub struct Health {
    reachable: bool,
    up: bool,
    good: u32,
    bad: u32,
    /// Probes closed in a row, and no request answered between them.
    closed: u32,
    /// Requests broken off in a row.
    broken: u32,
    ejected_until: Option<Instant>,
    ejections: u32,
    /// When the last ejection ended.
    returned: Option<Instant>,
    warm_since: Option<Instant>,
    tried: Option<Instant>,
    reason: String,
    since: Instant,
    state: State,
}

impl Health {
    /// A target that nothing is known of: it is used.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            reachable: true,
            up: true,
            good: 0,
            bad: 0,
            closed: 0,
            broken: 0,
            ejected_until: None,
            ejections: 0,
            returned: None,
            warm_since: None,
            tried: None,
            reason: String::new(),
            since: now,
            state: State::Up,
        }
    }

    /// The state after what was seen last.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Why it is in its state; empty for one that is up.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Since when it is in its state.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// Whether the next probe should come soon: something is wrong, or about to be.
    #[must_use]
    pub const fn is_pressing(&self) -> bool {
        !self.reachable || self.closed > 0
    }

    /// Whether an answer to a request would change anything.
    #[must_use]
    pub const fn is_troubled(&self) -> bool {
        !self.reachable || self.closed > 0 || self.broken > 0
    }

    /// When its state changes by itself.
    #[must_use]
    pub fn changes_at(&self, rules: &HealthRules) -> Option<Instant> {
        self.ejected_until.or_else(|| self.warm_since.map(|since| since + rules.slow_start))
    }

    /// The part of its weight that it gets, in percent.
    #[must_use]
    pub fn share(&self, rules: &HealthRules, now: Instant) -> u32 {
        let Some(since) = self.warm_since else { return 100 };
        let passed = now.saturating_duration_since(since).as_millis().saturating_mul(100);
        let percent = passed.checked_div(rules.slow_start.as_millis()).unwrap_or(100);
        u32::try_from(percent).unwrap_or(100).clamp(WARM_LEAST, 100)
    }

    /// Whether it accepts connections and closes them without a word.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        !self.reachable && self.closed >= CLOSED_MAX
    }

    /// Whether one request may be sent although every probe was closed; true once in a while.
    pub fn trial(&mut self, now: Instant) -> bool {
        let due = self.tried.is_none_or(|tried| now.saturating_duration_since(tried) >= TRIAL);
        let allowed = self.is_closing() && due;
        if allowed {
            self.tried = Some(now);
        }
        allowed
    }

    /// Takes in what was seen.
    pub fn see(&mut self, sign: Sign, rules: &HealthRules, now: Instant) {
        match sign {
            Sign::Good => {
                self.answers();
                self.good = self.good.saturating_add(1);
                self.bad = 0;
                if !self.up && self.good >= rules.up_after {
                    self.up = true;
                    self.warm(rules, now);
                }
            }
            Sign::Answered => {
                self.answers();
                self.broken = 0;
            }
            Sign::Bad(reason) => {
                self.answers();
                self.fail(reason, rules);
            }
            Sign::Silent(reason) => self.fail(reason, rules),
            Sign::Closed(reason) => {
                self.closed = self.closed.saturating_add(1);
                self.reachable &= self.closed < CLOSED_MAX;
                self.fail(reason, rules);
            }
            Sign::Refused(reason) => {
                self.closed = 0;
                self.reachable = false;
                self.fail(reason, rules);
            }
            // Requests come in any number, so they do not count as probes do.
            Sign::Unaccepted(reason) => (self.reachable, self.reason) = (false, reason),
            Sign::Broke(reason) => self.broke(reason, rules, now),
        }
        self.settle(rules, now);
    }

    /// Takes in that time has passed.
    pub fn pass(&mut self, rules: &HealthRules, now: Instant) {
        self.settle(rules, now);
    }

    fn answers(&mut self) {
        self.reachable = true;
        self.closed = 0;
    }

    fn fail(&mut self, reason: String, rules: &HealthRules) {
        self.good = 0;
        self.bad = self.bad.saturating_add(1);
        if self.bad >= rules.down_after {
            self.up = false;
        }
        self.reason = reason;
    }

    fn broke(&mut self, reason: String, rules: &HealthRules, now: Instant) {
        self.broken = self.broken.saturating_add(1);
        if self.ejected_until.is_some() || self.broken < rules.eject_after {
            return;
        }
        // It went well for a while: this is a first ejection again.
        if self.returned.is_some_and(|at| now.saturating_duration_since(at) >= rules.eject_max) {
            self.ejections = 0;
        }
        let doubled = 1_u32.checked_shl(self.ejections).unwrap_or(u32::MAX);
        self.ejected_until = Some(now + rules.eject_for.saturating_mul(doubled).min(rules.eject_max));
        self.ejections = self.ejections.saturating_add(1);
        self.broken = 0;
        self.reason = reason;
    }

    fn warm(&mut self, rules: &HealthRules, now: Instant) {
        self.warm_since = (!rules.slow_start.is_zero()).then_some(now);
    }

    /// What follows from the time and from everything seen.
    fn settle(&mut self, rules: &HealthRules, now: Instant) {
        if self.ejected_until.is_some_and(|until| until <= now) {
            self.ejected_until = None;
            self.returned = Some(now);
            self.warm(rules, now);
        }
        if self.warm_since.is_some_and(|since| now.saturating_duration_since(since) >= rules.slow_start) {
            self.warm_since = None;
        }
        let state = match () {
            () if !self.reachable => State::Unreachable,
            () if self.ejected_until.is_some() => State::Ejected,
            () if !self.up => State::Down,
            () if self.warm_since.is_some() => State::Warming,
            () => State::Up,
        };
        if state.is_fit() {
            self.reason.clear();
        }
        if state != self.state {
            (self.state, self.since) = (state, now);
        }
    }
}

#[cfg(test)]
mod tests;
