//! Rules without I/O, and the words everything else is said in.
//!
//! Nothing here reads a clock, a file, a socket or the environment: time and text come in as arguments, so
//! every rule is tested by tables and properties. The files are this folder's face.

pub mod addr;
pub mod balance;
pub mod class;
pub mod entrance;
pub mod expiry;
pub mod facts;
pub mod failing;
pub mod fair_queue;
pub mod fault;
pub mod forwarded;
pub mod framing;
pub mod health;
pub mod hop_by_hop;
pub mod names;
pub mod page_origin;
pub mod proxy_header;
pub mod recent;
pub mod renewal;
pub mod resume;
pub mod route;
pub mod settings;
pub mod throttle;
pub mod trace;
pub mod units;
