//! Sockets in, transports out.
//!
//! Owns: binding, accepting under a limit, the TLS handshake under a deadline, plain HTTP on the TLS port.
//! Leaves: the transport to `connection`, its requests to `request`.
//! Limits: `limits.connections`, `timeouts.handshake`.

mod accept;
mod acceptor;
mod bind;
mod handshake;
mod introduce;
mod read_ahead;

pub use acceptor::{Acceptor, AcceptorCell};
pub use bind::{BindError, Bound, bind};
