//! The outlook: when a certificate is asked for next and why, for whoever looks at the running proxy.

use super::ledger::LedgerEntry;
use crate::domain::renewal::Hold;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// What a keeper is about to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// When it asks next.
    pub next: SystemTime,
    /// Why it asks, and why not sooner.
    pub reason: String,
    /// Whom: the URL of the authority's directory.
    pub authority: String,
    /// Failures since the last success.
    pub failures: u32,
    /// How the last order ended.
    pub last: Option<LedgerEntry>,
}

/// The outlook of the keeper that runs; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct SharedOutlook(Arc<Mutex<Option<Outlook>>>);

impl SharedOutlook {
    /// What it is now; `None` where nothing is kept.
    #[must_use]
    pub fn now(&self) -> Option<Outlook> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on it is `outlook`.
    pub fn set(&self, outlook: Option<Outlook>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = outlook;
    }
}

/// Why a certificate is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// There is none that can be served.
    None,
    /// It lacks names that are to be served.
    Names,
    /// Its life comes to an end.
    Age,
    /// The authority named a window.
    Window,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "there is no certificate that can be served",
            Self::Names => "the certificate lacks names",
            Self::Age => "two thirds of the certificate's life are over",
            Self::Window => "the authority wants it renewed then",
        })
    }
}

/// The reason in words: why, and what it waits for.
pub(super) fn reason(cause: Cause, hold: Option<Hold>) -> String {
    match hold {
        None => cause.to_string(),
        Some(Hold::Failures(count)) => format!("{cause}; a pause after {count} failures"),
        Some(Hold::PerDay) => format!("{cause}; acme.attempts_per_day is reached"),
        Some(Hold::Patience) => format!("{cause}; the authority asked to wait (Retry-After)"),
    }
}
