//! URLs of services, as clients are told them: scheme, host, port and a path prefix.

use crate::domain::names::{Authority, PerService, ServiceName};
use std::fmt;

/// Where a service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Name or address, lower case, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `/files`, or nothing.
    pub path: String,
}

/// Why a text is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlError;

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected https://name, https://name:port or https://name/path")
    }
}

impl std::error::Error for UrlError {}

impl Url {
    /// Parses an https URL without query; a final slash is left out.
    ///
    /// # Errors
    /// `UrlError`.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let rest = text.strip_prefix("https://").ok_or(UrlError)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authority = Authority::parse(authority).map_err(|_| UrlError)?;
        if authority.host.is_empty() || path.contains(['?', '#']) || !path.is_ascii() {
            return Err(UrlError);
        }
        let host = authority.host.to_ascii_lowercase();
        Ok(Self { host, port: authority.port.unwrap_or(443), path: path.trim_end_matches('/').to_owned() })
    }

    /// Host, and the port where it is not `usual`: the value of a `Host` field.
    #[must_use]
    pub fn authority(&self, usual: u16) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("https://{}", self.authority(443))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

/// The three URLs of which one or all are given: from `app.` the others follow as the web UI and the SDK have it; any
/// other single one serves all three by paths.
///
/// # Errors
/// `UrlError` for a text that is none, or for two.
pub fn service_urls(given: &[String]) -> Result<PerService<Url>, UrlError> {
    match given {
        [app, api, files] => Ok(PerService { app: Url::parse(app)?, api: Url::parse(api)?, files: Url::parse(files)? }),
        [one] => {
            let app = Url::parse(one)?;
            let url = |service: ServiceName| match app.host.strip_prefix("app.") {
                Some(parent) => Url { host: format!("{service}.{parent}"), ..app.clone() },
                None if service == ServiceName::App => app.clone(),
                None => Url { path: format!("{}/{service}", app.path), ..app.clone() },
            };
            Ok(PerService { app: url(ServiceName::App), api: url(ServiceName::Api), files: url(ServiceName::Files) })
        }
        _ => Err(UrlError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written_alike() {
        for (text, shown) in [
            ("https://app.x.test", Some("https://app.x.test")),
            ("https://APP.x.test:443/", Some("https://app.x.test")),
            ("https://x.test:8443/files", Some("https://x.test:8443/files")),
            ("https://[::1]:8443", Some("https://[::1]:8443")),
            ("http://app.x.test", None),
            ("app.x.test", None),
            ("https://", None),
            ("https://x.test/?a", None),
            ("https://user@x.test", None),
        ] {
            assert_eq!(Url::parse(text).ok().map(|url| url.to_string()).as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn the_others_follow_from_one() {
        let urls = |given: &[&str]| {
            let given = given.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            service_urls(&given).ok().map(|urls| ServiceName::ALL.map(|service| urls.get(service).to_string()))
        };
        let below = |of: [&str; 3]| Some(of.map(str::to_owned));
        assert_eq!(
            urls(&["https://app.x.test:8443"]),
            below(["https://app.x.test:8443", "https://api.x.test:8443", "https://files.x.test:8443"])
        );
        assert_eq!(
            urls(&["https://ml.corp"]),
            below(["https://ml.corp", "https://ml.corp/api", "https://ml.corp/files"])
        );
        let three = ["https://a.x", "https://b.x", "https://c.x/files"];
        assert_eq!(urls(&three), below(three));
        assert_eq!(urls(&["https://a.x", "https://b.x"]), None);
        assert_eq!(urls(&[]), None);
    }
}
