//! The service manager: what it is told, and the watchdog it is kept quiet with.

use crate::config::Environment;
use crate::runtime::{Deadline, Notify, monotonic_micros};
use std::time::Duration;

/// The least that is worth a message of its own.
const PING_MIN: Duration = Duration::from_millis(100);

/// systemd, or nobody.
#[derive(Debug, Default)]
pub(super) struct Manager {
    notify: Notify,
    /// Between two signs of life.
    every: Option<Duration>,
}

impl Manager {
    /// The one that `environment` names.
    pub(super) fn of(environment: &Environment) -> Self {
        let Some(address) = environment.get("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Self::default();
        };
        let notify = Notify::to(address).unwrap_or_else(|error| {
            tracing::warn!(%error, address, "the service manager cannot be reached");
            Notify::default()
        });
        let ours = environment.get("WATCHDOG_PID").is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        let micros = environment.get("WATCHDOG_USEC").filter(|_| ours).and_then(|micros| micros.parse::<u64>().ok());
        // Three in each period, so that one may be late.
        let every = micros.map(|micros| Duration::from_micros(micros / 3).max(PING_MIN));
        Self { notify, every }
    }

    pub(super) fn ready(&self, status: &str) {
        self.notify.send(&["READY=1", &format!("STATUS={status}")]);
    }

    pub(super) fn reloading(&self) {
        self.notify.send(&["RELOADING=1", &format!("MONOTONIC_USEC={}", monotonic_micros())]);
    }

    pub(super) fn stopping(&self, status: &str) {
        self.notify.send(&["STOPPING=1", &format!("STATUS={status}")]);
    }

    /// Another process is the one to watch.
    pub(super) fn main_is(&self, pid: u32) {
        self.notify.send(&[&format!("MAINPID={pid}")]);
    }

    pub(super) fn alive(&self) {
        self.notify.send(&["WATCHDOG=1"]);
    }

    /// When the next sign of life is due.
    pub(super) fn next_sign(&self) -> Option<Deadline> {
        self.every.map(Deadline::after)
    }
}
