//! Time, tasks, threads, stopping: what the async parts stand on.

mod clock;
mod shutdown;
mod signals;
mod sockets;
mod tasks;
mod worker;

pub use clock::{Deadline, now, wall};
pub use shutdown::{Shutdown, ShutdownWatch, Stop};
pub use signals::{StopSignals, stop_signals};
pub use sockets::{ListenError, listen, tune_client, tune_target};
pub use tasks::{TaskCount, Tasks};
pub use worker::{WorkerId, Workers, start_workers};
