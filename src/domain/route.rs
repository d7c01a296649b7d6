//! Host to service: `app.`, `api.` and `files.` below the served domains.
//!
//! Per request and never per connection: browsers send requests for all three names over one HTTP/2 connection
//! when one certificate covers them (RFC 9113 section 9.1.1).

use super::names::{HostName, ServiceName};
use super::settings::Domains;

/// The service that `host` (no port, no final dot, any case) belongs to, or `None` for an unknown host.
#[must_use]
pub fn service_of(domains: &Domains, host: &str) -> Option<ServiceName> {
    let (label, parent) = host.split_once('.')?;
    let service = ServiceName::from_label(label)?;
    match domains {
        Domains::Any => (!parent.is_empty()).then_some(service),
        Domains::Listed(listed) => {
            listed.iter().any(|domain| domain.as_str().eq_ignore_ascii_case(parent)).then_some(service)
        }
    }
}

/// The host of another service beside `host`: `files.x` for `app.x`.
///
/// `None` where `host` is no `app.`, `api.` or `files.` name.
#[must_use]
pub fn sibling(host: &str, service: ServiceName) -> Option<HostName> {
    let (label, parent) = host.split_once('.')?;
    ServiceName::from_label(label)?;
    HostName::parse(parent).ok().map(|parent| parent.with_label(service))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[&str]) -> Domains {
        Domains::Listed(names.iter().map(|name| HostName::parse(name).unwrap()).collect())
    }

    #[test]
    fn labels_lead_to_services_below_listed_domains_only() {
        let domains = listed(&["clearml.example.com", "ml.corp"]);
        for (host, service) in [
            ("app.clearml.example.com", Some(ServiceName::App)),
            ("API.ClearML.Example.com", Some(ServiceName::Api)),
            ("files.ml.corp", Some(ServiceName::Files)),
            ("files.example.com", None),
            ("clearml.example.com", None),
            ("www.clearml.example.com", None),
            ("app.app.ml.corp", None),
            ("xapp.ml.corp", None),
            ("app", None),
            ("", None),
        ] {
            assert_eq!(service_of(&domains, host), service, "{host}");
        }
    }

    #[test]
    fn without_a_listed_domain_the_label_decides() {
        assert_eq!(service_of(&Domains::Any, "app.whatever"), Some(ServiceName::App));
        assert_eq!(service_of(&Domains::Any, "app"), None);
        assert_eq!(service_of(&Domains::Any, "web.whatever"), None);
    }

    #[test]
    fn names_the_sibling_host() {
        assert_eq!(sibling("App.ML.corp", ServiceName::Files).unwrap().as_str(), "files.ml.corp");
        assert_eq!(sibling("ml.corp", ServiceName::Files), None);
    }
}
