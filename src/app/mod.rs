//! The composition root: the only code that knows every part.
//!
//! Owns: building the parts from `Settings`, starting them, stopping them.

mod build;
mod certificates;
mod default_keys;
mod demo;
mod lifecycle;
mod worker;

pub use build::{App, BuildError};
pub use certificates::{CertificateError, Certificates, Finding, authority_file, inspect};
pub use demo::Demo;
pub use lifecycle::{Ended, RunError};
