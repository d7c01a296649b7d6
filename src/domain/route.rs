//! Host and path to service.
//!
//! Per request and never per connection: browsers send requests for all three names over one HTTP/2 connection
//! when one certificate covers them (RFC 9113 section 9.1.1). The API and the file server are also reached through
//! the web UI's host, below `/api` and `/files`: report widgets, plots and uploads of the UI ask there.

use super::entrance::Entrance;
use super::names::ServiceName;
use super::settings::Layout;
use std::borrow::Cow;

/// Where a request goes, and what its path loses on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Whose targets get it.
    pub service: ServiceName,
    /// What is removed from the front of the path: `/api`, `/files`, or nothing.
    pub prefix: &'static str,
}

impl Route {
    /// To `service`, with the path as it is.
    #[must_use]
    pub const fn whole(service: ServiceName) -> Self {
        Self { service, prefix: "" }
    }

    /// The way of `path` on a host that serves the web UI.
    ///
    /// Compared byte by byte and at segment borders only: `/apix` and `/%61pi/` are the UI's.
    #[must_use]
    pub fn by_path(path: &str) -> Self {
        for (service, prefix) in [(ServiceName::Api, "/api"), (ServiceName::Files, "/files")] {
            if path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
                return Self { service, prefix };
            }
        }
        Self::whole(ServiceName::App)
    }

    /// `target` (path and query) as the service gets it: the prefix removed once, the rest byte for byte as it came.
    #[must_use]
    pub fn target<'t>(&self, target: &'t str) -> Cow<'t, str> {
        let rest = target.strip_prefix(self.prefix).unwrap_or(target);
        if rest.starts_with('/') || self.prefix.is_empty() {
            return Cow::Borrowed(rest);
        }
        Cow::Owned(format!("/{rest}"))
    }
}

/// The way of a request for `path` on `host` (no port, no final dot, any case), or `None` for an unknown host.
#[must_use]
pub fn route(layout: &Layout, host: &str, path: &str) -> Option<Route> {
    let (_, service) = Entrance::of(layout, host)?;
    Some(if service == ServiceName::App { Route::by_path(path) } else { Route::whole(service) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::names::{HostName, PerService};
    use crate::domain::settings::Domains;

    const APP: ServiceName = ServiceName::App;
    const API: ServiceName = ServiceName::Api;
    const FILES: ServiceName = ServiceName::Files;

    fn names(names: &[&str]) -> Vec<HostName> {
        names.iter().map(|name| HostName::parse(name).unwrap()).collect()
    }

    fn layout() -> Layout {
        Layout {
            domains: Domains::Listed(names(&["clearml.example.com", "ml.corp"])),
            hosts: PerService {
                app: names(&["trains.corp"]),
                api: names(&["trains-api.corp", "api.old.corp"]),
                files: names(&["trains-files.corp"]),
            },
            single: names(&["one.corp", "localhost"]),
        }
    }

    #[test]
    fn hosts_lead_to_services() {
        for (host, service) in [
            ("app.clearml.example.com", Some(APP)),
            ("API.ClearML.Example.com", Some(API)),
            ("files.ml.corp", Some(FILES)),
            ("trains.corp", Some(APP)),
            ("Trains-API.corp", Some(API)),
            ("api.old.corp", Some(API)),
            ("trains-files.corp", Some(FILES)),
            ("ONE.corp", Some(APP)),
            ("localhost", Some(APP)),
            ("files.example.com", None),
            ("clearml.example.com", None),
            ("www.clearml.example.com", None),
            ("app.app.ml.corp", None),
            ("xapp.ml.corp", None),
            ("app.trains.corp", None),
            ("app.one.corp", None),
            ("files.old.corp", None),
            ("app", None),
            ("", None),
        ] {
            assert_eq!(route(&layout(), host, "/x").map(|route| route.service), service, "{host}");
        }
    }

    #[test]
    fn without_a_listed_domain_the_label_decides() {
        let layout = Layout::below(Domains::Any);
        for (host, service) in [("app.whatever", Some(APP)), ("app", None), ("web.whatever", None)] {
            assert_eq!(route(&layout, host, "/").map(|route| route.service), service, "{host}");
        }
    }

    #[test]
    fn paths_lead_to_services_on_the_ui_s_hosts_only() {
        for host in ["app.ml.corp", "trains.corp", "one.corp"] {
            assert_eq!(route(&layout(), host, "/api/x"), Some(Route { service: API, prefix: "/api" }), "{host}");
        }
        for (host, service) in [("api.ml.corp", API), ("trains-files.corp", FILES)] {
            assert_eq!(route(&layout(), host, "/files/x"), Some(Route::whole(service)), "{host}");
        }
    }

    #[test]
    fn prefixes_go_once_at_segment_borders_and_the_rest_stays_byte_for_byte() {
        for (target, service, sent) in [
            ("/", APP, "/"),
            ("*", APP, "*"),
            ("//api/x", APP, "//api/x"),
            ("/apix", APP, "/apix"),
            ("/api.json", APP, "/api.json"),
            ("/filesystem/a", APP, "/filesystem/a"),
            ("/API/x", APP, "/API/x"),
            ("/%61pi/x", APP, "/%61pi/x"),
            ("/x/api/y", APP, "/x/api/y"),
            ("/api", API, "/"),
            ("/api?a=/b", API, "/?a=/b"),
            ("/api/", API, "/"),
            ("/api//x", API, "//x"),
            ("/api/api/x", API, "/api/x"),
            ("/api/files/x", API, "/files/x"),
            ("/api/v2.23/auth.login?a=b+c%20d", API, "/v2.23/auth.login?a=b+c%20d"),
            ("/files", FILES, "/"),
            ("/files?", FILES, "/?"),
            ("/files/", FILES, "/"),
            ("/files/?x", FILES, "/?x"),
            ("/files/a%2Fb/%2520//c+d;e", FILES, "/a%2Fb/%2520//c+d;e"),
            ("/files/../api/x", FILES, "/../api/x"),
        ] {
            let route = Route::by_path(target.split('?').next().unwrap());
            assert_eq!((route.service, &*route.target(target)), (service, sent), "{target}");
        }
    }
}
