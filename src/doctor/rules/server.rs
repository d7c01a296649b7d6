//! The server itself: passwords, published secrets, files without a login, clocks, this machine.

use super::super::evidence::{Evidence, Question};
use super::super::finding::{Code, Finding, Place, Severity};
use super::{called, finding_of, kind};
use crate::clearml::{SECRET_REMEDY, published_secret_of, token_set_by};
use crate::domain::names::ServiceName;
use http::StatusCode;
use serde_json::Value;

/// Differences that tokens and certificates mind, in seconds.
const SKEW: i64 = 60;
const LARGE_SKEW: i64 = 300;

/// Accounts that every server without passwords has.
const OPEN_BY_DESIGN: [&str; 2] = ["webserver", "tests"];

pub(super) fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = users(evidence);
    findings.extend(published(evidence));
    findings.extend(files_open(evidence));
    findings.extend(databases(evidence));
    findings.extend(evidence.plain_ports.iter().map(|port| {
        let told = format!("{} answers there", called(port.kind));
        let inside = match port.kind {
            ServiceName::App => 80,
            ServiceName::Api => 8008,
            ServiceName::Files => 8081,
        };
        let change =
            format!("publish it for the host alone: \"127.0.0.1:{}:{inside}\" in the compose file", port.addr.port());
        Finding::new(Code::PlainPortOpen, format!("http://{}", port.addr), told, change)
    }));
    findings.extend(clock(evidence));
    findings.extend(evidence.open_files.filter(|(soft, needed)| soft < needed).map(|(soft, needed)| {
        let change = format!("LimitNOFILE={needed} in the unit, or `ulimit -n {needed}` before `clearway run`");
        let told = format!("a process that is started from here may open {soft}, the limits allow for {needed}");
        Finding::new(Code::OpenFiles, "this machine", told, change)
    }));
    findings
}

fn users(evidence: &Evidence) -> Vec<Finding> {
    let problems = evidence.server.iter().flat_map(|conf| &conf.problems);
    let mut findings = problems
        .map(|problem| {
            let off = problem.key.ends_with("fixed_users.enabled");
            finding_of(if off { Code::FixedUsersOff } else { Code::FixedUsers }, problem)
        })
        .collect::<Vec<_>>();
    let known = findings.iter().any(|finding| finding.code == Code::FixedUsersOff);
    if evidence.fixed_users() == Some(false) && !known {
        let told = "login.supported_modes: basic.enabled is false";
        let change = "auth { fixed_users { enabled: true, pass_hashed: true, users: [ ... ] } } in apiserver.conf; \
                      `clearway hash-password` makes the hashes";
        let finding = Finding::new(Code::FixedUsersOff, evidence.urls.api.to_string(), told, change);
        let file = evidence.server.as_ref().map(|conf| Place { file: conf.file.clone(), at: None });
        findings.push(file.into_iter().fold(finding, Finding::at));
    }
    findings
}

fn published(evidence: &Evidence) -> Vec<Finding> {
    let api = evidence.urls.api.to_string();
    let keys = evidence.published_keys.iter();
    // The missing passwords are said already.
    let keys = keys.filter(|(name, _)| {
        evidence.fixed_users() != Some(false) || !OPEN_BY_DESIGN.iter().any(|open| name.starts_with(open))
    });
    let mut findings = keys
        .map(|(name, remedy)| {
            Finding::new(Code::PublishedKey, api.clone(), format!("the account {name} logs in"), *remedy)
        })
        .collect::<Vec<_>>();
    let signed = evidence.heard(Question::Login).and_then(|heard| published_secret_of(token_set_by(&heard.headers)?));
    let secret = evidence.published_secret.or_else(|| signed.map(|secret| secret.name));
    findings.extend(
        secret.map(|name| Finding::new(Code::PublishedSecret, api, format!("it is that of {name}"), SECRET_REMEDY)),
    );
    findings
}

fn files_open(evidence: &Evidence) -> Option<Finding> {
    let heard = evidence.heard(Question::FilesMissing)?;
    let open = heard.status == StatusCode::NOT_FOUND && kind(evidence, Question::FilesRoot) == Some(ServiceName::Files);
    let told = "a file that is not there is answered 404 without a token, and not 401";
    let change = "CLEARML__fileserver__auth__enabled: \"true\" (server 1.16 and newer), or \
                  protection.token_gate.enabled: true in proxy.conf";
    open.then(|| Finding::new(Code::FilesOpen, evidence.urls.files.to_string(), told, change))
}

fn databases(evidence: &Evidence) -> Option<Finding> {
    let told = serde_json::from_slice::<Value>(&evidence.heard(Question::Modes)?.body).ok()?;
    let errors = told.get("data")?.get("server_errors")?.as_object()?;
    let raised = errors.iter().filter(|(_, raised)| raised.as_bool() == Some(true));
    let raised = raised.map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    let change =
        "look at Elasticsearch: `docker compose logs elasticsearch`; the data may need ClearML's upgrade steps";
    let told = format!("login.supported_modes: {}", raised.join(", "));
    (!raised.is_empty()).then(|| Finding::new(Code::ServerErrors, evidence.urls.api.to_string(), told, change))
}

fn clock(evidence: &Evidence) -> Option<Finding> {
    let (who, ahead) = evidence.skews.iter().max_by_key(|(_, ahead)| ahead.abs())?;
    if ahead.abs() < SKEW {
        return None;
    }
    let told = format!("it is {} s {} this machine", ahead.abs(), if *ahead > 0 { "ahead of" } else { "behind" });
    let change = "run a time service on both machines (`timedatectl set-ntp true`)";
    let finding = Finding::new(Code::ClockSkew, who, told, change);
    let severity = if ahead.abs() < LARGE_SKEW { finding.severity } else { Severity::Error };
    Some(Finding { severity, ..finding })
}
