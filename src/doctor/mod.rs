//! Doctor: finds what is wrong with a set-up, from the outside in.
//!
//! Owns: looking (`gather`), judging (`rules`), the closed list of findings, showing them. Leaves: flags and
//! configuration to `cli`. Changes nothing, and stores a file only where it is told to.

mod client;
mod compose;
mod evidence;
mod finding;
mod gather;
mod reference;
mod render;
mod rules;
mod url;

pub use finding::{Code, Finding, Place, Severity, Skipped};
pub use gather::Plan;
pub use reference::findings_page;
pub use render::{as_json, as_text};
pub use url::{Url, UrlError, service_urls};

use crate::config::Problem;
use crate::runtime::run_here;
use std::io;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// What was not looked at.
    pub skipped: Vec<Skipped>,
}

impl Report {
    /// The worst there is; none where all is well.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.first().map(|finding| finding.severity)
    }
}

/// Looks and judges.
///
/// # Errors
/// The operating system's, when there is no executor or no TLS to look with.
pub fn examine(plan: &Plan) -> io::Result<Report> {
    let (evidence, skipped) = run_here(gather::gather(plan))?.map_err(io::Error::other)?;
    Ok(Report { findings: rules::judge(&evidence), skipped })
}

/// What can be said of a configuration that cannot be used.
#[must_use]
pub fn of_configuration(problems: &[Problem]) -> Report {
    let why = String::from("where clients go is not known before the configuration is valid");
    Report { findings: rules::judge_configuration(problems), skipped: vec![Skipped { what: "everything else", why }] }
}
