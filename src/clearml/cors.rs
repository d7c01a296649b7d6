//! Which origins may read the answers that the proxy itself gives for the API and the file server.
//!
//! Owns: the one comparison. Leaves: writing the headers to the caller, and CORS of forwarded answers to ClearML's
//! servers, which do it themselves. Without it the web UI sees status 0 instead of a 503 with its reason.

use crate::domain::entrance::Entrance;
use crate::domain::names::{Authority, ServiceName};
use crate::domain::settings::Layout;

/// Whether `origin` is the web UI that belongs to `request_host` (any case, with or without port): the app host of the
/// same entrance, over http or https, on any port.
///
/// Where it holds, answer with `Access-Control-Allow-Origin: <origin>`, `Access-Control-Allow-Credentials: true` and
/// `Vary: Origin`.
///
/// Source: clearml-web `src/app/app.constants.ts` (the page derives or is told where API and files are).
#[must_use]
pub fn cors_origin(layout: &Layout, origin: &str, request_host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    if !(scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")) {
        return false;
    }
    let (Ok(authority), Ok(request)) = (Authority::parse(authority), Authority::parse(request_host)) else {
        return false;
    };
    let asker = Entrance::of(layout, authority.host);
    let asked = Entrance::of(layout, request.host).map(|(entrance, _)| entrance);
    match (asker, asked) {
        (Some((Entrance::Domain(from), ServiceName::App)), Some(Entrance::Domain(to)))
        | (Some((Entrance::Single(from), ServiceName::App)), Some(Entrance::Single(to))) => {
            from.eq_ignore_ascii_case(to)
        }
        (Some((Entrance::Hosts(..), ServiceName::App)), Some(Entrance::Hosts(..))) => true,
        _ => false,
    }
}

/// Whether `origin` is a page of the requested host on another port: on the legacy ports that is the web UI.
#[must_use]
pub fn same_host(origin: &str, request_host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let (Some(Ok(page)), Ok(request)) = (authority.map(Authority::parse), Authority::parse(request_host)) else {
        return false;
    };
    page.host.eq_ignore_ascii_case(request.host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::names::{HostName, PerService};
    use crate::domain::settings::Domains;

    fn layout() -> Layout {
        let names = |name| vec![HostName::parse(name).unwrap()];
        Layout {
            domains: Domains::Any,
            hosts: PerService { app: names("trains.corp"), api: names("trains-api.corp"), files: names("store.corp") },
            single: names("one.corp"),
        }
    }

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
            ("https://trains.corp", "Trains-API.corp"),
            ("https://Trains.corp:8443", "store.corp:8443"),
            ("https://one.corp:8443", "One.corp:8443"),
        ] {
            assert!(cors_origin(&layout(), origin, host), "{origin} on {host}");
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
            ("https://store.corp", "trains-api.corp"),
            ("https://app.trains.corp", "trains-api.corp"),
            ("https://one.corp", "trains-api.corp"),
            ("https://app.ml.corp", "one.corp"),
        ] {
            assert!(!cors_origin(&layout(), origin, host), "{origin} on {host}");
        }
    }

    #[test]
    fn the_same_host_on_another_port_is_known() {
        for (origin, host, same) in [
            ("http://10.0.0.5:8080", "10.0.0.5:8008", true),
            ("https://ML.corp:8080", "ml.corp:8008", true),
            ("http://10.0.0.6:8080", "10.0.0.5:8008", false),
            ("null", "10.0.0.5:8008", false),
            ("http://10.0.0.5@evil.example", "10.0.0.5", false),
        ] {
            assert_eq!(same_host(origin, host), same, "{origin} on {host}");
        }
    }
}
