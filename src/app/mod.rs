//! The composition root: the only code that knows every part.
//!
//! Owns: building the parts from `Settings`, starting them, stopping them.

mod build;
mod certificates;
mod lifecycle;
mod worker;

pub use build::{App, BuildError};
pub use certificates::{CertificateError, Certificates};
pub use lifecycle::{Ended, RunError};
