//! The web server: a page about the demo where the real one has ClearML's web UI, and the way through to api and files.
//!
//! Owns: nginx's manners. Leaves: `/api/` and `/files/` to the two others.
//! Source: clearml-server `docker/build/internal_files/clearml.conf.template`.

use super::answer::{Answer, as_nginx, set, werkzeug};
use super::conditional::{Plan, Version, plan};
use super::date::http_date;
use super::place::Place;
use super::token::SERVER_VERSION;
use super::{api, files};
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, HeaderName, LAST_MODIFIED, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS,
    X_XSS_PROTECTION,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body::Body;
use std::error::Error;
use std::time::{Duration, SystemTime};

const INDEX: &str = include_str!("page/index.html");

/// The field lines that the real template adds to every static answer.
const GUARDS: [(HeaderName, &str); 5] = [
    (STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
    (CONTENT_SECURITY_POLICY, "frame-ancestors 'self'"),
    (X_XSS_PROTECTION, "1; mode=block"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer-when-downgrade"),
];

/// Answers one request as the web server does.
///
/// # Cancel safety
/// An upload that is dropped stores nothing.
pub(super) async fn answer<B>(place: &Place, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let close = request.headers().get(CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
    let mut answer = match below(request.uri(), "/api/") {
        Some(uri) => api::answer(place, moved(request, uri)).await,
        None => match below(request.uri(), "/files/") {
            Some(uri) => files::answer(place, moved(request, uri)).await,
            None => page(&request.into_parts().0),
        },
    };
    as_nginx(&mut answer, close);
    answer
}

/// What `uri` is for the service behind `prefix`: the rest of the path with a slash in front, and the query.
fn below(uri: &Uri, prefix: &str) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(prefix)?;
    let path = PathAndQuery::try_from(format!("/{rest}")).ok()?;
    Uri::builder().path_and_query(path).build().ok()
}

fn moved<B>(mut request: Request<B>, uri: Uri) -> Request<B> {
    *request.uri_mut() = uri;
    request
}

fn page(head: &Parts) -> Answer {
    if head.method != Method::GET && head.method != Method::HEAD {
        let text = "<html>\r\n<head><title>405 Not Allowed</title></head>\r\n<body>\r\n<center><h1>405 Not Allowed</h1>\
                    </center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n";
        return plain(StatusCode::METHOD_NOT_ALLOWED, "text/html", text);
    }
    let (content_type, text) = match head.uri.path() {
        "/version.json" => ("application/json", format!("{{\"version\":\"{SERVER_VERSION}\",\"standIn\":true}}\n")),
        "/configuration.json" => ("application/json", String::from("{}\n")),
        // Any other path is a place inside the single-page application.
        _ => ("text/html", INDEX.to_owned()),
    };
    let mut answer = file(head, content_type, text);
    if head.uri.path() == "/version.json" {
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    for (name, value) in GUARDS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// `text` as a file that nginx serves, whole or in part.
fn file(head: &Parts, content_type: &str, text: String) -> Answer {
    // When the texts were last changed is not known at run time; any fixed date validates as well.
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let length = text.len() as u64;
    let etag = format!("\"{:x}-{length:x}\"", 1_767_225_600);
    let version = Version { etag, modified, length };
    let bytes = Bytes::from(text);
    let mut answer = match plan(&head.headers, &version) {
        Plan::Whole => plain(StatusCode::OK, content_type, bytes),
        Plan::NotModified => plain(StatusCode::NOT_MODIFIED, content_type, ""),
        Plan::PreconditionFailed => plain(StatusCode::PRECONDITION_FAILED, content_type, ""),
        Plan::Unsatisfiable => {
            let mut answer = plain(StatusCode::RANGE_NOT_SATISFIABLE, content_type, "");
            set(answer.headers_mut(), CONTENT_RANGE, &format!("bytes */{length}"));
            answer
        }
        Plan::Part { start, length: part } => {
            let bounds =
                usize::try_from(start).unwrap_or(usize::MAX)..usize::try_from(start + part).unwrap_or(usize::MAX);
            let mut answer = plain(StatusCode::PARTIAL_CONTENT, content_type, bytes.slice(bounds));
            set(answer.headers_mut(), CONTENT_RANGE, &format!("bytes {start}-{}/{length}", start + part - 1));
            answer
        }
    };
    set(answer.headers_mut(), LAST_MODIFIED, &http_date(modified));
    set(answer.headers_mut(), ETAG, &version.etag);
    answer.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if answer.status() == StatusCode::NOT_MODIFIED {
        answer.headers_mut().remove(CONTENT_TYPE);
    }
    answer
}

fn plain(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Answer {
    let body = body.into();
    let length = body.len();
    let mut answer = werkzeug(status, content_type, body);
    answer.headers_mut().remove(VARY);
    if status != StatusCode::NOT_MODIFIED {
        set(answer.headers_mut(), CONTENT_LENGTH, &length.to_string());
    }
    answer
}
