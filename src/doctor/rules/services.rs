//! The three services as they answer through the proxy: the right one, whole bodies, no limits.

use super::super::evidence::{Answer, Echo, Evidence, Heard, Question, Unheard};
use super::super::finding::{Code, Finding};
use super::{called, kind};
use crate::domain::names::ServiceName;
use http::StatusCode;
use serde_json::Value;

pub(super) fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (service, question) in [
        (ServiceName::App, Question::Page),
        (ServiceName::Api, Question::Ping),
        (ServiceName::Files, Question::FilesRoot),
    ] {
        findings
            .extend(evidence.answers.get(&question).and_then(|answer| answered(evidence, service, question, answer)));
    }
    findings.extend(get_body(evidence));
    findings.extend(limits(evidence));
    findings.extend(files_path(evidence));
    findings.extend(app_paths(evidence));
    findings.extend(echo(evidence));
    findings
}

/// Whether the service itself answers, and else who.
fn answered(evidence: &Evidence, service: ServiceName, question: Question, answer: &Answer) -> Option<Finding> {
    let url = evidence.urls.get(service).to_string();
    let heard = match answer {
        Ok(heard) => heard,
        // Said of the port already.
        Err(Unheard::Unreachable(_)) => return None,
        Err(Unheard::Broken(why)) => return Some(unavailable(evidence, service, url, why.clone(), None)),
        Err(Unheard::Silent) => {
            return Some(unavailable(evidence, service, url, String::from("no answer in time"), None));
        }
    };
    // The file server answers no call, but its root.
    let root = || kind(evidence, Question::ApiRoot).filter(|_| service == ServiceName::Api);
    match kind(evidence, question).or_else(root) {
        Some(found) if found == service => None,
        Some(found) => {
            let told = format!("{} answers like {}", heard.told(), called(found));
            let change = format!("send {url} to {}; in proxy.conf: services.{service}.targets", called(service));
            Some(Finding::new(Code::WrongService, url, told, change))
        }
        // Said of the proxy's own login.
        None if asks_for_login(heard) => None,
        None if heard.status.is_success() && service == ServiceName::App && !is_welcome(heard) => None,
        None if heard.status.is_success() || heard.status == StatusCode::NOT_FOUND => {
            let told = format!("{}, and not as {} answers", heard.told(), called(service));
            let change = format!("send {url} to {}; in proxy.conf: services.{service}.targets", called(service));
            Some(Finding::new(Code::WrongService, url, told, change))
        }
        None => Some(unavailable(evidence, service, url, heard.told(), heard.field("x-fault"))),
    }
}

/// `fault` is what Clearway says of its own answer.
fn unavailable(evidence: &Evidence, service: ServiceName, url: String, told: String, fault: Option<&str>) -> Finding {
    if fault.is_some_and(|fault| fault.ends_with("; maintenance")) {
        let change = format!("end it when the work is done: `clearway maintenance off {service}`");
        return Finding::new(Code::ServiceUnavailable, url, told, change);
    }
    if fault.is_some_and(|fault| fault.starts_with("client;")) {
        let change = format!("`clearway explain {url}` says why the proxy refuses it");
        return Finding::new(Code::ServiceUnavailable, url, told, change);
    }
    let up = evidence.targets.iter().find(|target| target.service == service && target.kind == Some(service));
    match up {
        Some(target) => {
            let told = format!("{told}, while {} answers", target.addr);
            let change = "reload the proxy; nginx: `resolver 127.0.0.11 valid=5s;` and the target in a variable. Clearway \
                          looks names up again by itself";
            Finding::new(Code::ProxyLostTarget, url, told, change)
        }
        None => {
            let change = format!("start {}; `docker compose ps` and its log say why it is not up", called(service));
            Finding::new(Code::ServiceUnavailable, url, told, change)
        }
    }
}

fn is_welcome(heard: &Heard) -> bool {
    String::from_utf8_lossy(&heard.body).contains("Welcome to nginx")
}

/// A login that is not ClearML's: its servers never ask like this.
pub(super) fn asks_for_login(heard: &Heard) -> bool {
    heard.status == StatusCode::UNAUTHORIZED && heard.field("www-authenticate").is_some()
}

fn get_body(evidence: &Evidence) -> Option<Finding> {
    if kind(evidence, Question::Ping) != Some(ServiceName::Api) {
        return None;
    }
    let url = evidence.urls.api.to_string();
    let change = "let the proxy or load balancer pass bodies on GET; where it cannot (Google's, Azure's), set \
                  api.http.default_method: \"post\" in every clearml.conf";
    let refused = |told: String| Some(Finding::new(Code::GetBodyRefused, url.clone(), told, change));
    match evidence.answers.get(&Question::PingWithBody)? {
        Ok(heard) if heard.status == StatusCode::OK => {
            let echoed = serde_json::from_slice::<Value>(&heard.body).ok();
            let echoed = echoed.as_ref().and_then(|told| told.get("data")?.get("clearway"));
            if echoed.is_some() {
                return None;
            }
            let told = "debug.ping repeats the body of a GET; it repeated nothing";
            Some(Finding::new(Code::GetBodyDropped, url, told, change))
        }
        Ok(heard) => refused(heard.told()),
        Err(Unheard::Broken(why)) => refused(why.clone()),
        Err(Unheard::Silent) => refused(String::from("no answer in time")),
        Err(Unheard::Unreachable(_)) => None,
    }
}

fn limits(evidence: &Evidence) -> Vec<Finding> {
    let too_large =
        |question| evidence.heard(question).filter(|heard: &&Heard| heard.status == StatusCode::PAYLOAD_TOO_LARGE);
    let change = "nginx: `client_max_body_size 0;`, ingress-nginx: `nginx.ingress.kubernetes.io/proxy-body-size: \"0\"`, \
                  Clearway: no services.*.max_body";
    let files = too_large(Question::LargeUpload).map(|heard| {
        let told = format!("{} to an upload that announced 10 GiB", heard.told());
        Finding::new(Code::BodyLimitFiles, evidence.urls.files.to_string(), told, change)
    });
    let api = too_large(Question::LargeCall).map(|heard| {
        let told = format!("{} to a call that announced 32 MiB", heard.told());
        Finding::new(Code::BodyLimitApi, evidence.urls.api.to_string(), told, change)
    });
    files.into_iter().chain(api).collect()
}

fn files_path(evidence: &Evidence) -> Option<Finding> {
    let heard = evidence.heard(Question::EmptyUpload)?;
    let lost = matches!(heard.status.as_u16(), 301..=308 | 404 | 405);
    if !lost || kind(evidence, Question::FilesRoot) != Some(ServiceName::Files) {
        return None;
    }
    let url = evidence.urls.files.to_string();
    let told = format!("POST {url} is answered {}", heard.told());
    let path = &evidence.urls.files.path;
    let change = match path.as_str() {
        "" => String::from("pass POST / on to the file server, without a redirect"),
        _ => format!("nginx: `location = {path} {{ proxy_pass http://fileserver:8081/; }}`; Clearway: single_domain"),
    };
    Some(Finding::new(Code::FilesPath, url, told, change))
}

fn app_paths(evidence: &Evidence) -> Option<Finding> {
    evidence.heard(Question::Page).filter(|heard| heard.status.is_success())?;
    let missing = [(Question::AppApi, ServiceName::Api, "/api/"), (Question::AppFiles, ServiceName::Files, "/files/")];
    let missing = missing.into_iter().filter(|(question, service, _)| {
        // A service that is down is said elsewhere.
        evidence.heard(*question).is_some_and(|heard| !asks_for_login(heard) && !heard.status.is_server_error())
            && kind(evidence, *question) != Some(*service)
    });
    let told = missing.filter_map(|(question, _, path)| Some(format!("{path}: {}", evidence.heard(question)?.told())));
    let told = told.collect::<Vec<_>>();
    let change = "pass /api/ and /files/ of this host on to the API server and the file server, without the prefix";
    (!told.is_empty()).then(|| Finding::new(Code::AppPaths, evidence.urls.app.to_string(), told.join("; "), change))
}

fn echo(evidence: &Evidence) -> Option<Finding> {
    let url = evidence.urls.files.to_string();
    match evidence.echo.as_ref()? {
        Echo::Same => None,
        Echo::Failed(why) => {
            let change = "look for the request in the proxy's and the file server's log; the disk may be full";
            Some(Finding::new(Code::UploadFailed, url, why, change))
        }
        Echo::Changed => {
            let change = "turn off whatever rewrites or compresses bodies between here and the file server";
            Some(Finding::new(Code::UploadChanged, url, "it is not byte for byte what was sent", change))
        }
        Echo::Kept(told) => {
            Some(Finding::new(Code::UploadKept, url, told, "delete it by hand; let DELETE pass to the file server"))
        }
    }
}
