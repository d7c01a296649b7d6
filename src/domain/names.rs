//! Host names and service names, parsed once.
//!
//! Owns: what a host name may look like, how two are compared, which service a label names.
//! Leaves: finding the service of a request to `route`, addresses to `addr`.

use std::fmt;

/// One of ClearML's three services.
///
/// The set is closed: the web UI derives the names of the other two from its own (`app.` becomes `api.` and `files.`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceName {
    /// The web server, port 8080.
    App,
    /// The API server, port 8008.
    Api,
    /// The file server, port 8081.
    Files,
}

impl ServiceName {
    /// All three, in the order of `PerService`.
    pub const ALL: [Self; 3] = [Self::App, Self::Api, Self::Files];

    /// The name as written in configuration, logs and as host label: `app`, `api`, `files`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Api => "api",
            Self::Files => "files",
        }
    }

    /// The service that a host label names, compared without case.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.as_str().eq_ignore_ascii_case(label))
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One value for each service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerService<T> {
    /// The web server's.
    pub app: T,
    /// The API server's.
    pub api: T,
    /// The file server's.
    pub files: T,
}

impl<T> PerService<T> {
    /// The value of `service`.
    pub const fn get(&self, service: ServiceName) -> &T {
        match service {
            ServiceName::App => &self.app,
            ServiceName::Api => &self.api,
            ServiceName::Files => &self.files,
        }
    }

    /// Each service with its value, in the order of `ServiceName::ALL`.
    pub fn iter(&self) -> impl Iterator<Item = (ServiceName, &T)> {
        ServiceName::ALL.into_iter().map(|service| (service, self.get(service)))
    }

    /// The same shape with every value replaced by what `change` makes of it.
    pub fn map<U>(&self, mut change: impl FnMut(ServiceName, &T) -> U) -> PerService<U> {
        PerService {
            app: change(ServiceName::App, &self.app),
            api: change(ServiceName::Api, &self.api),
            files: change(ServiceName::Files, &self.files),
        }
    }
}

/// Why a text is no host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing, or nothing before the final dot.
    Empty,
    /// Over 253 characters, or a label over 63.
    TooLong,
    /// A label is empty, or begins or ends with a hyphen.
    Label,
    /// A character that no host name has.
    Character(char),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a host name cannot be empty"),
            Self::TooLong => f.write_str("a host name has at most 253 characters and 63 in each label"),
            Self::Label => f.write_str("a label of a host name cannot be empty, nor begin or end with a hyphen"),
            Self::Character(c) => write!(f, "a host name cannot contain {c:?}"),
        }
    }
}

impl std::error::Error for NameError {}

/// A DNS name: lower case, without port and final dot.
///
/// Underscores are let through: they are not legal in host names, but internal DNS zones have them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(Box<str>);

impl HostName {
    /// Parses `text`, case and one final dot ignored.
    ///
    /// # Errors
    /// `NameError` with what is wrong with it.
    ///
    /// Source: RFC 1123 section 2.1, RFC 1035 section 2.3.4.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        check_name(text)?;
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The name in lower case, without final dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This name with a service's label in front: `app.` + `clearml.example.com`.
    #[must_use]
    pub fn with_label(&self, service: ServiceName) -> Self {
        Self(format!("{service}.{}", self.0).into())
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One pass over the bytes: this is done for every request.
fn check_name(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > 253 {
        return Err(NameError::TooLong);
    }
    let (mut length, mut last) = (0, b'.');
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'.' if length == 0 || last == b'-' => return Err(NameError::Label),
            b'.' => length = 0,
            b'-' if length == 0 => return Err(NameError::Label),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => length += 1,
            _ => {
                return Err(NameError::Character(
                    text.get(index..).and_then(|rest| rest.chars().next()).unwrap_or_default(),
                ));
            }
        }
        if length > 63 {
            return Err(NameError::TooLong);
        }
        last = byte;
    }
    if length == 0 || last == b'-' { Err(NameError::Label) } else { Ok(()) }
}

/// A name that a certificate covers: exact, or a wildcard for exactly one label.
///
/// Source: RFC 6125 section 6.4.3.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NamePattern {
    /// `app.example.com`
    Exact(HostName),
    /// `*.example.com`, kept as `example.com`
    Wildcard(HostName),
}

impl NamePattern {
    /// Parses `app.example.com` or `*.example.com`.
    ///
    /// # Errors
    /// `NameError` where the name without `*.` is none.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.strip_prefix("*.") {
            Some(parent) => HostName::parse(parent).map(Self::Wildcard),
            None => HostName::parse(text).map(Self::Exact),
        }
    }

    /// Whether `host` (no port, no final dot, any case) is covered.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name.as_str().eq_ignore_ascii_case(host),
            Self::Wildcard(parent) => host
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && parent.as_str().eq_ignore_ascii_case(rest)),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// Host and port of a request, borrowed from its `Host` field or `:authority`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// The name or address as written, without the final dot; IPv6 addresses without brackets.
    pub host: &'a str,
    /// The port, where one was given.
    pub port: Option<u16>,
}

/// The text is no `host[:port]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorityError;

impl<'a> Authority<'a> {
    /// Parses `host`, `host:port`, `[v6]` or `[v6]:port`. User information, paths, lists, second ports, spaces and
    /// empty ports are refused.
    ///
    /// # Errors
    /// `AuthorityError` when it is anything else.
    ///
    /// Source: RFC 9110 section 7.2, RFC 3986 section 3.2.
    pub fn parse(text: &'a str) -> Result<Self, AuthorityError> {
        let (host, port) = split_port(text)?;
        let port = match port {
            None => None,
            Some(digits) => Some(parse_port(digits)?),
        };
        if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inner.parse::<std::net::Ipv6Addr>().map_err(|_| AuthorityError)?;
            return Ok(Self { host: inner, port });
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        check_name(host).map_err(|_| AuthorityError)?;
        Ok(Self { host, port })
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), AuthorityError> {
    let after_host = if text.starts_with('[') { text.find(']').ok_or(AuthorityError)? } else { 0 };
    let tail = text.get(after_host..).ok_or(AuthorityError)?;
    match tail.find(':') {
        None => Ok((text, None)),
        Some(colon) => {
            let (host, rest) = text.split_at(after_host + colon);
            Ok((host, rest.strip_prefix(':')))
        }
    }
}

fn parse_port(digits: &str) -> Result<u16, AuthorityError> {
    if digits.is_empty() || digits.len() > 5 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AuthorityError);
    }
    digits.parse().map_err(|_| AuthorityError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_ignore_case_and_final_dot() {
        assert_eq!(HostName::parse("App.Example.COM.").unwrap().as_str(), "app.example.com");
    }

    #[test]
    fn refuses_what_is_no_host_name() {
        for (text, error) in [
            ("", NameError::Empty),
            (".", NameError::Empty),
            ("a..b", NameError::Label),
            ("-a.b", NameError::Label),
            ("a-.b", NameError::Label),
            ("a b", NameError::Character(' ')),
            ("a/b", NameError::Character('/')),
            ("é.b", NameError::Character('é')),
        ] {
            assert_eq!(HostName::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(HostName::parse(&"a".repeat(64)), Err(NameError::TooLong));
        assert_eq!(HostName::parse(&vec!["abcdefgh"; 32].join(".")), Err(NameError::TooLong));
    }

    #[test]
    fn a_wildcard_covers_exactly_one_label() {
        let pattern = NamePattern::parse("*.example.com").unwrap();
        assert!(pattern.covers("app.example.com"));
        assert!(pattern.covers("APP.Example.com"));
        assert!(!pattern.covers("example.com"));
        assert!(!pattern.covers("a.b.example.com"));
        assert!(!pattern.covers(".example.com"));
        assert!(!NamePattern::parse("example.com").unwrap().covers("app.example.com"));
    }

    #[test]
    fn reads_host_and_port() {
        for (text, host, port) in [
            ("app.x", "app.x", None),
            ("app.x.", "app.x", None),
            ("APP.x:8443", "APP.x", Some(8443)),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]", "::1", None),
            ("[::1]:443", "::1", Some(443)),
        ] {
            assert_eq!(Authority::parse(text), Ok(Authority { host, port }), "{text}");
        }
    }

    #[test]
    fn refuses_ambiguous_authorities() {
        for text in [
            "", ":", ":80", "a:", "a:b", "a:80:90", "a:+80", "a:99999", "user@a", "a/b", "a,b", "a b", " a", "a ",
            "[::1", "[::1]x", "[x]", "::1", "a#", "a?b", "a\\b", "http://a", "a..b",
        ] {
            assert_eq!(Authority::parse(text), Err(AuthorityError), "{text:?}");
        }
    }
}
