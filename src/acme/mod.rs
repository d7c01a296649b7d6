//! Certificates from an authority by ACME (RFC 8555): obtained, kept, renewed.
//!
//! Owns: accounts, orders, records in the DNS, the folder in which instances share it all, and the task that looks
//! after it.
//! Leaves: when to renew, how long to pause and whose turn it is to `domain::renewal`, answering other challenges to
//! `tls`, `request` and `listener`, serving what was obtained to `app`.
//! Limits: `acme.attempts_per_day`, `acme.timeout`; 1 MiB for an answer of the authority; ten minutes for an order.

mod account;
mod answers;
mod asides;
mod ca;
mod dns;
mod draws;
mod folder;
mod keeper;
mod ledger;
mod order;
mod order_error;
mod outlook;
mod rehearsal;
mod ways;

pub use folder::Folder;
pub use keeper::Keeper;
pub use ledger::LedgerEntry;
pub use outlook::{Outlook, SharedOutlook};
pub use rehearsal::{Rehearsal, RehearsedWay, rehearse};
