//! Which origins may read the answers that the proxy itself gives on `api.` and `files.`.
//!
//! Owns: the one comparison. Leaves: writing the headers to the caller, and CORS of forwarded answers to ClearML's
//! servers, which do it themselves. Without it the web UI sees status 0 instead of a 503 with its reason.

use crate::domain::names::{Authority, ServiceName};
use crate::domain::route::sibling;

/// Whether `origin` is the web UI that belongs to `request_host` (any case, with or without port): its `app.` sibling,
/// over http or https, on any port.
///
/// Where it holds, answer with `Access-Control-Allow-Origin: <origin>`, `Access-Control-Allow-Credentials: true` and
/// `Vary: Origin`.
///
/// Source: clearml-web `src/app/app.constants.ts` (the page derives `api.` and `files.` from its own `app.`).
#[must_use]
pub fn cors_origin(origin: &str, request_host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    if !(scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")) {
        return false;
    }
    let (Ok(authority), Ok(request)) = (Authority::parse(authority), Authority::parse(request_host)) else {
        return false;
    };
    sibling(request.host, ServiceName::App).is_some_and(|app| app.as_str().eq_ignore_ascii_case(authority.host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_beside_the_requested_host_may_read() {
        for (origin, host) in [
            ("https://app.ml.corp", "api.ml.corp"),
            ("https://app.ml.corp:8443", "files.ml.corp"),
            ("http://app.ml.corp:8880", "api.ml.corp"),
            ("HTTPS://App.ML.corp", "API.ml.CORP"),
            ("https://app.ml.corp", "app.ml.corp"),
            ("https://app.ml.corp:8443", "api.ml.corp:8443"),
            ("https://app.ml.corp", "api.ml.corp.:443"),
        ] {
            assert!(cors_origin(origin, host), "{origin} on {host}");
        }
    }

    #[test]
    fn nobody_else_may() {
        for (origin, host) in [
            ("null", "api.ml.corp"),
            ("", "api.ml.corp"),
            ("https://", "api.ml.corp"),
            ("https://evil.example", "api.ml.corp"),
            ("https://app.evil.example", "api.ml.corp"),
            ("https://app.ml.corp.evil.example", "api.ml.corp"),
            ("https://xapp.ml.corp", "api.ml.corp"),
            ("https://api.ml.corp", "api.ml.corp"),
            ("https://app.ml.corp/", "api.ml.corp"),
            ("https://app.ml.corp@evil.example", "api.ml.corp"),
            ("https://app.ml.corp https://evil.example", "api.ml.corp"),
            ("ftp://app.ml.corp", "api.ml.corp"),
            ("https://app.ml.corp", "ml.corp"),
            ("https://app.ml.corp", "other.ml.corp"),
            ("https://app.ml.corp", "api.ml.corp:"),
            ("https://app.ml.corp", ""),
        ] {
            assert!(!cors_origin(origin, host), "{origin} on {host}");
        }
    }
}
