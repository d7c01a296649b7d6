//! Certificates from an authority by ACME (RFC 8555): obtained, kept, renewed.
//!
//! Owns: the account, orders, the folder in which instances share both, and the task that looks after it all.
//! Leaves: when to renew and how long to pause to `domain::renewal`, answering challenges to `tls`, `request` and
//! `listener`, serving what was obtained to `app`.
//! Limits: `acme.attempts_per_day`; 1 MiB for an answer of the authority; ten minutes for an order.

mod ca;
mod folder;
mod keeper;
mod order;

pub use folder::Folder;
pub use keeper::Keeper;
