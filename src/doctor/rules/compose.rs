//! The compose file: what is open to everybody, and what is told to containers.

use super::super::evidence::{Compose, ComposeService, Evidence, PublishedPort, Variable};
use super::super::finding::{Code, Finding, Place};
use serde_json::Value;

/// Elasticsearch, MongoDB, Redis.
const DATABASES: [u16; 4] = [9200, 9300, 27017, 6379];

/// API server, file server, web server.
const SERVICES: [u16; 4] = [8008, 8081, 80, 8080];

/// Where the prefixes stand by which stored files are found again.
const PREFIXES: &str = "clearml__services__async_urls_delete__fileserver__url_prefixes";

pub(super) fn judge(evidence: &Evidence) -> Vec<Finding> {
    let Some(compose) = &evidence.compose else { return Vec::new() };
    let files = evidence.urls.files.to_string();
    let mut findings = Vec::new();
    for service in &compose.services {
        findings.extend(service.ports.iter().filter_map(|port| of_port(compose, service, port)));
        findings
            .extend(service.environment.iter().filter_map(|variable| of_variable(compose, service, variable, &files)));
    }
    findings
}

fn of_port(compose: &Compose, service: &ComposeService, port: &PublishedPort) -> Option<Finding> {
    let image = service.image.to_ascii_lowercase();
    // The local image of a proxy may be called after it.
    let clearml = image.contains("clearml/") || image.contains("allegroai/");
    let code = if !port.open {
        return None;
    } else if DATABASES.contains(&port.target) {
        Code::ComposeDatabasePort
    } else if clearml && SERVICES.contains(&port.target) {
        Code::ComposePlainPort
    } else {
        return None;
    };
    let change = format!("remove the line, or \"{}\"", port.closed);
    let told = format!("ports: {}", port.text);
    Some(Finding::new(code, &service.name, told, change).at(place(compose, port.at)))
}

fn of_variable(compose: &Compose, service: &ComposeService, variable: &Variable, files: &str) -> Option<Finding> {
    let Variable { name, value, at } = variable;
    // What comes from outside the file is not known here.
    if value.contains('$') || value.is_empty() {
        return None;
    }
    let told = format!("{name}: {value}");
    let new =
        |code, change: String| Some(Finding::new(code, &service.name, told.clone(), change).at(place(compose, *at)));
    if name.starts_with("WEBSERVER__") && serde_json::from_str::<Value>(value).is_err() {
        return new(Code::ComposeWebSetting, format!("{name}: '\"{value}\"' (a JSON text has its own quotes)"));
    }
    if name == "CLEARML_FILES_HOST" && value.trim_end_matches('/') != files {
        return new(Code::ComposeInternalUrl, format!("{name}: \"{files}\""));
    }
    if name == "CLEARML_WEB_HOST" && value.starts_with("http://") {
        return new(Code::ComposeInternalUrl, format!("{name}: the https URL of the web UI"));
    }
    if name.eq_ignore_ascii_case(PREFIXES) && !value.contains(files) {
        return new(Code::ComposeDeletePrefix, format!("{name}: \"[{files}]\" (list older URLs as well)"));
    }
    None
}

fn place(compose: &Compose, at: (usize, usize)) -> Place {
    Place { file: compose.file.clone(), at: Some(at) }
}
