//! The plain http listener: every request is led to https, and none loses its body on the way.
//!
//! Python's `requests` turns a redirected upload (301, 302, 303) into a GET that the file server answers with 200:
//! the upload is lost and reported as done. What may be redirected, and how, is `clearml::lead`'s rule.

use super::answer_body::{AnswerBody, Source};
use super::client_body::ClientBody;
use super::guard;
use super::respond::{Answer, Asker, fault, fault_with_hint, options};
use super::scope::Scope;
use super::site::Site;
use crate::clearml::{Lead, lead};
use crate::domain::entrance::https_origin;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::route::route;
use crate::telemetry::AccessRecord;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where certificate authorities ask for challenges (RFC 8555 section 8.3): never redirected.
const ACME_CHALLENGES: &str = "/.well-known/acme-challenge/";

/// The life of a request on the http listener.
///
/// # Errors
/// None: a fault becomes an answer.
///
/// # Cancel safety
/// The record is written either way.
pub async fn lead_to_https(scope: Arc<Scope>, request: Request<Incoming>) -> Result<Response<AnswerBody>, Infallible> {
    let mut record = scope.record(&request);
    let site = scope.site();
    let asker = Asker::of(&request, &scope, &site);
    Ok(match answer(&scope, &site, ClientBody::of(request, &site.leftovers, scope.link()), &mut record) {
        Ok(Led::Answer(answer)) => answer.with_record(record, scope.link()),
        Ok(Led::Challenge(file)) => match shared_challenge(&file).await {
            Ok(answer) => answer.with_record(record, scope.link()),
            Err(refused) => fault(refused, &asker, record),
        },
        Ok(Led::Refuse(text)) => {
            let refused = Fault::new(FaultKind::HttpsRequired, "plain http would lose the request body");
            fault_with_hint(refused, Some(&text), &asker, record)
        }
        Err(refused) => fault(refused, &asker, record),
    })
}

/// Answers plain HTTP that came to the TLS port.
///
/// # Errors
/// None: a fault becomes an answer.
///
/// # Cancel safety
/// The record is written either way.
pub async fn plain_on_tls(scope: Arc<Scope>, request: Request<Incoming>) -> Result<Response<AnswerBody>, Infallible> {
    let mut record = scope.record(&request);
    let site = scope.site();
    let asker = Asker::of(&request, &scope, &site);
    let request = ClientBody::of(request, &site.leftovers, scope.link());
    let checked = match guard::check(request, &site.settings.limits, &scope.host) {
        Ok(checked) => checked,
        Err(refused) => return Ok(fault(refused, &asker, record)),
    };
    record.service = route(&site.settings.layout, checked.host(), checked.path()).map(|route| route.service);
    let refused = Fault::new(FaultKind::PlainOnTls, "plain HTTP came to the https listener");
    // Only known hosts are echoed.
    let hint = match record.service {
        Some(_) => format!("Use {}{}", https_origin(checked.host(), scope.https_port), target_of(&checked)),
        None => String::from("Use https:// in front of the address."),
    };
    Ok(fault_with_hint(refused, Some(&hint), &asker, record))
}

enum Led {
    Answer(Answer),
    Refuse(String),
    /// The answer stands in this file, if it is there.
    Challenge(PathBuf),
}

/// Waits for nothing, so that a connection keeps no room for it.
fn answer(scope: &Scope, site: &Site, request: Request<ClientBody>, record: &mut AccessRecord) -> Result<Led, Fault> {
    let checked = guard::check(request, &site.settings.limits, &scope.host)?;
    record.client = scope.client(site, checked.headers());
    // Kept free on every host: a certificate authority asks here for names that may not be served yet.
    if let Some(token) = checked.path().strip_prefix(ACME_CHALLENGES) {
        return challenge(site, token);
    }
    // Only known hosts are echoed: an unknown one would make this an open redirect.
    let route = route(&site.settings.layout, checked.host(), checked.path())
        .ok_or_else(|| Fault::new(FaultKind::UnknownHost, format!("the host is {}", checked.host().escape_debug())))?;
    record.service = Some(route.service);
    if checked.asks_about_us() {
        return Ok(Led::Answer(options()));
    }
    let origin = https_origin(checked.host(), scope.https_port);
    let base = || format!("{origin}{}", route.prefix);
    match lead(route.service, checked.request().method(), !checked.request().body().is_end_stream(), base) {
        // The path begins with a slash, so it cannot name another host.
        Lead::Permanent308 => redirect(origin + target_of(&checked), record).map(Led::Answer),
        Lead::Refuse { text } => Ok(Led::Refuse(text)),
    }
}

/// The answer to a challenge: of this process, else of another instance.
fn challenge(site: &Site, token: &str) -> Result<Led, Fault> {
    match site.challenges.http(token) {
        Some(answer) => Ok(Led::Answer(challenge_answer(answer.to_string()))),
        None => site.challenges.shared(token).map(Led::Challenge).ok_or_else(no_challenge),
    }
}

async fn shared_challenge(file: &Path) -> Result<Answer, Fault> {
    tokio::fs::read_to_string(file).await.map(challenge_answer).map_err(|_| no_challenge())
}

fn challenge_answer(text: String) -> Answer {
    Answer::text(StatusCode::OK, HeaderValue::from_static("application/octet-stream"), text)
}

fn no_challenge() -> Fault {
    Fault::new(FaultKind::UnknownHost, "no certificate challenge is pending")
}

fn redirect(url: String, record: &mut AccessRecord) -> Result<Answer, Fault> {
    let location = HeaderValue::from_maybe_shared(Bytes::from(url))
        .map_err(|_| Fault::new(FaultKind::Malformed, "the URL is no header value"))?;
    record.redirect = Some(location.clone());
    let mut response = Response::new(Source::Own(Bytes::new()));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    // The library says it of every other empty answer.
    if record.method == Method::HEAD {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    Ok(Answer(response))
}

fn target_of(checked: &guard::Checked) -> &str {
    checked.request().uri().path_and_query().map_or("/", |target| target.as_str())
}
