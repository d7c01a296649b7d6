//! Preview: what would become of a request, from the description alone. The rules are those of the data path.
//!
//! Owns: the order in which they are asked, as in `handle` and `lead_to_https`. Leaves: whatever depends on targets, on
//! bodies or on what happened before.

mod checks;

pub use checks::{Check, Said};

use super::asked::Asked;
use super::guard::serves;
use super::site::{https_only, way};
use crate::clearml::{
    Action, Lead, Misplaced, WebUrls, cookie_domain, correction, is_web_configuration, lead, misplaced, web_urls,
};
use crate::domain::entrance::{Entrance, https_origin};
use crate::domain::facts::ListenerKind;
use crate::domain::fault::FaultKind;
use crate::domain::names::ServiceName;
use crate::domain::route::Route;
use crate::domain::settings::Settings;
use http::{HeaderMap, HeaderValue, Method};
use std::net::IpAddr;

/// A request that nobody has sent.
#[derive(Clone, Debug)]
pub struct Imagined<'a> {
    /// Where it would come in.
    pub listener: ListenerKind,
    /// Its method.
    pub method: &'a Method,
    /// Whether it has a body.
    pub has_body: bool,
    /// Its host, without port.
    pub host: &'a str,
    /// Its path and query.
    pub target: &'a str,
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// Who would send it, where that is known.
    pub client: Option<IpAddr>,
}

/// What would become of it.
#[derive(Clone, Debug)]
pub struct Preview<'a> {
    /// The names it belongs to.
    pub entrance: Option<Entrance<'a>>,
    /// Its way; none for an unknown host.
    pub route: Option<Route>,
    /// What ClearML calls it.
    pub action: Option<Action>,
    /// Path and query as the service gets them.
    pub target: String,
    /// The rules of `protection` that look at it.
    pub checks: Vec<Check>,
    /// How it ends.
    pub end: End,
    /// What is added to the answer: name, value, and when.
    pub added: Vec<(&'static str, String, &'static str)>,
    /// The service that the web server would pass it on to, past its own rules here.
    pub detour: Option<ServiceName>,
}

/// How a request would end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It goes to a target.
    Forwarded,
    /// It is led there, with method and body.
    Redirected(String),
    /// It is refused, with these words.
    Refused(FaultKind, String),
}

/// Looks ahead.
#[must_use]
pub fn preview<'a>(settings: &'a Settings, imagined: &Imagined<'a>) -> Preview<'a> {
    let path = imagined.target.split(['?', '#']).next().unwrap_or("/");
    let route = way(&settings.layout, imagined.listener, imagined.host, path);
    let entrance = Entrance::of(&settings.layout, imagined.host).map(|(entrance, _)| entrance);
    let target = route.map(|route| route.target(imagined.target).into_owned()).unwrap_or_default();
    let asked = target.split('?').next().unwrap_or("/").to_owned();
    let action = route.map(|route| Action::of(route.service, imagined.method, &asked));
    let mut end = match route {
        _ if !serves(imagined.method) => End::Refused(FaultKind::MethodRefused, format!("it is {}", imagined.method)),
        Some(route) => end(settings, imagined, route, &asked, entrance),
        None => End::Refused(FaultKind::UnknownHost, String::from("421 instead where no certificate covers the name")),
    };
    let passed_on = route.map(|route| Asked::of(route, path));
    let checks = passed_on.as_ref().filter(|_| end == End::Forwarded);
    let checks = checks.map(|passed_on| checks::checks(settings, imagined, passed_on)).unwrap_or_default();
    if let Some(Check { rule, said: Said::Refuses(kind), .. }) = checks.last() {
        end = End::Refused(*kind, (*rule).to_owned());
    }
    let added = match (&end, route) {
        (End::Forwarded, Some(route)) => added(settings, imagined, route, path, entrance),
        _ => Vec::new(),
    };
    let passed_on = passed_on.map(|passed_on| passed_on.service);
    let detour = passed_on.filter(|service| route.is_some_and(|route| route.service != *service));
    Preview { entrance, route, action, target, checks, end, added, detour }
}

fn end(settings: &Settings, imagined: &Imagined<'_>, route: Route, asked: &str, entrance: Option<Entrance<'_>>) -> End {
    let Imagined { listener, method, has_body, host, target, headers, .. } = imagined;
    let port = settings.https_port();
    if *listener == ListenerKind::Http {
        let origin = https_origin(host, port);
        return match lead(route.service, method, *has_body, || format!("{origin}{}", route.prefix)) {
            Lead::Permanent308 => End::Redirected(format!("{origin}{target}")),
            Lead::Refuse { text } => End::Refused(FaultKind::HttpsRequired, text),
        };
    }
    if let Some(what) = misplaced(route, method, asked, headers) {
        let kind = match what {
            Misplaced::Call => FaultKind::CallMisplaced,
            Misplaced::Upload => FaultKind::UploadMisplaced,
        };
        let urls = entrance.or_else(|| Entrance::all(&settings.layout).next()).map(|entrance| entrance.urls(port));
        return End::Refused(kind, correction(what, route.service, urls.as_ref()));
    }
    End::Forwarded
}

fn added(
    settings: &Settings,
    imagined: &Imagined<'_>,
    route: Route,
    path: &str,
    entrance: Option<Entrance<'_>>,
) -> Vec<(&'static str, String, &'static str)> {
    let mut added = vec![("X-Request-Id", String::from("a new id"), "unless the request has a plain one")];
    let https = imagined.listener == ListenerKind::Https;
    if let Some(value) = https_only(settings).as_ref().and_then(|value: &HeaderValue| value.to_str().ok())
        && https
    {
        added.push(("Strict-Transport-Security", value.to_owned(), "instead of the web server's own"));
    }
    let domain = entrance.as_ref().and_then(cookie_domain).filter(|_| settings.answers.cookies);
    if let (ServiceName::Api, Some(domain)) = (route.service, domain) {
        added.push(("Set-Cookie", format!("...; Domain=.{domain}; Secure"), "where the API server names no domain"));
    }
    if route.service != ServiceName::App {
        added.push(("X-Content-Type-Options", String::from("nosniff"), "always"));
    }
    if route.service == ServiceName::Files && settings.protection.files.sandbox {
        added.push((
            "Content-Security-Policy",
            crate::clearml::SANDBOX.to_owned(),
            "on files that a browser would run",
        ));
    }
    let told = entrance.and_then(|entrance| web_urls(&entrance, settings.https_port()));
    if let (ServiceName::App, true, Some(told)) = (route.service, is_web_configuration(path), told) {
        added.push(("(body)", WebUrls::alone(&told), "merged into the web server's own file"));
    }
    added
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::names::HostName;
    use crate::domain::settings::Domains;
    use std::num::NonZeroUsize;

    fn settings() -> Settings {
        let names = |name: &str| vec![HostName::parse(name).unwrap()];
        let mut settings = Settings::public(Domains::Listed(names("ml.example.com")), NonZeroUsize::MIN);
        settings.layout.single = names("one.corp");
        settings
    }

    fn ends(listener: ListenerKind, method: &Method, has_body: bool, host: &str, target: &str) -> (String, String) {
        let (settings, headers) = (settings(), HeaderMap::new());
        let imagined = Imagined { listener, method, has_body, host, target, headers: &headers, client: None };
        let seen = preview(&settings, &imagined);
        let end = match seen.end {
            End::Forwarded => String::from("forwarded"),
            End::Redirected(url) => format!("308 {url}"),
            End::Refused(kind, _) => kind.status().as_u16().to_string(),
        };
        (
            seen.route.map_or_else(|| String::from("none"), |route| route.service.to_string()),
            format!("{end} {}", seen.target),
        )
    }

    #[test]
    fn requests_end_as_the_data_path_has_it() {
        let (https, http) = (ListenerKind::Https, ListenerKind::Http);
        for (listener, method, body, host, target, service, end) in [
            (https, Method::GET, false, "app.ml.example.com", "/", "app", "forwarded /"),
            (https, Method::GET, true, "app.ml.example.com", "/api/debug.ping", "api", "forwarded /debug.ping"),
            (https, Method::POST, true, "one.corp", "/files?a=1", "files", "forwarded /?a=1"),
            (https, Method::GET, false, "other.corp", "/", "none", "404 "),
            (https, Method::DELETE, false, "files.ml.example.com", "/a", "files", "forwarded /a"),
            (http, Method::GET, false, "app.ml.example.com", "/a?b", "app", "308 https://app.ml.example.com/a?b /a?b"),
            (http, Method::POST, true, "files.ml.example.com", "/", "files", "403 /"),
            (http, Method::GET, true, "api.ml.example.com", "/x", "api", "308 https://api.ml.example.com/x /x"),
            (ListenerKind::Legacy(ServiceName::Api), Method::GET, false, "10.0.0.1", "/x", "api", "forwarded /x"),
        ] {
            let expected = (service.to_owned(), end.to_owned());
            assert_eq!(ends(listener, &method, body, host, target), expected, "{listener:?} {method} {host}{target}");
        }
    }

    #[test]
    fn what_is_added_depends_on_the_service() {
        let (settings, headers) = (settings(), HeaderMap::new());
        let names = |host: &str, target: &str| {
            let imagined = Imagined {
                listener: ListenerKind::Https,
                method: &Method::GET,
                has_body: false,
                host,
                target,
                headers: &headers,
                client: None,
            };
            preview(&settings, &imagined).added.into_iter().map(|(name, ..)| name).collect::<Vec<_>>()
        };
        assert!(names("api.ml.example.com", "/auth.login").contains(&"Set-Cookie"));
        assert!(!names("one.corp", "/api/auth.login").contains(&"Set-Cookie"));
        assert!(names("files.ml.example.com", "/a").contains(&"X-Content-Type-Options"));
        assert!(names("one.corp", "/configuration.json").contains(&"(body)"));
        assert!(!names("app.ml.example.com", "/configuration.json").contains(&"(body)"));
    }
}
