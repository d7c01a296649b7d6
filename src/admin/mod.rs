//! The side door: a local socket by which a running proxy is asked and told.
//!
//! Owns: the socket and who may use it, its HTTP and JSON, what can be asked and what is shown. Changes nothing itself:
//! every request becomes a `Command` that `app` carries out.
//! Limits: `CONNECTIONS_MAX`, `BODY_MAX` and `HEAD_WAIT` in `socket`; commands are carried out one at a time.

mod client;
mod command;
mod routes;
mod socket;
mod views;

pub use client::{CallError, call};
pub use command::{Asked, Command, MaintenanceOrder, Outcome, TargetOrder};
pub use socket::{AdminSocket, SocketError};
pub use views::{
    CertificateView, ListenerView, MaintenanceView, ProblemView, ReloadView, ServiceView, StatusView, TargetStatus,
    UpgradeView, timestamp,
};
