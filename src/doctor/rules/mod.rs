//! Rules: evidence to findings, one topic a file. No I/O; the same evidence gives the same findings.

mod browser;
mod compose;
mod cookies;
mod doors;
mod plain;
mod server;
mod services;
mod targets;
mod ui;

#[cfg(test)]
mod tests;

use super::evidence::{Evidence, Heard, Question};
use super::finding::{Code, Finding, Place};
use crate::config::{Origin, Problem, Severity as Kind};
use crate::domain::names::ServiceName;

/// Everything that is wrong, the worst first.
pub(super) fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = judge_configuration(&evidence.configuration);
    for rule in [
        doors::judge,
        plain::judge,
        services::judge,
        ui::judge,
        cookies::judge,
        browser::judge,
        server::judge,
        targets::judge,
        compose::judge,
    ] {
        findings.extend(rule(evidence));
    }
    sorted(findings)
}

/// What is wrong with the proxy's own configuration.
pub(super) fn judge_configuration(problems: &[Problem]) -> Vec<Finding> {
    sorted(problems.iter().map(|problem| finding_of(Code::Configuration, problem)).collect())
}

fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|one, other| other.severity.cmp(&one.severity).then(one.code.cmp(&other.code)));
    findings
}

/// A problem of a configuration file.
fn finding_of(code: Code, problem: &Problem) -> Finding {
    let severity = match problem.severity {
        Kind::Error => super::finding::Severity::Error,
        Kind::Warning => super::finding::Severity::Warning,
    };
    let subject = match (&problem.origin, problem.key.as_str()) {
        (Origin::Text { .. } | Origin::Path(_) | Origin::Default, "") => String::from("configuration"),
        (origin, "") => origin.to_string(),
        (_, key) => key.to_owned(),
    };
    let change = problem.hint.clone().unwrap_or_else(|| String::from("see the place that is named"));
    Finding { severity, place: place_of(&problem.origin), ..Finding::new(code, subject, &problem.message, change) }
}

/// Where a value stands, if it stands in a file.
fn place_of(origin: &Origin) -> Option<Place> {
    match origin {
        Origin::Text { source, .. } => Some(Place { file: source.path.clone(), at: origin.position() }),
        Origin::Path(path) => Some(Place { file: path.clone(), at: None }),
        Origin::Variable(_) | Origin::Flag(_) | Origin::Default => None,
    }
}

/// Which service answered a question.
fn kind(evidence: &Evidence, question: Question) -> Option<ServiceName> {
    evidence.heard(question).and_then(Heard::kind)
}

/// The three hosts, each once.
fn hosts(evidence: &Evidence) -> Vec<&str> {
    let mut hosts = ServiceName::ALL.map(|service| evidence.urls.get(service).host.as_str()).to_vec();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// What people call a service.
const fn called(service: ServiceName) -> &'static str {
    match service {
        ServiceName::App => "the web UI",
        ServiceName::Api => "the API server",
        ServiceName::Files => "the file server",
    }
}
