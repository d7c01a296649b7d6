//! Entry: who may look at the admin listener's pages.
//!
//! A page of somebody else's can lead a name of its own to a loopback address (DNS rebinding), and the browser of
//! whoever opens it then asks us under that name. So only addresses, `localhost` and configured names are answered.

use super::token::Token;
use crate::domain::names::HostName;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST};
use http::uri::Authority;
use std::net::IpAddr;

/// By whom the admin listener lets itself be asked.
#[derive(Debug, Default)]
pub struct Entry {
    /// Names, besides addresses and `localhost`.
    pub names: Vec<HostName>,
    /// What everybody must have, where there is one.
    pub token: Option<Token>,
}

impl Entry {
    /// Whether the request names us, and nobody else.
    pub(super) fn is_named(&self, target: Option<&Authority>, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        host.is_some_and(|host| self.is_ours(&host)) && target.is_none_or(|target| self.is_ours(target))
    }

    fn is_ours(&self, authority: &Authority) -> bool {
        let host = authority.host();
        if authority.as_str().contains('@') {
            return false;
        }
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if address.parse::<IpAddr>().is_ok() {
            return true;
        }
        HostName::parse(host).is_ok_and(|name| {
            let text = name.as_str();
            text == "localhost" || text.ends_with(".localhost") || self.names.contains(&name)
        })
    }

    /// Whether the request has the token, where one is demanded.
    pub(super) fn is_trusted(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return false };
        let Some((scheme, given)) = field.to_str().ok().and_then(|field| field.split_once(' ')) else { return false };
        if scheme.eq_ignore_ascii_case("bearer") {
            return token.is(given.trim().as_bytes());
        }
        // Browsers ask a person for a name and a password; the name does not matter.
        let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(given.trim()).ok()).flatten();
        let pair = pair.unwrap_or_default();
        let colon = pair.iter().position(|byte| *byte == b':');
        colon.and_then(|colon| pair.get(colon + 1..)).is_some_and(|password| token.is(password))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const TOKEN: &str = "0123456789abcdef";

    fn headers(name: http::HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_names_that_nobody_else_can_lead_here_are_answered() {
        let entry = Entry { names: vec![HostName::parse("clearway.internal").unwrap()], token: None };
        for (host, ours) in [
            ("127.0.0.1:9180", true),
            ("[::1]:9180", true),
            ("10.1.2.3", true),
            ("localhost:9180", true),
            ("LocalHost", true),
            ("clearway.localhost:1", true),
            ("clearway.internal:9180", true),
            ("Clearway.Internal", true),
            ("evil.example", false),
            ("evil.example:9180", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("sub.clearway.internal", false),
            ("user@localhost", false),
            ("", false),
        ] {
            assert_eq!(entry.is_named(None, &headers(HOST, &[host])), ours, "{host}");
        }
        assert!(!entry.is_named(None, &headers(HOST, &["localhost", "localhost"])));
        assert!(!entry.is_named(None, &HeaderMap::new()));
        let target = Authority::from_static("evil.example");
        assert!(!entry.is_named(Some(&target), &headers(HOST, &["localhost"])));
    }

    #[test]
    fn the_token_comes_alone_or_as_a_password() {
        let entry = Entry { names: Vec::new(), token: Some(Token::new(TOKEN)) };
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for (value, trusted) in [
            (format!("Bearer {TOKEN}"), true),
            (format!("bearer {TOKEN}"), true),
            (basic(&format!("anybody:{TOKEN}")), true),
            (basic(&format!(":{TOKEN}")), true),
            (format!("Bearer {TOKEN}x"), false),
            (format!("Basic {TOKEN}"), false),
            (basic(TOKEN), false),
            (basic(&format!("{TOKEN}:wrong")), false),
            (TOKEN.to_owned(), false),
            (String::from("Basic ???"), false),
        ] {
            assert_eq!(entry.is_trusted(&headers(AUTHORIZATION, &[&value])), trusted, "{value}");
        }
        assert!(!entry.is_trusted(&HeaderMap::new()));
        let good = format!("Bearer {TOKEN}");
        assert!(!entry.is_trusted(&headers(AUTHORIZATION, &[&good, &good])));
        assert!(Entry::default().is_trusted(&HeaderMap::new()));
    }
}
