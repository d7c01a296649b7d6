//! Page origin: scheme, host and port of a web page, as browsers write it in `Origin`.
//!
//! Source: RFC 6454 section 6.2, Fetch Standard section 3.2.

use super::names::{Authority, HostName};
use std::fmt;

/// Scheme, host and port of a web page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageOrigin {
    https: bool,
    /// In lower case; IPv6 addresses without brackets.
    host: Box<str>,
    port: u16,
}

/// The text is no page's origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageOriginError;

impl fmt::Display for PageOriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected scheme and host, as in \"https://wiki.example.com\", without a path")
    }
}

impl PageOrigin {
    /// Parses `https://host` or `http://host:port`; `null`, other schemes and anything behind the port are refused.
    ///
    /// # Errors
    /// `PageOriginError` when it is anything else.
    pub fn parse(text: &str) -> Result<Self, PageOriginError> {
        let (scheme, authority) = text.split_once("://").ok_or(PageOriginError)?;
        let https = scheme.eq_ignore_ascii_case("https");
        if !https && !scheme.eq_ignore_ascii_case("http") {
            return Err(PageOriginError);
        }
        let Authority { host, port } = Authority::parse(authority).map_err(|_| PageOriginError)?;
        let port = port.unwrap_or(if https { 443 } else { 80 });
        Ok(Self { https, host: host.to_ascii_lowercase().into(), port })
    }

    /// The origin of the page at `url`; what follows the host is left out.
    ///
    /// # Errors
    /// `PageOriginError` when it begins with none.
    pub fn of_url(url: &str) -> Result<Self, PageOriginError> {
        let start = url.find("://").ok_or(PageOriginError)? + 3;
        let end = url.get(start..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(url.len(), |at| start + at);
        Self::parse(url.get(..end).ok_or(PageOriginError)?)
    }

    /// The host in lower case, without port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for PageOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.https { ("https", 443) } else { ("http", 80) };
        // Of the two kinds of host only IPv6 addresses are no names.
        match HostName::parse(&self.host) {
            Ok(_) => write!(f, "{scheme}://{}", self.host)?,
            Err(_) => write!(f, "{scheme}://[{}]", self.host)?,
        }
        if self.port == usual { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_page_are_equal() {
        for (text, shown) in [
            ("https://wiki.corp", "https://wiki.corp"),
            ("HTTPS://Wiki.Corp:443", "https://wiki.corp"),
            ("https://wiki.corp:8443", "https://wiki.corp:8443"),
            ("http://wiki.corp:80", "http://wiki.corp"),
            ("http://10.0.0.1:8888", "http://10.0.0.1:8888"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            let page = PageOrigin::parse(text).unwrap();
            assert_eq!(page.to_string(), shown);
            assert_eq!(PageOrigin::parse(shown), Ok(page));
        }
        assert_ne!(PageOrigin::parse("http://x"), PageOrigin::parse("https://x"));
        assert_ne!(PageOrigin::parse("https://x"), PageOrigin::parse("https://x:8443"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "null",
            "",
            "https://",
            "wiki.corp",
            "ftp://x",
            "https://x/",
            "https://a@x",
            "https://x https://y",
            "https://x:",
        ] {
            assert_eq!(PageOrigin::parse(text), Err(PageOriginError), "{text}");
        }
    }

    #[test]
    fn a_url_begins_with_the_origin_of_its_page() {
        for (url, origin) in [
            ("https://wiki.corp/a?b#c", "https://wiki.corp"),
            ("https://wiki.corp:8443?b", "https://wiki.corp:8443"),
            ("http://wiki.corp", "http://wiki.corp"),
            ("https://evil.example/https://wiki.corp/", "https://evil.example"),
        ] {
            assert_eq!(PageOrigin::of_url(url).unwrap().to_string(), origin, "{url}");
        }
        for url in ["about:blank", "https:///x", "/x", "https://wiki.corp@evil.example/"] {
            assert!(PageOrigin::of_url(url).is_err(), "{url}");
        }
    }
}
