//! Answers in the manner of the three servers: Werkzeug's for api and files, nginx's for app.
//!
//! Owns: the header lines that every answer of a server has. Leaves: those of one kind of answer to its file.

use super::body::AnswerBody;
use super::date::http_date;
use crate::runtime::wall;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CONNECTION,
    CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderName, ORIGIN, SERVER, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// An answer of a stand-in.
pub(super) type Answer = Response<AnswerBody>;

const HTML: &str = "text/html; charset=utf-8";

/// An answer as Flask on Werkzeug's own server gives it: two `Server` lines, and the connection closes.
pub(super) fn werkzeug(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(AnswerBody::from(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("Werkzeug/3.1.9 Python/3.11.7"));
    set(headers, DATE, &http_date(wall()));
    set(headers, CONTENT_TYPE, content_type);
    headers.append(SERVER, HeaderValue::from_static("clearml"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// A short text that Flask sends as HTML.
pub(super) fn flask_text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    werkzeug(status, HTML, text)
}

/// The page that Werkzeug makes of `abort(status)`.
pub(super) fn werkzeug_error(status: StatusCode) -> Answer {
    let name = status.canonical_reason().unwrap_or("Error");
    let why = match status {
        StatusCode::UNAUTHORIZED => {
            "The server could not verify that you are authorized to access the URL requested. You either supplied the \
             wrong credentials (e.g. a bad password), or your browser doesn&#39;t understand how to supply the \
             credentials required."
        }
        StatusCode::NOT_FOUND => {
            "The requested URL was not found on the server. If you entered the URL manually please check your spelling \
             and try again."
        }
        StatusCode::METHOD_NOT_ALLOWED => "The method is not allowed for the requested URL.",
        StatusCode::PRECONDITION_FAILED => "The precondition on the request for the URL failed positive evaluation.",
        StatusCode::PAYLOAD_TOO_LARGE => "The data value transmitted exceeds the capacity limit.",
        StatusCode::RANGE_NOT_SATISFIABLE => "The server cannot provide the requested range.",
        StatusCode::INTERNAL_SERVER_ERROR => {
            "The server encountered an internal error and was unable to complete your request. Either the server is \
             overloaded or there is an error in the application."
        }
        _ => "The browser (or proxy) sent a request that this server could not understand.",
    };
    let code = status.as_u16();
    let page =
        format!("<!doctype html>\n<html lang=en>\n<title>{code} {name}</title>\n<h1>{name}</h1>\n<p>{why}</p>\n");
    flask_text(status, page)
}

/// 405, naming what is allowed.
pub(super) fn method_not_allowed(allowed: &'static str) -> Answer {
    let mut answer = werkzeug_error(StatusCode::METHOD_NOT_ALLOWED);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// The answer that both Python servers give to a request with a content coding, before they look at it.
pub(super) fn coding_refused(headers: &HeaderMap) -> Option<Answer> {
    let coding = headers.get(CONTENT_ENCODING).filter(|coding| !coding.is_empty())?;
    let text = format!("Content encoding is not supported ({})", String::from_utf8_lossy(coding.as_bytes()));
    Some(flask_text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
}

/// Says the date a second time, as these servers do on downloads and on answers that they compress.
pub(super) fn double_date(answer: &mut Answer) {
    if let Some(date) = answer.headers().get(DATE).cloned() {
        answer.headers_mut().append(DATE, date);
    }
}

/// Lets any origin read the answer. With `credentials` (the API) only an origin that asks is named; without (files)
/// `*` is said where none asks.
///
/// Source: clearml-server `apiserver.conf` and `fileserver.conf`, `cors`; flask-cors.
pub(super) fn share(answer: &mut Answer, request: &HeaderMap, credentials: bool) {
    let headers = answer.headers_mut();
    let Some(origin) = request.get(ORIGIN) else {
        if !credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        return;
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    if request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        if let Some(asked) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        let methods = HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

/// Makes `answer` one of nginx's: its name, one date, and the connection stays open unless `close`.
pub(super) fn as_nginx(answer: &mut Answer, close: bool) {
    let headers = answer.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("nginx/1.22.1"));
    set(headers, DATE, &http_date(wall()));
    headers.insert(CONNECTION, HeaderValue::from_static(if close { "close" } else { "keep-alive" }));
}

/// Sets `name` to `value`, which is left out where it is no field value.
pub(super) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(answer: &Answer, name: &HeaderName) -> Vec<String> {
        answer.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn python_answers_name_two_servers_and_nginx_one() {
        let mut answer = flask_text(StatusCode::OK, "OK");
        double_date(&mut answer);
        assert_eq!(lines(&answer, &SERVER), ["Werkzeug/3.1.9 Python/3.11.7", "clearml"]);
        assert_eq!(lines(&answer, &DATE).len(), 2);
        as_nginx(&mut answer, false);
        assert_eq!(lines(&answer, &SERVER), ["nginx/1.22.1"]);
        assert_eq!(lines(&answer, &DATE).len(), 1);
    }

    #[test]
    fn the_api_names_the_origin_and_files_says_any() {
        for (credentials, origin, allowed, vary) in [
            (true, None, None, 1),
            (true, Some("https://app.x"), Some("https://app.x"), 2),
            (false, None, Some("*"), 1),
            (false, Some("https://app.x"), Some("https://app.x"), 2),
        ] {
            let mut request = HeaderMap::new();
            if let Some(origin) = origin {
                request.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            let mut answer = flask_text(StatusCode::OK, "");
            share(&mut answer, &request, credentials);
            assert_eq!(lines(&answer, &ACCESS_CONTROL_ALLOW_ORIGIN).first().map(String::as_str), allowed);
            assert_eq!(lines(&answer, &VARY).len(), vary);
            let named = answer.headers().contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS);
            assert_eq!(named, credentials && origin.is_some());
        }
    }

    #[test]
    fn the_not_found_page_is_werkzeugs() {
        // Length as recorded from the real file server.
        let answer = werkzeug_error(StatusCode::NOT_FOUND);
        assert_eq!(http_body::Body::size_hint(answer.body()).exact(), Some(207));
    }
}
