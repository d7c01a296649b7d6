//! Embedded stand-ins for ClearML's three services, for `clearway run --demo`, tests and benchmarks.
//!
//! Owns: what a ClearML Server 2.3.0 does on the wire as far as logging in, storing and fetching files goes: one
//! request per connection on api and files, doubled header lines, the JSON envelope, 401 before the body, ranges and
//! validators. Leaves: tasks, projects and the web UI, which they do not have; compression.
//! Limits: `CONNECTIONS_MAX` for each service; request bodies of the API 64 MiB; uploads only the disk's.

mod answer;
mod api;
mod app;
mod body;
mod call;
mod conditional;
mod date;
mod files;
mod place;
mod serve;
mod store;
mod token;
mod upload;

pub use serve::{serve, sockets};
pub use token::{ACCESS_KEY, SECRET_KEY};

#[cfg(test)]
mod tests;
