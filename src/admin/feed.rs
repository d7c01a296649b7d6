//! The feed: everything that the dashboard, `clearway top` and `clearway explain` show, as plain data.
//!
//! The field names are the JSON of `/feed`; they only grow. `docs/guide/dashboard.md` describes them.

use super::headline::Headline;
use super::views::StatusView;
use serde::{Deserialize, Serialize};

/// The form of what follows; another number means that old readers cannot read it.
pub const FEED_VERSION: u32 = 1;

/// Everything at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FeedView {
    /// `FEED_VERSION`.
    pub version: u32,
    /// When it was made.
    pub at: String,
    /// How ClearML is, in words.
    pub headline: Headline,
    /// As `clearway status` shows it.
    pub status: StatusView,
    /// The last seconds.
    pub series: SeriesView,
    /// What was busiest in the last minute.
    pub busiest: BusiestView,
    /// Uploads under way.
    pub uploads: UploadsView,
    /// Requests that ended badly.
    pub errors: ErrorsView,
}

/// Seconds, the oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SeriesView {
    /// The number of the second that comes next: what to ask for with `after`.
    pub next: u64,
    /// Seconds that are kept.
    pub kept: usize,
    /// Those that were asked for.
    pub seconds: Vec<SecondView>,
}

/// One second.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SecondView {
    /// Its number; the first second of a process is 0.
    pub n: u64,
    /// How long it was in milliseconds.
    pub ms: u64,
    /// Body bytes from clients.
    pub bytes_in: u64,
    /// Body bytes to clients.
    pub bytes_out: u64,
    /// Requests that ended in it.
    pub app: LineView,
    /// The API server's.
    pub api: LineView,
    /// The file server's.
    pub files: LineView,
    /// Those that reached no service.
    pub none: LineView,
}

/// One service's requests in a second.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LineView {
    /// All of them.
    pub requests: u64,
    /// Answered 4xx.
    pub refused: u64,
    /// Answered 5xx, or not to the end, by the service's fault or the proxy's.
    pub failed: u64,
    /// Milliseconds that half of them, 95 and 99 of a hundred took at most; none without requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantiles_ms: Option<[f64; 3]>,
}

/// The busiest of the last minute.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BusiestView {
    /// ClearML actions.
    pub actions: Vec<BusyView>,
    /// ClearML workers.
    pub workers: Vec<BusyView>,
}

/// One of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BusyView {
    /// Its name.
    pub name: String,
    /// Requests.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Body bytes from clients.
    pub bytes_in: u64,
    /// Body bytes to clients.
    pub bytes_out: u64,
    /// Milliseconds that half of them and 95 of a hundred took at most; of actions only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantiles_ms: Option<[f64; 2]>,
}

/// Uploads under way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UploadsView {
    /// How many there are.
    pub count: usize,
    /// The oldest of them.
    pub list: Vec<UploadView>,
}

/// One of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UploadView {
    /// Of the request.
    pub id: String,
    /// `app`, `api` or `files`.
    pub service: Option<String>,
    /// What it asks for.
    pub action: Option<String>,
    /// The sender's address.
    pub client: String,
    /// The ClearML worker it comes from.
    pub worker: Option<String>,
    /// Path and query, secrets hidden.
    pub path: String,
    /// Seconds since it began.
    pub seconds: f64,
    /// The length it announced.
    pub length: Option<u64>,
    /// Bytes that have come.
    pub bytes: u64,
}

/// The last requests that ended badly, the latest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ErrorsView {
    /// By the fault of the proxy or a target.
    pub ours: Vec<RequestView>,
    /// By a client's.
    pub clients: Vec<RequestView>,
}

/// One request that is over.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RequestView {
    /// Its id, as in `X-Request-Id` and the access log.
    pub id: String,
    /// When its head was complete.
    pub at: String,
    /// The listener it came in through.
    pub listener: String,
    /// The version it was spoken in.
    pub protocol: String,
    /// As received.
    pub method: String,
    /// The host it named.
    pub host: String,
    /// Path and query, secrets hidden.
    pub path: String,
    /// `app`, `api` or `files`.
    pub service: Option<String>,
    /// What it asked of ClearML.
    pub action: Option<String>,
    /// What the client saw, or 499.
    pub status: u16,
    /// Whose fault it was that it ended badly: `client`, `proxy` or `target`.
    pub side: Option<String>,
    /// The kind of fault; none where the service itself answered an error.
    pub fault: Option<String>,
    /// What went wrong, in words.
    pub explanation: Option<String>,
    /// The sender's address.
    pub client: String,
    /// The kind of program that sent it.
    pub program: String,
    /// How that program named itself.
    pub client_version: Option<String>,
    /// The ClearML worker it came from.
    pub worker: Option<String>,
    /// The target that answered, or was tried last.
    pub target: Option<String>,
    /// How often it was sent, or tried to be.
    pub attempts: u32,
    /// Milliseconds spent waiting for a slot of a target.
    pub queue_ms: Option<f64>,
    /// On the connection to it.
    pub connect_ms: Option<f64>,
    /// From the request sent to the first byte of the answer.
    pub first_byte_ms: Option<f64>,
    /// From its head to the last byte of its answer.
    pub total_ms: f64,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// Whether it became a tunnel.
    pub upgraded: bool,
}

/// A request with the reasons for its way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ExplainedView {
    /// The request.
    pub request: RequestView,
    /// Why it went to its service, by the configuration of now.
    pub rule: String,
    /// Why it went to its target.
    pub choice: Option<String>,
}
