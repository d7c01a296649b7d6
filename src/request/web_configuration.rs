//! The web UI's `configuration.json`: the web server's own, completed with where the services are.
//!
//! Only where the UI would guess wrong; any other request for the file passes like any other file.
//! Limits: `FILE_MAX`.

use super::answer_body::{AnswerBody, Source};
use super::guard::Checked;
use super::respond::Answer;
use super::scope::Scope;
use super::site::{HTTPS, Site};
use crate::clearml::{WebUrls, is_web_configuration, web_urls};
use crate::domain::entrance::Entrance;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::names::ServiceName;
use crate::domain::route::Route;
use crate::runtime::now;
use crate::telemetry::Pace;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, LAST_MODIFIED, TRANSFER_ENCODING,
};
use http::{Method, Response, StatusCode, response};
use http_body_util::{BodyExt as _, Limited};

/// The real file has a few hundred bytes, and a few thousand where it carries a company's links.
const FILE_MAX: usize = 256 * 1024;

/// A broken file is asked for with each page load.
static PACE: Pace = Pace::every_second();

/// What describes the server's file and not the one that goes out.
const OF_THE_FILE: [HeaderName; 6] =
    [ETAG, LAST_MODIFIED, ACCEPT_RANGES, CONTENT_ENCODING, TRANSFER_ENCODING, CONTENT_LENGTH];

/// What the UI has to be told, where this is a request for its configuration.
pub(super) fn asked(scope: &Scope, site: &Site, route: Route, checked: &Checked) -> Option<WebUrls> {
    let plain_load = matches!(*checked.request().method(), Method::GET | Method::HEAD);
    if route.service != ServiceName::App || !plain_load || !is_web_configuration(checked.path()) {
        return None;
    }
    // On the legacy ports the UI guesses right.
    if !site.settings.answers.web_configuration || scope.facts.listener.is_legacy() {
        return None;
    }
    let (entrance, _) = Entrance::of(&site.settings.layout, checked.host())?;
    web_urls(&entrance, checked.port().unwrap_or(HTTPS))
}

/// The server's answer, completed with `urls`. Afterwards nothing is left of its validators: the file is small, and
/// the next page load asks again.
///
/// # Errors
/// What breaks an answer off, and `BadAnswer` for a file that turns out too large.
///
/// # Cancel safety
/// Dropping the future closes the connection to the target.
pub(super) async fn complete(answer: Answer, urls: &WebUrls, scope: &Scope) -> Result<Answer, Fault> {
    let (head, source) = answer.0.into_parts();
    match whereabouts(&head) {
        File::Missing => Ok(ours(head, urls.alone())),
        File::Other => Ok(Answer(Response::from_parts(head, source))),
        File::There => {
            let file = read(source, scope).await?;
            match urls.merge(&file) {
                Ok(merged) => Ok(ours(head, merged)),
                Err(_) => {
                    warn("the web server's configuration.json is no JSON object; it is passed on as it is");
                    Ok(Answer(Response::from_parts(head, Source::Own(file))))
                }
            }
        }
    }
}

enum File {
    There,
    Missing,
    /// Something that cannot be completed: an error, or a file that is compressed or too large.
    Other,
}

fn whereabouts(head: &response::Parts) -> File {
    let is_page = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    match head.status {
        StatusCode::NOT_FOUND => File::Missing,
        // A path that is no file is a place inside the application: nginx answers with its page.
        StatusCode::OK if is_page => File::Missing,
        StatusCode::OK if head.headers.contains_key(CONTENT_ENCODING) || length.is_some_and(|it| it > FILE_MAX) => {
            warn("the web server's configuration.json is compressed or too large; it is passed on as it is");
            File::Other
        }
        StatusCode::OK => File::There,
        _ => File::Other,
    }
}

async fn read(source: Source, scope: &Scope) -> Result<Bytes, Fault> {
    let body = AnswerBody::new(source, None, scope.link().clone());
    let file = Limited::new(body, FILE_MAX).collect().await;
    file.map(|file| file.to_bytes())
        .map_err(|error| Fault::new(FaultKind::BadAnswer, format!("configuration.json cannot be read: {error}")))
}

fn ours(head: response::Parts, text: String) -> Answer {
    let mut answer = Answer::text(StatusCode::OK, HeaderValue::from_static("application/json"), text);
    let mut headers: HeaderMap = head.headers;
    OF_THE_FILE.iter().for_each(|name| drop(headers.remove(name)));
    headers.extend(std::mem::take(answer.0.headers_mut()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    *answer.0.headers_mut() = headers;
    answer
}

fn warn(message: &'static str) {
    if let Some(suppressed) = PACE.allow(now()) {
        tracing::warn!(suppressed, "{message}");
    }
}
