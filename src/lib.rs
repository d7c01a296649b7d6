//! Clearway: a sub-domain reverse proxy for a self-hosted ClearML Server.
//!
//! The folders, lowest layer first; each imports only what stands above it here. `ARCHITECTURE.md` has the
//! picture, `docs/request.md` follows one request through the code, `tests/architecture.rs` holds the rules.

/// Rules without I/O: names, addresses, settings, framing, faults.
pub mod domain;

/// What ClearML's server, SDK and web UI expect; pure rules.
pub mod clearml;

/// What operators see: events, access log, counters.
pub mod telemetry;

/// Time, tasks, workers, stopping.
pub mod runtime;

/// Text in, `Settings` out.
pub mod config;

/// Certificates and rustls configurations.
pub mod tls;

/// The services behind us: groups, targets, connections.
pub mod upstream;

/// Certificates from an authority.
pub mod acme;

/// Traces on their way to a collector.
#[cfg(feature = "otlp")]
pub mod traces;

/// One request, from checked head to last body byte.
pub mod request;

/// One client transport, from first byte to close.
pub mod connection;

/// Sockets in, transports out.
pub mod listener;

/// Embedded stand-ins for ClearML's three services.
pub mod standin;

/// The side doors: what is asked, told and shown while the proxy runs.
pub mod admin;

/// The composition root.
pub mod app;

/// What is wrong with a set-up, looked for from the outside.
pub mod doctor;

/// The command line.
pub mod cli;
