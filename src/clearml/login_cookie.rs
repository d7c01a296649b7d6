//! The login cookie as a server sets it: which attributes decide who gets it back.
//!
//! Source: clearml-server `apiserver/config/default/apiserver.conf` (`auth.cookies`), RFC 6265 section 5.1.3.

use http::HeaderMap;
use http::header::SET_COOKIE;

/// One cookie, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginCookie {
    /// Its name.
    pub name: String,
    /// The domain it is for, lower case, without the dot in front; none where it is for its host alone.
    pub domain: Option<String>,
    /// Whether it is kept from plain http.
    pub secure: bool,
}

impl LoginCookie {
    /// Those that an answer sets and that hold a token; cookies that are only removed do not count.
    #[must_use]
    pub fn all(headers: &HeaderMap) -> Vec<Self> {
        headers.get_all(SET_COOKIE).iter().filter_map(|line| Self::parse(line.to_str().ok()?)).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        if value.trim().split('.').count() != 3 {
            return None;
        }
        let mut cookie = Self { name: name.trim().to_owned(), domain: None, secure: false };
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim().trim_start_matches('.');
            if key.trim().eq_ignore_ascii_case("domain") && !value.is_empty() {
                cookie.domain = Some(value.to_ascii_lowercase());
            } else if key.trim().eq_ignore_ascii_case("secure") {
                cookie.secure = true;
            }
        }
        Some(cookie)
    }
}

/// Whether a cookie for `domain` (with or without a dot in front) is sent to `host`.
#[must_use]
pub fn cookie_reaches(domain: &str, host: &str) -> bool {
    let (domain, host) = (domain.trim_start_matches('.').to_ascii_lowercase(), host.to_ascii_lowercase());
    host == domain || host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_in_any_case() {
        let mut headers = HeaderMap::new();
        for line in [
            "clearml_token_basic=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0",
            "clearml_token_basic=a.b.c; HttpOnly; Path=/; DOMAIN=.ML.corp; secure",
            "k8s=x.y.z; Path=/; Domain=",
            "other=1",
        ] {
            headers.append(SET_COOKIE, line.parse().unwrap());
        }
        let cookie = |name: &str, domain: Option<&str>, secure| LoginCookie {
            name: name.to_owned(),
            domain: domain.map(str::to_owned),
            secure,
        };
        assert_eq!(
            LoginCookie::all(&headers),
            [cookie("clearml_token_basic", Some("ml.corp"), true), cookie("k8s", None, false)]
        );
    }

    #[test]
    fn a_domain_reaches_itself_and_what_is_below() {
        for (domain, host, reaches) in [
            (".ml.corp", "api.ml.corp", true),
            ("ml.corp", "ml.corp", true),
            ("ML.corp", "Files.ml.CORP", true),
            ("l.corp", "ml.corp", false),
            ("api.ml.corp", "files.ml.corp", false),
        ] {
            assert_eq!(cookie_reaches(domain, host), reaches, "{domain} {host}");
        }
    }
}
