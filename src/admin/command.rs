//! What the app may be asked to do, and its reply.

use super::feed::{ExplainedView, FeedView};
use super::views::{ReloadView, StatusView, UpgradeView};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Show how things are.
    Status,
    /// Show everything, with the seconds from this number on.
    Feed(u64),
    /// Show one request that is over, by its id.
    Explain(String),
    /// Load the configuration again.
    Reload,
    /// Give targets no new requests.
    Drain(TargetOrder),
    /// Give them requests again.
    Undrain(TargetOrder),
    /// Begin or end maintenance.
    Maintenance(MaintenanceOrder),
    /// Hand over to a new process of the program on disk.
    Upgrade,
}

/// Which targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetOrder {
    /// `app`, `api` or `files`.
    pub service: String,
    /// As configured; all targets of the service without it.
    pub target: Option<String>,
}

/// Which services, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceOrder {
    /// `app`, `api`, `files`; none means all.
    pub services: Vec<String>,
    /// Whether it begins or ends.
    pub on: bool,
    /// It ends by itself after this long.
    pub seconds: Option<u64>,
    /// A sentence for those who wait.
    pub reason: Option<String>,
}

/// How it went.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// How things are.
    Status(Box<StatusView>),
    /// Everything.
    Feed(Box<FeedView>),
    /// One request.
    Explained(Box<ExplainedView>),
    /// What was asked for is not there, and why.
    Missing(String),
    /// How the reload went.
    Reload(ReloadView),
    /// It was done, in a sentence.
    Done(String),
    /// How the hand-over went.
    Upgrade(UpgradeView),
    /// It cannot be done, and why.
    Refused(String),
}

/// A command on its way to the app.
#[derive(Debug)]
pub struct Asked {
    /// What to do.
    pub command: Command,
    /// Who waits for it.
    pub reply: oneshot::Sender<Outcome>,
}
