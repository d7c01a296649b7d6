//! What is refused although it is well formed, and the defaults.

use super::super::addr::TrustedNetworks;
use super::super::page_origin::PageOrigin;
use super::super::throttle::Rate;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Rules about who may do what to the API and the file server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// Requests that foreign pages make with a signed-in person's browser.
    pub cross_site: CrossSite,
    /// What may be done to files, and how they are shown.
    pub files: FilesProtection,
    /// Requests to the file server need a token.
    pub token_gate: TokenGate,
    /// Failed logins.
    pub logins: Logins,
    /// ClearML's published default credentials.
    pub default_keys: DefaultKeyRules,
}

/// Requests that foreign pages make with a signed-in person's browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossSite {
    /// Whether they are refused (403).
    pub refuse: bool,
    /// Pages that may make them, besides the web UI.
    pub allowed_pages: Vec<PageOrigin>,
    /// Whether links on foreign pages may lead to files.
    pub file_links: bool,
}

impl Default for CrossSite {
    fn default() -> Self {
        Self { refuse: true, allowed_pages: Vec::new(), file_links: true }
    }
}

/// The file server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesProtection {
    /// Whether pages among the files are shown without access to what their origin has.
    pub sandbox: bool,
    /// Whether removing files is refused (403).
    pub refuse_removal: bool,
    /// Networks from which files may be removed nevertheless.
    pub removal_from: TrustedNetworks,
}

impl Default for FilesProtection {
    fn default() -> Self {
        Self { sandbox: true, refuse_removal: false, removal_from: TrustedNetworks::default() }
    }
}
/// Requests to the file server need a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenGate {
    /// Whether requests without a token that the API server accepts are refused (401).
    pub enabled: bool,
    /// Names of the cookies that hold a token.
    pub cookies: Vec<String>,
    /// How long an accepted token is not asked about again.
    pub keep_accepted: Duration,
    /// How long a refused one is not.
    pub keep_refused: Duration,
    /// Accepted tokens remembered, and refused ones.
    pub tokens: NonZeroUsize,
    /// Questions to the API server at the same time.
    pub checks: NonZeroUsize,
    /// How long a request waits for the verdict before 503.
    pub timeout: Duration,
}

impl Default for TokenGate {
    fn default() -> Self {
        Self {
            enabled: false,
            cookies: vec![String::from("clearml_token_basic")],
            keep_accepted: Duration::from_secs(60),
            keep_refused: Duration::from_secs(10),
            tokens: count(10_000),
            checks: count(32),
            // The SDK waits 30 s for a file, and tries an upload three times: a restart of the API server loses none.
            timeout: Duration::from_secs(20),
        }
    }
}

/// Failed logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logins {
    /// Whether they are slowed and then refused (429).
    pub shield: bool,
    /// Failures borne for one user.
    pub user: Rate,
    /// Failures borne from one address.
    pub address: Rate,
    /// The longest that one login is made to wait.
    pub delay: Duration,
    /// How long credentials that logged in are let through.
    pub remember: Duration,
    /// Users, addresses and good credentials remembered, of each at most so many.
    pub remembered: NonZeroUsize,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            shield: true,
            user: Rate { burst: 10, pause: Duration::from_secs(60) },
            address: Rate { burst: 50, pause: Duration::from_secs(10) },
            // Below the 10 s that the SDK waits for its first answer.
            delay: Duration::from_secs(3),
            remember: Duration::from_secs(7 * 24 * 3_600),
            remembered: count(65_536),
        }
    }
}

/// ClearML's published default credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultKeyRules {
    /// Whether the API server is asked if they open it.
    pub check: bool,
    /// Between two rounds.
    pub every: Duration,
}

impl Default for DefaultKeyRules {
    fn default() -> Self {
        Self { check: true, every: Duration::from_secs(24 * 3_600) }
    }
}

fn count(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}
