//! The services behind us: which target, by which connection.
//!
//! Owns: groups and leases, the health of targets, idle connections, dialling, names, the exchange of one request and
//! its answer. Leaves: when to try again to `request`.

mod answer_bytes;
mod answer_fields;
mod answer_head;
mod answering;
mod connect;
mod connection;
mod exchange;
#[cfg(fuzzing)]
mod fuzz;
mod group;
mod inquiry;
mod outbound;
mod past;
mod plain;
mod pool;
mod race;
mod resolve;
mod slots;
mod stream;
mod target;
mod waiting;
mod watch;

pub use answering::{AnswerCut, Answering, TargetStream};
pub use connect::{ConnectError, Connector, open_at, open_plain, open_tls, secure};
pub use connection::Connection;
pub use exchange::{ExchangeError, Exchanged, Rest};
#[cfg(fuzzing)]
pub use fuzz::{ReadAnswer, read_answer};
pub use group::{Group, Reach};
pub use inquiry::{InquiryError, Question, Told, inquire};
pub use outbound::{Framing, Outbound};
pub use past::Change;
pub use pool::Pool;
pub use slots::{Applicant, Holder, Lane, NoSlot, Patience};
pub use target::{Lease, Target, TargetView};
pub use waiting::Held;
pub use watch::Watch;
