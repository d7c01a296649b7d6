//! The services behind us: which target, by which connection.
//!
//! Owns: groups and leases, idle connections, dialling, names. Leaves: when to try again to `request::forward`.

mod connect;
mod group;
mod pool;
mod resolve;
mod stream;
mod target;

pub use connect::{ConnectError, Connector};
pub use group::Group;
pub use pool::{Pool, SendError, Sender};
pub use target::{Lease, Target};
