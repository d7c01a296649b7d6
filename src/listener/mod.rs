//! Sockets in, transports out.
//!
//! Owns: binding, accepting under a limit, TLS handshakes under a deadline and limits, plain HTTP on the TLS port.
//! Leaves: the transport to `connection`, its requests to `request`.
//! Limits: `limits.connections`, `timeouts.handshake`, `tls.handshakes`.

mod accept;
mod acceptor;
mod bind;
mod handshake;
mod handshakes;
mod introduce;
mod peeked;
mod speak;
mod tls_stream;

pub use acceptor::{Acceptor, AcceptorCell};
pub use bind::{BindError, Bound, bind};
pub use handshakes::Handshakes;
