//! The ledger: how orders ended, for people and for knowing who issued what is served.

use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How one order ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// When.
    pub at: SystemTime,
    /// The authority: the URL of its directory.
    pub authority: String,
    /// The names that were asked for.
    pub names: Vec<String>,
    /// What names the certificate at its authority, where it can be named; else why there is none.
    pub outcome: Result<Option<String>, String>,
}

/// The last second of the year 9999, which is the last one that can be written as a date.
const LAST_SECOND: u64 = 253_402_300_799;

/// A moment as our files have it; `None` for one that nothing can be done with.
pub(super) fn moment(seconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).filter(|_| seconds <= LAST_SECOND)
}

impl LedgerEntry {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "at": self.at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            "authority": self.authority,
            "names": self.names,
            "certificate": self.outcome.as_ref().ok(),
            "error": self.outcome.as_ref().err(),
        })
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        Some(Self {
            at: moment(value.get("at")?.as_u64()?)?,
            authority: text("authority")?,
            names: value.get("names")?.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            outcome: text("error").map_or_else(|| Ok(text("certificate")), Err),
        })
    }
}
