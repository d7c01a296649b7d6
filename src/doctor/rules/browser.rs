//! What only browsers mind: reading other hosts, logins in between, https for ever.

use super::super::evidence::{Evidence, Heard, Question};
use super::super::finding::{Code, Finding};
use super::services::asks_for_login;
use super::{kind, ui};
use crate::domain::names::ServiceName;
use http::header::ACCESS_CONTROL_ALLOW_ORIGIN;

pub(super) fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = login(evidence).into_iter().collect::<Vec<_>>();
    findings.extend(cors(evidence));
    findings.extend(hsts(evidence));
    findings
}

fn login(evidence: &Evidence) -> Option<Finding> {
    let asked = [Question::Page, Question::Ping, Question::Modes, Question::FilesRoot, Question::Preflight];
    let heard =
        asked.into_iter().filter_map(|question| evidence.heard(question)).find(|heard| asks_for_login(heard))?;
    let told = format!("{}, WWW-Authenticate: {}", heard.told(), heard.field("www-authenticate").unwrap_or_default());
    let change = "remove it (nginx: `auth_basic off;`) and turn on ClearML's fixed users instead";
    Some(Finding::new(Code::ProxyLogin, evidence.urls.api.to_string(), told, change))
}

fn cors(evidence: &Evidence) -> Option<Finding> {
    let (app, api) = (evidence.urls.app.origin(), &evidence.urls.api);
    let asked = kind(evidence, Question::Ping) == Some(ServiceName::Api);
    if app == api.origin() || !asked || ui::stays_on_app(evidence) {
        return None;
    }
    let pass = "pass Origin and Access-Control-* on as they are, add none and answer no OPTIONS in the proxy";
    let new = |code, told: String| Some(Finding::new(code, api.to_string(), told, pass));
    let preflight = evidence.heard(Question::Preflight)?;
    if !preflight.status.is_success() {
        return new(Code::CorsRefused, format!("OPTIONS is answered {}", preflight.told()));
    }
    let answers = [("OPTIONS", Some(preflight)), ("GET", evidence.heard(Question::Modes))];
    for (method, heard) in answers.into_iter().filter_map(|(method, heard)| Some((method, heard?))) {
        if let Some((code, told)) = readable(heard, &app) {
            return new(code, format!("{method}: {told}"));
        }
    }
    None
}

/// Why a page of `app` may not read the answer.
fn readable(heard: &Heard, app: &str) -> Option<(Code, String)> {
    let origins = heard.headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter().collect::<Vec<_>>();
    let told = origins.iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect::<Vec<_>>().join(", ");
    match origins.as_slice() {
        [] => Some((Code::CorsMissing, String::from("no Access-Control-Allow-Origin"))),
        [one] if one.as_bytes() == app.as_bytes() => {
            let credentials = heard.field("access-control-allow-credentials") == Some("true");
            (!credentials).then(|| (Code::CorsMissing, String::from("no Access-Control-Allow-Credentials: true")))
        }
        [_] if !told.contains(',') => Some((Code::CorsMissing, format!("Access-Control-Allow-Origin: {told}"))),
        _ => Some((Code::CorsDoubled, format!("Access-Control-Allow-Origin: {told}"))),
    }
}

fn hsts(evidence: &Evidence) -> Option<Finding> {
    let value = evidence.heard(Question::Page)?.field("strict-transport-security")?;
    let plain = evidence.plain_ports.first()?;
    if !value.to_ascii_lowercase().contains("includesubdomains") {
        return None;
    }
    let told = format!("Strict-Transport-Security: {value}, and {} speaks plain http", plain.addr);
    let change = "nginx: `proxy_hide_header Strict-Transport-Security;` for the web UI; Clearway sends its own \
                  (answers.hsts), without sub-domains";
    Some(Finding::new(Code::HstsSubdomains, evidence.urls.app.to_string(), told, change))
}
