//! How TLS is spoken, whose certificates are asked for, and how many handshakes are borne; with the defaults.

use super::super::names::NamePattern;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// TLS towards clients, apart from certificates of our own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Versions, cipher suites and groups.
    pub policy: TlsPolicy,
    /// Hosts that ask clients for certificates.
    pub client_rules: Vec<ClientRuleSettings>,
    /// Handshakes under way, and those that fail.
    pub handshakes: HandshakeLimits,
}

/// A named choice of versions, cipher suites and groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsPolicy {
    /// TLS 1.3 alone.
    Modern,
    /// TLS 1.2 and 1.3.
    #[default]
    Default,
    /// Everything that the library has.
    Compatible,
}

impl TlsPolicy {
    /// Every policy, the strictest first.
    pub const ALL: [Self; 3] = [Self::Modern, Self::Default, Self::Compatible];

    /// Its name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Default => "default",
            Self::Compatible => "compatible",
        }
    }
}

/// Whether clients must have a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientMode {
    /// They are not asked: for hosts that a wildcard of another rule would cover.
    Off,
    /// They are asked, and may have none.
    Optional,
    /// Without one there is no connection and no request.
    Required,
}

/// What hosts ask of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRuleSettings {
    /// Which hosts; an exact name goes before a wildcard, then the order of the rules counts.
    pub hosts: Vec<NamePattern>,
    /// Whether a certificate is needed.
    pub mode: ClientMode,
    /// PEM file of the authorities that issue them; there is one unless `mode` is `Off`.
    pub roots: Option<PathBuf>,
    /// Files with revocation lists; with any, every authority of a client's chain needs one.
    pub crls: Vec<PathBuf>,
    /// Whether a list that should have been replaced by now refuses everybody it is about.
    pub refuse_expired_crls: bool,
}

/// Handshakes under way, and those that fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// Under way in the whole process.
    pub at_once: NonZeroUsize,
    /// Connections that wait until theirs may begin; more are closed.
    pub waiting: usize,
    /// Failures of one address that are borne before its next connections are slowed; IPv6 by /64.
    pub failures: NonZeroUsize,
    /// Time that pays for one failure, and for which slowed connections wait.
    pub pause: Duration,
    /// Slowed connections of one address; more are closed before any cryptography.
    pub slowed: usize,
    /// Addresses whose failures are remembered.
    pub addresses: NonZeroUsize,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            at_once: nonzero(4_096),
            waiting: 4_096,
            // An SDK that does not trust us fails ten times a second.
            failures: nonzero(20),
            pause: Duration::from_secs(1),
            slowed: 32,
            addresses: nonzero(10_000),
        }
    }
}

fn nonzero(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}
