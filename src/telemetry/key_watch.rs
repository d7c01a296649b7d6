//! Key watch: what is known of ClearML's published default credentials on the own server.
//!
//! Owns: the state, and whether it changed. Leaves: finding out and saying it to whoever does. Never the credentials.

use super::metrics::{Gauge, GaugeGuard, WorkerMetrics};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefaultKeys {
    /// When the API server last answered whether it knows them.
    pub checked: Option<SystemTime>,
    /// Accounts whose published credentials it accepts.
    pub accounts: Vec<&'static str>,
    /// Where the secret is published that it signs tokens with.
    pub token_secret: Option<&'static str>,
}

impl DefaultKeys {
    /// Whether anything published opens the server.
    #[must_use]
    pub fn alarming(&self) -> bool {
        !self.accounts.is_empty() || self.token_secret.is_some()
    }
}

/// The state for the whole process, and the gauge that shows it.
#[derive(Debug)]
pub struct KeyWatch {
    state: Mutex<(DefaultKeys, Vec<GaugeGuard>)>,
    metrics: WorkerMetrics,
}

impl KeyWatch {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(metrics: WorkerMetrics) -> Self {
        Self { state: Mutex::default(), metrics }
    }

    /// What is known now.
    #[must_use]
    pub fn known(&self) -> DefaultKeys {
        self.lock().0.clone()
    }

    /// Notes which accounts the API server accepts; those that are new.
    pub fn set_accounts(&self, accepted: Vec<&'static str>, at: SystemTime) -> Vec<&'static str> {
        let mut state = self.lock();
        let new = accepted.iter().copied().filter(|name| !state.0.accounts.contains(name)).collect();
        state.0.accounts = accepted;
        state.0.checked = Some(at);
        self.show(&mut state);
        new
    }

    /// Notes which published secret the API server signs with; whether that is new.
    pub fn set_token_secret(&self, found: Option<&'static str>) -> bool {
        let mut state = self.lock();
        let new = state.0.token_secret != found;
        state.0.token_secret = found;
        self.show(&mut state);
        new
    }

    fn show(&self, state: &mut (DefaultKeys, Vec<GaugeGuard>)) {
        let count = state.0.accounts.len() + usize::from(state.0.token_secret.is_some());
        state.1.truncate(count);
        while state.1.len() < count {
            state.1.push(self.metrics.gauge(Gauge::DefaultKeys));
        }
    }

    fn lock(&self) -> MutexGuard<'_, (DefaultKeys, Vec<GaugeGuard>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::metrics::Metrics;
    use super::*;

    #[test]
    fn each_change_is_told_once_and_the_gauge_shows_what_is_open() {
        let metrics = Metrics::new(1);
        let watch = KeyWatch::new(metrics.worker(0));
        let at = SystemTime::UNIX_EPOCH;
        assert!(!watch.known().alarming());
        assert_eq!(watch.set_accounts(vec!["a", "b"], at), ["a", "b"]);
        assert_eq!(watch.set_accounts(vec!["a", "b", "c"], at), ["c"]);
        assert!(watch.set_token_secret(Some("s")) && !watch.set_token_secret(Some("s")));
        assert_eq!(metrics.level(Gauge::DefaultKeys), 4);
        assert!(watch.known().alarming() && watch.known().checked == Some(at));
        assert!(watch.set_accounts(vec![], at).is_empty() && watch.set_token_secret(None));
        assert_eq!((watch.known().alarming(), metrics.level(Gauge::DefaultKeys)), (false, 0));
        assert_eq!(watch.set_accounts(vec!["a"], at), ["a"], "it is said again when it comes back");
    }
}
