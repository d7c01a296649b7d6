//! What plain http is answered: where uploads get lost.

use super::super::evidence::{Evidence, Heard, Question};
use super::super::finding::{Code, Finding};
use http::StatusCode;

pub(super) fn judge(evidence: &Evidence) -> Vec<Finding> {
    [upload(evidence), call(evidence), page(evidence)].into_iter().flatten().collect()
}

const SAFE: &str = "answer uploads over http with an error instead of a redirect, as Clearway does; nginx: \
                    `if ($request_method !~ ^(GET|HEAD)$) { return 403; }` in front of the redirect";

fn upload(evidence: &Evidence) -> Option<Finding> {
    let heard = evidence.heard(Question::PlainUpload)?;
    let subject = plain_url(&evidence.urls.files.host);
    match heard.status.as_u16() {
        301..=303 => Some(Finding::new(Code::HttpUploadLost, subject, told(heard), SAFE)),
        307 | 308 => Some(Finding::new(Code::HttpUploadRedirected, subject, told(heard), SAFE)),
        // The file server's own answers to an upload of nothing.
        200 | 401 => {
            let change = "close the plain port, or answer it with an error that names the https URL";
            Some(Finding::new(Code::HttpUploadAccepted, subject, told(heard), change))
        }
        _ => None,
    }
}

fn call(evidence: &Evidence) -> Option<Finding> {
    let heard = evidence.heard(Question::PlainCall)?;
    let lost = matches!(heard.status.as_u16(), 301..=303);
    let change = "redirect with 308, which keeps method and body";
    lost.then(|| Finding::new(Code::HttpCallLost, plain_url(&evidence.urls.api.host), told(heard), change))
}

fn page(evidence: &Evidence) -> Option<Finding> {
    let heard = evidence.heard(Question::PlainPage)?;
    let led = heard.status.is_redirection() && heard.field("location").is_some_and(|to| to.starts_with("https://"));
    let change = "redirect page loads to https with 308";
    (!led).then(|| Finding::new(Code::HttpPageNotLed, plain_url(&evidence.urls.app.host), told(heard), change))
}

fn plain_url(host: &str) -> String {
    format!("http://{host}")
}

fn told(heard: &Heard) -> String {
    match heard.field("location").filter(|_| heard.status != StatusCode::OK) {
        Some(to) => format!("{} to {to}", heard.told()),
        None => heard.told(),
    }
}
