//! Certificates and rustls configurations.
//!
//! The types of rustls stay in this folder: the listener is handed a finished `ServerTls`.

mod chain;
mod challenge;
mod client;
mod failure;
mod issue;
mod load;
mod load_error;
mod local_ca;
mod local_names;
mod replace;
mod server;
mod store;
mod tickets;
mod warning;

pub use challenge::{Challenges, PendingChallenge};
pub use client::{ClientTls, name_of};
pub use failure::{HandshakeFailure, describe_handshake_error};
pub use issue::{CertificateRequest, certificate_request};
pub use load::{LoadedCertificate, load_pair};
pub use load_error::{LoadError, LoadProblem};
pub use local_ca::{
    AuthorityState, LocalAuthority, LocalCaError, LocalCaProblem, LocalCertificates, ensure as ensure_local,
};
pub use local_names::LocalNames;
pub use replace::replace_file;
pub use server::{ServerTls, ServerTlsError, answers_challenge, facts_of};
pub use store::{CertStore, EmptyStore};
pub use tickets::{TicketKeysError, Tickets};
pub use warning::CertificateWarning;

#[cfg(test)]
mod tests;
