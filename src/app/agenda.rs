//! Agenda: what was said of the ends of certificates, and when to look at them again.

use crate::domain::expiry::{Ending, Said, Step};
use crate::runtime::{Deadline, now};
use std::time::SystemTime;

/// It outlives every reload.
#[derive(Debug)]
pub(super) struct Agenda {
    said: Said,
    due: Deadline,
}

impl Agenda {
    /// Due at once.
    pub(super) fn new() -> Self {
        Self { said: Said::default(), due: Deadline::at(now()) }
    }

    /// When to look next.
    pub(super) const fn due(&self) -> Deadline {
        self.due
    }

    /// Other certificates are in use: look at once.
    pub(super) fn hurry(&mut self) {
        self.due = Deadline::at(now());
    }

    /// Look again then.
    pub(super) const fn wait(&mut self, due: Deadline) {
        self.due = due;
    }

    /// What is to be said of `endings` and was not said before.
    pub(super) fn news(&mut self, endings: &[Ending], now: SystemTime) -> Vec<(usize, Step)> {
        self.said.news(endings, now)
    }
}
