//! Time, tasks, threads, stopping: what the async parts stand on.

mod activation;
mod clock;
mod files;
mod freed;
mod handover;
mod link;
mod memory;
mod notify;
mod places;
mod process;
mod program;
mod shutdown;
mod signals;
mod sockets;
mod tasks;
mod tunnel;
mod worker;

pub use activation::activated_sockets;
pub use clock::{Bound, Deadline, monotonic_micros, now, wall};
pub use files::{may_write, open_file};
pub use freed::FreedMemory;
pub use handover::{receive_descriptor, send_descriptor};
pub use link::{ClientLink, Interim, InterimSender, LateBody};
pub use memory::{memory_available, memory_resident};
pub use notify::Notify;
pub use places::{Place, Places};
pub use process::{ProcessUse, process_use};
pub use program::{ProgramEnd, run_program};
pub use shutdown::{Shutdown, ShutdownWatch, Stop};
pub use signals::{ReloadSignals, ReopenSignal, StopSignals, reload_signals, reopen_signal, stop_signals};
pub use sockets::{Begun, ListenError, adopt, begin_connect, listen, probe, send_at_once, set_give_up};
pub use tasks::{TaskCount, Tasks};
pub use tunnel::{Passed, tunnel};
pub use worker::{WorkerId, Workers, run_here, start_workers};
