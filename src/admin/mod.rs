//! The side doors: a local socket by which a running proxy is asked and told, and a listener that shows how it is.
//!
//! Owns: socket, listener and who may use them, their HTTP and JSON, what can be asked and what is shown. Changes nothing
//! itself: every request becomes a `Command` that `app` carries out.
//! Limits: `admin.connections`, the constants in `socket` and `web`; commands are carried out one at a time.

mod client;
mod command;
mod dashboard;
mod entry;
mod events;
mod exposition;
mod feed;
mod headline;
mod measured;
mod pages;
mod routes;
mod socket;
mod token;
mod views;
mod web;

pub use client::{CallError, call};
pub use command::{Asked, Command, MaintenanceOrder, Outcome, TargetOrder};
pub use entry::Entry;
pub use events::Feeds;
pub use feed::{
    BusiestView, BusyView, ErrorsView, ExplainedView, FEED_VERSION, FeedView, LineView, RequestView, SecondView,
    SeriesView, UploadView, UploadsView,
};
pub use headline::{Headline, Minute, Mood, headline, service_title};
pub use measured::metrics_reference;
pub use socket::{AdminSocket, SocketError};
pub use token::{Token, TokenError};
pub use views::{
    CertificateView, ChangeView, ListenerView, MaintenanceView, ProblemView, ReloadView, SERVING, STOPPING,
    ServiceView, StatusView, TargetStatus, UpgradeView, timestamp,
};
pub use web::AdminWeb;
