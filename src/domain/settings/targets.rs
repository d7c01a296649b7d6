//! Targets of a service, how one is chosen, how they are watched, and their defaults.

use super::super::addr::TargetAddr;
use super::super::health::HealthRules;
use super::super::names::ServiceName;
use super::super::units::ByteSize;
use http::StatusCode;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// One target of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSettings {
    /// Where it is.
    pub addr: TargetAddr,
    /// How much of the traffic it gets, against the others.
    pub weight: NonZeroU32,
    /// Used only while no other target is fit.
    pub backup: bool,
}

impl TargetSettings {
    /// A target like all others.
    #[must_use]
    pub const fn plain(addr: TargetAddr) -> Self {
        Self { addr, weight: NonZeroU32::MIN, backup: false }
    }
}

impl fmt::Display for TargetSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)?;
        if self.weight != NonZeroU32::MIN {
            write!(f, " (weight {})", self.weight)?;
        }
        if self.backup { f.write_str(" (backup)") } else { Ok(()) }
    }
}

/// How a target is chosen where there are several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Of two drawn by weight, the one with fewer requests for its weight.
    #[default]
    LeastOutstanding,
    /// By turns, as often as the weights say.
    RoundRobin,
}

/// The statuses that a probe expects, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedStatuses(pub Vec<(u16, u16)>);

impl ExpectedStatuses {
    /// Whether `status` is one of them.
    #[must_use]
    pub fn contains(&self, status: StatusCode) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status.as_u16()))
    }
}

/// What a target of a service is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeSettings {
    /// Path and query of the `GET`.
    pub path: String,
    /// The answers of a healthy target.
    pub expected: ExpectedStatuses,
}

impl ProbeSettings {
    /// What ClearML's servers answer without credentials, and without touching a database. The API server answers 400
    /// on `/`; the file server 401 to a bad token.
    #[must_use]
    pub fn of(service: ServiceName) -> Self {
        let path = match service {
            ServiceName::App => "/version.json",
            ServiceName::Api => "/debug.ping",
            ServiceName::Files => "/",
        };
        Self { path: path.to_owned(), expected: ExpectedStatuses(vec![(200, 299)]) }
    }
}

/// How targets are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSettings {
    /// Whether they are asked; else only connections and answers of requests tell.
    pub enabled: bool,
    /// Between two probes of a target that is well.
    pub interval: Duration,
    /// For one probe.
    pub timeout: Duration,
    /// When a target goes down and comes up.
    pub rules: HealthRules,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            rules: HealthRules {
                down_after: 3,
                up_after: 2,
                eject_after: 5,
                eject_for: Duration::from_secs(10),
                eject_max: Duration::from_secs(300),
                slow_start: Duration::from_secs(10),
            },
        }
    }
}

/// How much may wait for a target that accepts, of each service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldLimits {
    /// Requests.
    pub requests: usize,
    /// What is kept of them in memory.
    pub bytes: ByteSize,
}

impl Default for HoldLimits {
    fn default() -> Self {
        Self { requests: 2_048, bytes: ByteSize::mib(32) }
    }
}
