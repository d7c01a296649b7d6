//! Pages: what the admin listener shows, by path.
//!
//! To add one: an arm in `page`. What it shows comes from a view, never from a live part.

use super::command::{Command, Outcome};
use super::dashboard;
use super::entry::Entry;
use super::events::Feeds;
use super::exposition::Format;
use super::measured::{process_families, status_families};
use super::routes;
use super::views::{ServiceView, StatusView};
use crate::runtime::{Deadline, process_use, wall};
use crate::telemetry::Metrics;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use serde_json::Value;
use std::convert::Infallible;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// A body of any length; one that never ends is cut when the listener goes.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// How long a page may take to be made; a reload may be under way.
const PAGE_WAIT: Duration = Duration::from_secs(10);

/// Said with every answer.
const SECURITY: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Paths that answer without the token, in one word.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// What pages are made of.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    /// Whoever knows how things are.
    pub(super) feeds: Feeds,
    /// What the workers count.
    pub(super) metrics: Metrics,
    /// When the process started.
    pub(super) started: SystemTime,
}

/// One request, let in or not.
struct Visit<'a> {
    request: &'a Request<Incoming>,
    /// Whether it has the token, where one is demanded.
    trusted: bool,
}

/// The answer to `request`, and whether it was let in.
pub(super) async fn answer(request: &Request<Incoming>, entry: &Entry, sources: &Sources) -> (Response<Body>, bool) {
    let visit = Visit { request, trusted: entry.is_trusted(request.headers()) };
    let refused = refusal(&visit, entry);
    let let_in = refused.is_none();
    let mut answer = match refused {
        Some(refused) => refused,
        None => page(&visit, sources).await,
    };
    for (name, value) in SECURITY {
        // A page may have said something of its own.
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    (answer, let_in)
}

fn refusal(visit: &Visit<'_>, entry: &Entry) -> Option<Response<Body>> {
    let request = visit.request;
    if !entry.is_named(request.uri().authority(), request.headers()) {
        let why = "this name is not known here; ask by an address, or add the name to admin.names\n";
        return Some(text(StatusCode::MISDIRECTED_REQUEST, why));
    }
    if *request.method() != Method::GET {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "this listener only shows\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return Some(answer);
    }
    if is_foreign(request.headers()) {
        return Some(text(StatusCode::FORBIDDEN, "a page of somebody else's may not ask this\n"));
    }
    if !visit.trusted && !OPEN.contains(&request.uri().path()) {
        let mut answer = text(StatusCode::UNAUTHORIZED, "the token of admin.token_file is needed\n");
        for scheme in ["Bearer realm=\"clearway\"", "Basic realm=\"clearway\", charset=\"UTF-8\""] {
            answer.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        return Some(answer);
    }
    None
}

/// Whether a browser asks for a page that is not ours. It would not show the answer to that page, but a page that
/// follows the feed often enough leaves no place for a dashboard. Over plain http browsers say `Origin` alone.
fn is_foreign(headers: &HeaderMap) -> bool {
    if headers.get(ORIGIN).is_some_and(|origin| !is_of(origin, headers.get(HOST))) {
        return true;
    }
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|field| field.as_bytes() == value.as_bytes());
    let elsewhere = says("sec-fetch-site", "cross-site") || says("sec-fetch-site", "same-site");
    elsewhere && !says("sec-fetch-mode", "navigate")
}

/// Whether `origin` is the `host` that was asked.
fn is_of(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = host.and_then(|host| host.to_str().ok());
    origin.zip(host).is_some_and(|((_, origin), host)| origin.eq_ignore_ascii_case(host))
}

async fn page(visit: &Visit<'_>, sources: &Sources) -> Response<Body> {
    match visit.request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => readiness(visit, status(&sources.feeds).await),
        "/metrics" => metrics(visit, sources).await,
        routes::EVENTS => events(&sources.feeds),
        path => match dashboard::file(path) {
            Some(file) => part(file),
            None => {
                let missing = || text(StatusCode::NOT_FOUND, "there is no such page\n");
                shown(visit, &sources.feeds).await.unwrap_or_else(missing)
            }
        },
    }
}

/// Does `command`; `None` where nobody does it in time.
async fn ask(feeds: &Feeds, command: Command) -> Option<Outcome> {
    Deadline::after(PAGE_WAIT).bound(feeds.ask(command)).await?
}

/// How things are; `None` where nobody says so in time.
async fn status(feeds: &Feeds) -> Option<StatusView> {
    match ask(feeds, Command::Status).await? {
        Outcome::Status(view) => Some(*view),
        _ => None,
    }
}

/// Without an answer from the life cycle there is still what the workers count.
async fn metrics(visit: &Visit<'_>, sources: &Sources) -> Response<Body> {
    let format = Format::accepted(visit.request.headers());
    let mut families = status(&sources.feeds).await.map_or_else(Vec::new, |status| status_families(&status, wall()));
    families.extend(sources.metrics.families());
    families.extend(process_families(&process_use(), sources.started));
    let mut answer = whole(StatusCode::OK, format.media_type(), format.write(&families));
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    answer
}

/// The news as they come.
pub(super) fn events(feeds: &Feeds) -> Response<Body> {
    let Some(events) = feeds.follow() else {
        let why = "as many dashboards are open as recent.subscribers allows";
        return json(StatusCode::SERVICE_UNAVAILABLE, &routes::error(why));
    };
    let mut answer = Response::new(events.boxed_unsync());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// What the feed shows at the path, as JSON.
async fn shown(visit: &Visit<'_>, feeds: &Feeds) -> Option<Response<Body>> {
    let command = match routes::shown(visit.request.uri())? {
        Ok(command) => command,
        Err((status, why)) => return Some(json(status, &routes::error(&why))),
    };
    let (status, body) = match ask(feeds, command).await {
        Some(outcome) => routes::answer(&outcome),
        None => (StatusCode::SERVICE_UNAVAILABLE, routes::error("no answer")),
    };
    Some(json(status, &body))
}

/// Ready is what takes requests: targets that are down are told of and change nothing, because every instance would
/// find them down alike.
fn readiness(visit: &Visit<'_>, status: Option<StatusView>) -> Response<Body> {
    let Some(status) = status else { return text(StatusCode::SERVICE_UNAVAILABLE, "not ready: no answer\n") };
    let (code, word) = if status.is_ready() {
        (StatusCode::OK, String::from("ready\n"))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", status.state))
    };
    let mut body = word;
    if visit.trusted {
        let moving = status.workers.saturating_sub(status.workers_standing);
        // Writing into memory cannot fail.
        let _ = writeln!(body, "workers: {moving} of {} accept", status.workers);
        status.services.iter().for_each(|service| body.push_str(&about(service)));
    }
    text(code, body)
}

/// `api: 1 of 2 targets up; maintenance`
fn about(service: &ServiceView) -> String {
    let up = service.targets.iter().filter(|target| target.state == "up").count();
    let closed = if service.maintenance.is_some() { "; maintenance" } else { "" };
    format!("{}: {up} of {} targets up{closed}\n", service.name, service.targets.len())
}

/// An answer in plain text.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    whole(status, "text/plain; charset=utf-8", body)
}

/// An answer as JSON.
pub(super) fn json(status: StatusCode, body: &Value) -> Response<Body> {
    whole(status, "application/json", body.to_string())
}

/// A file of the dashboard's.
fn part((kind, text): (&'static str, &'static str)) -> Response<Body> {
    let mut answer = whole(StatusCode::OK, kind, text);
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(dashboard::POLICY));
    answer
}

/// An answer of a kind.
pub(super) fn whole(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut answer = Response::new(Full::new(body.into()).boxed_unsync());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{MaintenanceView, TargetStatus};

    #[test]
    fn a_page_of_another_origin_is_foreign() {
        for (origin, site, foreign) in [
            (None, None, false),
            (Some("http://10.0.0.5:9000"), None, false),
            (Some("http://evil.example"), None, true),
            (Some("http://10.0.0.5"), None, true),
            (Some("null"), None, true),
            (None, Some("cross-site"), true),
            (None, Some("same-origin"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("10.0.0.5:9000"));
            headers.extend(origin.map(|origin| (ORIGIN, HeaderValue::from_static(origin))));
            let name = HeaderName::from_static("sec-fetch-site");
            headers.extend(site.map(|site| (name, HeaderValue::from_static(site))));
            assert_eq!(is_foreign(&headers), foreign, "{origin:?} {site:?}");
        }
    }

    #[test]
    fn a_service_is_told_in_a_line() {
        let target = |state: &str| TargetStatus {
            address: String::from("h:1"),
            state: state.to_owned(),
            reason: None,
            since: None,
            outstanding: 0,
            queued: 0,
            changes: Vec::new(),
        };
        let targets = vec![target("up"), target("down"), target("drained")];
        let mut service = ServiceView { name: String::from("api"), maintenance: None, waiting: 0, targets };
        assert_eq!(about(&service), "api: 1 of 3 targets up\n");
        service.maintenance = Some(MaintenanceView { since: String::new(), until: None, reason: None, held: 0 });
        assert_eq!(about(&service), "api: 1 of 3 targets up; maintenance\n");
    }
}
