//! Requests that a client's settings sent to the wrong service, and what to tell it.
//!
//! Owns: telling such a request from every other, and the words. Leaves: answering to the caller. Without this an API
//! call gets the web UI's page with 200, and the SDK says "It seems *api_server* is misconfigured"; an upload gets a
//! 405 or a 400 that names nothing.

use crate::domain::names::{PerService, ServiceName};
use crate::domain::route::Route;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, ORIGIN};

/// Set by the SDK and by agents on each API call, by nobody on files.
const WORKERS: [HeaderName; 2] =
    [HeaderName::from_static("x-clearml-worker"), HeaderName::from_static("x-trains-worker")];

/// Set by every browser of the last years on each request to an https URL.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What came to the wrong service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misplaced {
    /// An API call of the SDK or an agent.
    Call,
    /// An upload of the SDK.
    Upload,
}

/// Whether a request on its way along `route` belongs to another service. `path` is what that service would get.
///
/// Source: clearml `backend_api/session/session.py` (`/v2.23/service.action` with a worker's name and Basic or Bearer),
/// `storage/helper.py` (a multipart POST to exactly `files_server`).
#[must_use]
pub fn misplaced(route: Route, method: &Method, path: &str, headers: &HeaderMap) -> Option<Misplaced> {
    match route.service {
        // What only looks like a call is a file of the web UI, or one that somebody stored.
        ServiceName::App | ServiceName::Files if is_call(path) && is_sdk(headers) => Some(Misplaced::Call),
        ServiceName::App | ServiceName::Api if path == "/" && method == Method::POST && is_multipart(headers) => {
            Some(Misplaced::Upload)
        }
        _ => None,
    }
}

/// What to tell whoever sent it: where it went, where it belongs, and which setting says so. `urls` are the three
/// services as this client can reach them.
#[must_use]
pub fn correction(what: Misplaced, reached: ServiceName, urls: Option<&PerService<String>>) -> String {
    let here = match reached {
        ServiceName::App => "the web server",
        ServiceName::Api => "the API server",
        ServiceName::Files => "the file server",
    };
    let (kind, belongs, setting, variable, end) = match what {
        Misplaced::Call => ("an API call", ServiceName::Api, "api.api_server", "CLEARML_API_HOST", ""),
        Misplaced::Upload => {
            ("an upload", ServiceName::Files, "api.files_server", "CLEARML_FILES_HOST", "; nothing was stored")
        }
    };
    let Some(urls) = urls else { return format!("{kind} came to {here}; look at {setting} in clearml.conf{end}") };
    let url = urls.get(belongs);
    format!("{kind} came to {here}; in clearml.conf, set {setting}: \"{url}\" (or {variable}={url}){end}")
}

/// `/service.action`, with a version in front or not.
fn is_call(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let name = match rest.split_once('/') {
        None => rest,
        Some((version, name)) if is_version(version) => name,
        Some(_) => return false,
    };
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    name.strip_suffix('/').unwrap_or(name).split_once('.').is_some_and(|(service, action)| {
        is_word(service) && is_word(action) && !service.starts_with(|c: char| c.is_ascii_digit())
    })
}

fn is_version(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix('v').is_some_and(|version| version.splitn(2, '.').all(is_number))
}

fn is_sdk(headers: &HeaderMap) -> bool {
    let browser = headers.contains_key(SEC_FETCH_SITE) || headers.contains_key(ORIGIN);
    let basic = || {
        headers
            .get(AUTHORIZATION)
            .is_some_and(|value| value.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Basic ")))
    };
    !browser && (WORKERS.iter().any(|name| headers.contains_key(name)) || basic())
}

fn is_multipart(headers: &HeaderMap) -> bool {
    const FORM: &[u8] = b"multipart/form-data";
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.as_bytes().get(..FORM.len()));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(FORM))
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: Route = Route::whole(ServiceName::App);
    const API: Route = Route::whole(ServiceName::Api);
    const FILES: Route = Route::whole(ServiceName::Files);

    const WORKER: (&str, &str) = ("x-clearml-worker", "host");
    const OLD_WORKER: (&str, &str) = ("x-trains-worker", "host");
    const BASIC: (&str, &str) = ("authorization", "basic a2V5OnNlY3JldA==");
    const BEARER: (&str, &str) = ("authorization", "Bearer ey");
    const UI: (&str, &str) = ("x-clearml-client", "Webapp-2.5.0");
    const BROWSER: (&str, &str) = ("sec-fetch-site", "same-origin");
    const FORM: (&str, &str) = ("content-type", "Multipart/form-data; boundary=b");
    const JSON: (&str, &str) = ("content-type", "application/json");

    fn check(route: Route, method: Method, path: &str, fields: &[(&'static str, &'static str)]) -> Option<Misplaced> {
        let fields = fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        misplaced(route, &method, path, &fields.collect())
    }

    #[test]
    fn calls_and_uploads_at_the_wrong_service_are_found() {
        for (route, method, path, fields, what) in [
            (APP, Method::GET, "/auth.login", [BASIC, WORKER], Misplaced::Call),
            (APP, Method::GET, "/v2.23/tasks.create", [BEARER, WORKER], Misplaced::Call),
            (APP, Method::POST, "/v2.23/events.add_batch", [JSON, OLD_WORKER], Misplaced::Call),
            (APP, Method::GET, "/v2/queues.get_next_task/", [BEARER, WORKER], Misplaced::Call),
            (FILES, Method::GET, "/auth.login", [BASIC, JSON], Misplaced::Call),
            (FILES, Method::GET, "/v2.23/tasks.get_all", [BEARER, WORKER], Misplaced::Call),
            (API, Method::POST, "/", [BEARER, FORM], Misplaced::Upload),
            (APP, Method::POST, "/", [BEARER, FORM], Misplaced::Upload),
        ] {
            assert_eq!(check(route, method.clone(), path, &fields), Some(what), "{route:?} {method} {path} {fields:?}");
        }
    }

    #[test]
    fn everybody_else_passes() {
        for (route, method, path, fields) in [
            (APP, Method::GET, "/main.js", [UI, BROWSER]),
            (APP, Method::GET, "/version.json", [UI, JSON]),
            (APP, Method::GET, "/onboarding.json", [WORKER, BROWSER]),
            (APP, Method::GET, "/configuration.json", [BEARER, JSON]),
            (APP, Method::GET, "/v2.23/a/b.c", [BASIC, WORKER]),
            (APP, Method::GET, "/assets/a.b", [BASIC, WORKER]),
            (APP, Method::GET, "/", [BASIC, WORKER]),
            (APP, Method::GET, "/projects", [BASIC, WORKER]),
            (APP, Method::POST, "/login", [FORM, BEARER]),
            (API, Method::GET, "/v2.23/tasks.create", [BEARER, WORKER]),
            (API, Method::GET, "/auth.login", [BASIC, WORKER]),
            (API, Method::POST, "/", [JSON, WORKER]),
            (API, Method::POST, "/v2.23/x.y", [FORM, WORKER]),
            (FILES, Method::POST, "/", [BEARER, FORM]),
            (FILES, Method::GET, "/model.bin", [BEARER, JSON]),
            (FILES, Method::GET, "/v2.23/model.bin", [BEARER, JSON]),
            (FILES, Method::GET, "/project/task.1/models/model.bin", [BASIC, WORKER]),
        ] {
            assert_eq!(check(route, method.clone(), path, &fields), None, "{route:?} {method} {path} {fields:?}");
        }
    }

    #[test]
    fn the_correction_names_url_and_setting() {
        let urls = PerService {
            app: String::from("https://one.corp"),
            api: String::from("https://one.corp/api"),
            files: String::from("https://one.corp/files"),
        };
        let call = correction(Misplaced::Call, ServiceName::App, Some(&urls));
        assert_eq!(
            call,
            "an API call came to the web server; in clearml.conf, set api.api_server: \"https://one.corp/api\" (or \
             CLEARML_API_HOST=https://one.corp/api)"
        );
        let upload = correction(Misplaced::Upload, ServiceName::Api, Some(&urls));
        assert!(
            upload.contains("api.files_server: \"https://one.corp/files\"") && upload.ends_with("nothing was stored")
        );
        assert!(correction(Misplaced::Call, ServiceName::Files, None).contains("look at api.api_server"));
    }
}
