//! Time, tasks, threads, stopping: what the async parts stand on.

mod clock;
mod link;
mod memory;
mod shutdown;
mod signals;
mod sockets;
mod tasks;
mod tunnel;
mod worker;

pub use clock::{Deadline, now, wall};
pub use link::{ClientLink, Interim, InterimSender};
pub use memory::{memory_available, memory_resident};
pub use shutdown::{Shutdown, ShutdownWatch, Stop};
pub use signals::{ReopenSignal, StopSignals, reopen_signal, stop_signals};
pub use sockets::{ListenError, listen, probe, send_at_once};
pub use tasks::{TaskCount, Tasks};
pub use tunnel::{Passed, tunnel};
pub use worker::{WorkerId, Workers, run_here, start_workers};
