//! How a running proxy is changed, and its defaults.

use std::path::PathBuf;
use std::time::Duration;

/// Loading the configuration again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadSettings {
    /// Whether changed files are noticed by themselves.
    pub watch: bool,
    /// Between two looks at them.
    pub interval: Duration,
}

impl Default for ReloadSettings {
    fn default() -> Self {
        Self { watch: true, interval: Duration::from_secs(5) }
    }
}

/// The socket by which a running proxy is asked and told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSettings {
    /// Whether there is one.
    pub enabled: bool,
    /// Where; `None` for the usual place.
    pub socket: Option<PathBuf>,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { enabled: true, socket: None }
    }
}

/// Services that are closed for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceSettings {
    /// Whether new uploads wait for its end; else they are refused like everything else.
    pub hold_uploads: bool,
    /// How long one may wait.
    pub hold: Duration,
    /// How many may wait at once.
    pub held: usize,
}

impl Default for MaintenanceSettings {
    fn default() -> Self {
        // The SDK gives an upload 300 s without progress, and three tries.
        Self { hold_uploads: true, hold: Duration::from_secs(240), held: 256 }
    }
}

/// Handing over to a new process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeSettings {
    /// How long the new process may take until it serves.
    pub ready: Duration,
}

impl Default for UpgradeSettings {
    fn default() -> Self {
        Self { ready: Duration::from_secs(60) }
    }
}

/// What several proxies share of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TicketSettings {
    /// Keys for session tickets; without it each process makes its own.
    pub keys: Option<PathBuf>,
}
