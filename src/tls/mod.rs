//! Certificates and rustls configurations.
//!
//! The types of rustls stay in this folder: the listener is handed a finished `ServerTls`.

mod bound_tickets;
mod chain;
mod challenge;
mod client;
mod client_rules;
mod der;
mod details;
mod examine;
mod failure;
#[cfg(any(fuzzing, test))]
mod fuzz;
mod hello;
mod identity;
mod issue;
mod issued;
mod lint;
mod load;
mod load_error;
mod local_ca;
mod local_ca_error;
mod local_names;
mod pem_file;
mod policy;
mod replace;
mod scratch;
mod server;
mod session;
mod signer;
mod store;
mod strength;
mod tickets;
mod warning;

pub use challenge::{Challenges, PendingChallenge};
pub use client::{ClientTls, name_of};
pub use client_rules::{ClientRule, ClientRules};
pub use details::{CertificateDetails, FileDetails, TrustAnchor, describe_chain, describe_file, trust_anchor};
pub use examine::{Authorities, ChainFault, SeenChain};
pub use failure::{HandshakeFailure, describe_handshake_error};
#[cfg(fuzzing)]
pub use fuzz::read_certificates;
pub use hello::Hello;
pub use issue::{CertificateRequest, certificate_request};
pub use issued::{ensure_issued, issued_file};
pub use load::{LoadedCertificate, load_again, load_pair};
pub use load_error::{Instead, LoadError, LoadProblem};
pub use local_ca::{AuthorityState, LocalAuthority, LocalCertificates, RETRY, ensure as ensure_local, settled};
pub use local_ca_error::{LocalCaError, LocalCaProblem};
pub use local_names::LocalNames;
pub use policy::policies_page;
pub use replace::replace_file;
pub use scratch::{SEALED_MAX, Scratch, Sealed};
pub use server::{ServerTls, ServerTlsError};
pub use session::{Opened, TlsSession};
pub use signer::{IssuedLeaf, Signer, SignerError, SignerProblem};
pub use store::{CertStore, EmptyStore};
pub use strength::KeyKind;
pub use tickets::{TicketKeysError, Tickets};
pub use warning::CertificateWarning;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::{Forger, example_pair};
