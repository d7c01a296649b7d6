//! What is shown: plain data, never live parts. The field names are the JSON that `--json` prints; they only grow.

use serde::{Deserialize, Serialize};
use std::time::SystemTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The whole proxy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StatusView {
    /// Of this program.
    pub version: String,
    /// Of this process.
    pub pid: u32,
    /// `serving` or `stopping`.
    pub state: String,
    /// Since the start.
    pub uptime_seconds: u64,
    /// Threads.
    pub workers: usize,
    /// Those of them that have done nothing for a while.
    #[serde(default)]
    pub workers_standing: usize,
    /// What is listened on.
    pub listeners: Vec<ListenerView>,
    /// What stands behind.
    pub services: Vec<ServiceView>,
    /// Open client connections.
    pub connections: u64,
    /// Requests in flight.
    pub requests: u64,
    /// Open tunnels.
    pub tunnels: u64,
    /// Idle connections to targets.
    pub pooled_connections: u64,
    /// Bytes in memory above which new requests are refused.
    #[serde(default)]
    pub memory_limit: Option<u64>,
    /// What is served with.
    pub certificates: Vec<CertificateView>,
    /// The last one, if there was any.
    pub last_reload: Option<ReloadView>,
    /// What somebody should look at.
    pub alarms: Vec<String>,
}

impl StatusView {
    /// Whether new requests are taken.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == SERVING && self.workers_standing == 0
    }
}

/// The state of a proxy that takes requests.
pub const SERVING: &str = "serving";

/// The state of one that finishes what runs.
pub const STOPPING: &str = "stopping";

/// One listening address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListenerView {
    /// What is spoken.
    pub kind: String,
    /// With the port in use.
    pub address: String,
}

/// One service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ServiceView {
    /// `app`, `api` or `files`.
    pub name: String,
    /// Where it is closed.
    pub maintenance: Option<MaintenanceView>,
    /// Requests that wait for a target.
    pub waiting: usize,
    /// Its targets.
    pub targets: Vec<TargetStatus>,
}

/// A service that is closed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MaintenanceView {
    /// When it began.
    pub since: String,
    /// When it ends by itself.
    pub until: Option<String>,
    /// A sentence for those who wait.
    pub reason: Option<String>,
    /// Uploads that are held until it ends.
    pub held: usize,
}

/// One target.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TargetStatus {
    /// As configured.
    pub address: String,
    /// `up`, or what else it is; `drained` where an operator said so.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: Option<String>,
    /// Requests that use it or wait for a slot.
    pub outstanding: usize,
    /// Those of them that wait.
    #[serde(default)]
    pub queued: u64,
    /// The states it has gone through, the latest first.
    #[serde(default)]
    pub changes: Vec<ChangeView>,
}

/// A change of a target's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ChangeView {
    /// When.
    pub at: String,
    /// The state from then on.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
}

/// One certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertificateView {
    /// Where it was read.
    pub file: String,
    /// What it covers.
    pub names: Vec<String>,
    /// Its last moment.
    pub not_after: String,
    /// Whole days until then; negative behind it.
    pub days_left: i64,
    /// SHA-256 of it, in hexadecimal.
    #[serde(default)]
    pub fingerprint: String,
    /// What deserves a look.
    pub warnings: Vec<String>,
}

/// How a reload went.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReloadView {
    /// When.
    pub at: String,
    /// `signal`, `files` or `command`.
    pub trigger: String,
    /// Whether it took effect.
    pub ok: bool,
    /// Keys that have other values.
    pub changed: Vec<String>,
    /// Keys whose new values need a restart.
    pub restart: Vec<String>,
    /// Why it was refused.
    pub problems: Vec<ProblemView>,
}

/// One reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProblemView {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: String,
}

/// How a hand-over went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UpgradeView {
    /// Whether the new process serves.
    pub ok: bool,
    /// It.
    pub pid: Option<u32>,
    /// Of its program.
    pub version: Option<String>,
    /// Why the old one goes on.
    pub problem: Option<String>,
}

/// The seconds since 1970 of a moment as `timestamp` writes it.
pub(super) fn seconds_of(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

/// A moment as text: `2026-11-27T04:05:06Z`.
#[must_use]
pub fn timestamp(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn moments_are_written_to_the_second() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_709_210_096_089);
        assert_eq!(timestamp(at), "2024-02-29T12:34:56Z");
        assert_eq!(seconds_of("2024-02-29T12:34:56Z"), Some(1_709_210_096));
        assert_eq!(seconds_of("yesterday"), None);
    }
}
