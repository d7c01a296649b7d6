//! Where the web UI will look for the two other services.

use super::super::evidence::{Evidence, Question};
use super::super::finding::{Code, Finding};
use super::kind;
use crate::clearml::{UiUrls, ui_urls};
use crate::domain::names::ServiceName;

pub(super) fn judge(evidence: &Evidence) -> Vec<Finding> {
    let app = &evidence.urls.app;
    let found = match configured(evidence) {
        None => return Vec::new(),
        Some(Err(told)) => {
            let change =
                "let the web server's container write it: remove WEBSERVER__ variables whose values are no JSON";
            return vec![Finding::new(Code::UiConfiguration, format!("{app}/configuration.json"), told, change)];
        }
        Some(Ok(found)) => found,
    };
    let api = evidence.urls.api.to_string();
    let mut findings = Vec::new();
    if found.api != api && !calls_stay(evidence, &found) {
        let told = format!("it will ask {}, and the API is at {api}", found.api);
        let change = format!(
            "name the hosts app., api. and files., or set apiBaseUrl to \"{api}\" in configuration.json \
             (WEBSERVER__apiBaseUrl='\"{api}\"'); Clearway does it for hosts and single_domain"
        );
        findings.push(Finding::new(Code::UiGuess, app.to_string(), told, change));
    }
    findings.extend(files(evidence, &found));
    findings
}

/// What the UI is told; `None` where there is no web UI to tell it to.
fn configured(evidence: &Evidence) -> Option<Result<UiUrls, String>> {
    let app = &evidence.urls.app;
    evidence.heard(Question::Page).filter(|heard| heard.status.is_success())?;
    let told = evidence.heard(Question::WebConfiguration)?;
    // Without a file it guesses.
    let file = if told.status.is_success() { told.body.as_slice() } else { b"{}" };
    Some(ui_urls(&app.host, app.port, file).map_err(|_| format!("{}, and no JSON object", told.told())))
}

/// Whether the UI sends its calls to its own host, which passes them on.
fn calls_stay(evidence: &Evidence, found: &UiUrls) -> bool {
    found.api == format!("{}/api", evidence.urls.app) && kind(evidence, Question::AppApi) == Some(ServiceName::Api)
}

/// Whether browsers send the API's calls to the web UI's own host.
pub(super) fn stays_on_app(evidence: &Evidence) -> bool {
    configured(evidence).and_then(Result::ok).is_some_and(|found| calls_stay(evidence, &found))
}

fn files(evidence: &Evidence, found: &UiUrls) -> Option<Finding> {
    let app = &evidence.urls.app;
    let files = evidence.urls.files.to_string();
    let below = format!("{app}/files");
    let told = match &found.files {
        Some(known) if *known != files && *known != below => format!("it takes files to be at {known}"),
        None => String::from("it does not know where files are"),
        Some(_) => match (&found.shown.1, is_guessed(&app.host)) {
            (Some(shown), _) if *shown != files && *shown != below => {
                format!("it shows people {shown} as files_server")
            }
            (None, false) => String::from("displayedServerUrls is not set, so it shows people a guess with port 8008"),
            _ => return None,
        },
    };
    let change = format!("set fileBaseUrl and displayedServerUrls.filesServer to \"{files}\" in configuration.json");
    Some(Finding::new(Code::UiFiles, app.to_string(), told, change))
}

/// Whether the UI can guess the others from its own name.
fn is_guessed(host: &str) -> bool {
    host.starts_with("app.") || host.starts_with("demoapp.")
}
