//! The login cookie: who gets it back.

use super::super::evidence::{Evidence, Question};
use super::super::finding::{Code, Finding, Place, Severity};
use super::{hosts, place_of, ui};
use crate::clearml::cookie_reaches;
use crate::config::ServerConf;

/// What sets the domain without a file.
const DOMAIN_VARIABLE: &str = "CLEARML__apiserver__auth__cookies__domain";

pub(super) fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = conf(evidence).into_iter().collect::<Vec<_>>();
    let cookies = evidence.login_cookies();
    let Some(cookie) = cookies.first() else {
        findings.extend(by_conf_alone(evidence));
        return findings;
    };
    let subject = format!("cookie {} of {}", cookie.name, evidence.urls.api);
    let needs_domain = hosts(evidence).len() > 1 && !ui::stays_on_app(evidence);
    match &cookie.domain {
        None if needs_domain => {
            let told = "it has no Domain";
            let rewritten = evidence.server.as_ref().and_then(|conf| conf.cookie_domain.as_ref());
            let fitting = rewritten.filter(|(domains, _)| domains.iter().any(|domain| reaches_all(evidence, domain)));
            findings.push(match fitting {
                Some((domains, _)) => {
                    let told = format!("{told}, although apiserver.conf has {}", domains.join(", "));
                    let change = "nginx: `proxy_set_header Host $http_host;` for the API; restart the API server if the \
                                  file is new";
                    Finding::new(Code::HostRewritten, subject.clone(), told, change)
                }
                None => host_only(evidence, subject.clone(), told),
            });
        }
        Some(domain) if !reaches_all(evidence, domain) => {
            let lost = hosts(evidence).into_iter().filter(|host| !cookie_reaches(domain, host)).collect::<Vec<_>>();
            let told = format!("it is for .{domain}, which does not reach {}", lost.join(", "));
            let finding = Finding::new(Code::CookieDomain, subject.clone(), told, remedy(evidence));
            findings.push(placed(finding, evidence));
        }
        _ => {}
    }
    if !cookie.secure {
        let change = "auth { cookies { secure: true } } in apiserver.conf";
        findings.push(placed(Finding::new(Code::CookieNotSecure, subject, "it has no Secure", change), evidence));
    }
    findings
}

fn host_only(evidence: &Evidence, subject: String, told: &str) -> Finding {
    placed(Finding::new(Code::CookieHostOnly, subject, told, remedy(evidence)), evidence)
}

/// Where nobody could sign in, the file tells; a proxy that repairs cookies makes it no fault.
fn by_conf_alone(evidence: &Evidence) -> Option<Finding> {
    let conf = evidence.server.as_ref()?;
    let open = conf.cookie_domain.is_none() && hosts(evidence).len() > 1 && !ui::stays_on_app(evidence);
    let told = "auth.cookies.domain is not set, and the proxy is not known to add it";
    (open && !evidence.repairs_cookies && !unread(conf) && !set_by_variable(evidence))
        .then(|| guessed(evidence, host_only(evidence, String::from("auth.cookies"), told)))
}

/// Whether the compose file gives the domain to a container, which then does not read it from its file.
fn set_by_variable(evidence: &Evidence) -> bool {
    let services = evidence.compose.iter().flat_map(|compose| &compose.services);
    let mut variables = services.flat_map(|service| &service.environment);
    variables.any(|variable| variable.name.eq_ignore_ascii_case(DOMAIN_VARIABLE) && !variable.value.is_empty())
}

/// What a file says that may be another server's is a hint.
fn guessed(evidence: &Evidence, finding: Finding) -> Finding {
    if evidence.server_is_guessed { Finding { severity: Severity::Hint, ..finding } } else { finding }
}

/// A file that could not be read says nothing.
fn unread(conf: &ServerConf) -> bool {
    !conf.file.exists()
}

/// A domain in the file that fits no set of hosts.
fn conf(evidence: &Evidence) -> Option<Finding> {
    let (domains, origin) = evidence.server.as_ref()?.cookie_domain.as_ref()?;
    let known = evidence.heard(Question::Login).is_some() || set_by_variable(evidence);
    if domains.iter().any(|domain| reaches_all(evidence, domain)) || known {
        return None;
    }
    let told = format!("it is {}, and the hosts are {}", domains.join(", "), hosts(evidence).join(", "));
    let finding = Finding::new(Code::CookieConf, "auth.cookies.domain", told, remedy(evidence));
    Some(guessed(evidence, place_of(origin).into_iter().fold(finding, Finding::at)))
}

fn reaches_all(evidence: &Evidence, domain: &str) -> bool {
    hosts(evidence).iter().all(|host| cookie_reaches(domain, host))
}

/// The line for apiserver.conf, as ClearML's documentation has it.
fn remedy(evidence: &Evidence) -> String {
    let mut parents = hosts(evidence).into_iter().map(|host| host.split_once('.').map_or("", |(_, parent)| parent));
    let first = parents.next().unwrap_or_default();
    if first.is_empty() || parents.any(|parent| parent != first) {
        return String::from("give the three hosts a common parent, or serve all of them below one host");
    }
    format!("auth {{ cookies {{ httponly: true, secure: true, domain: \".{first}\", max_age: 99999999999 }} }}")
}

/// Where it is set, or the file where it should be.
fn placed(finding: Finding, evidence: &Evidence) -> Finding {
    let Some(conf) = &evidence.server else { return finding };
    let at = conf.cookie_domain.as_ref().and_then(|(_, origin)| place_of(origin));
    finding.at(at.unwrap_or_else(|| Place { file: conf.file.clone(), at: None }))
}
