//! Certificates from an authority, as they are shown.

use serde::{Deserialize, Serialize};

/// What is about to be asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AcmeView {
    /// When the authority is asked next.
    pub next: String,
    /// Why, and why not sooner.
    pub reason: String,
    /// Which one is asked then.
    pub authority: String,
    /// Failures since the last success.
    pub failures: u32,
    /// How the last order ended, if there was one.
    pub last: Option<OrderView>,
}

/// How an order ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderView {
    /// When.
    pub at: String,
    /// At which authority.
    pub authority: String,
    /// What was asked for.
    pub names: Vec<String>,
    /// What went wrong, if anything did.
    pub error: Option<String>,
}

/// How a rehearsal went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RehearsalView {
    /// Whether an order would succeed.
    pub ok: bool,
    /// Where it was tried.
    pub authority: String,
    /// What was asked for.
    pub names: Vec<String>,
    /// One for each way, until one succeeded.
    pub ways: Vec<RehearsedWayView>,
}

/// One order of a rehearsal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RehearsedWayView {
    /// As `acme.challenge` names it.
    pub way: String,
    /// What went wrong.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}
