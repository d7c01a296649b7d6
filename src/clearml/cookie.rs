//! The login cookie of a server that was not told its domain, made good for the three hosts.
//!
//! Owns: which `Set-Cookie` lines are changed and how, for which hosts, and which cookies stand in each other's way.
//! Leaves: finding and writing fields to the caller.
//!
//! ClearML's default is a cookie for the API's host alone. Images, plots and artifacts on the other hosts are then
//! answered 401. An old cookie of that kind beside the new one is sent first and wins, so it is expired.
//!
//! Source: clearml-server `apiserver/config/default/apiserver.conf` (`auth.cookies`), RFC 6265 sections 4.1.2 and 5.3.

use crate::domain::entrance::Entrance;

/// What becomes of one `Set-Cookie` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Expires the cookie of the same name that belongs to this host alone. Goes out first.
    pub twin: Vec<u8>,
    /// The cookie as it came, with `Domain` and, where asked for, `Secure` behind it.
    pub cookie: Vec<u8>,
}

/// The domain that the hosts of `entrance` can share cookies in; `None` where there is none: one host with paths, hosts
/// without a common parent, and parents that browsers take no cookies for (`corp`, `co.uk`).
///
/// Source: the Public Suffix List, by which browsers decide.
#[must_use]
pub fn cookie_domain(entrance: &Entrance<'_>) -> Option<String> {
    let parent = entrance.parent()?.to_ascii_lowercase();
    // An address has no parent, and neither has what hangs below one.
    let last = parent.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    psl::domain(parent.as_bytes()).is_some().then_some(parent)
}

/// Makes the cookie in `line` good for all hosts below `domain`; `None` where the line has to stay as it is: the
/// server has chosen a domain, or the name forbids one.
#[must_use]
pub fn repair(line: &[u8], domain: &str, secure: bool) -> Option<Repaired> {
    let mut parts = line.split(|byte| *byte == b';');
    let name = parts.next()?.splitn(2, |byte| *byte == b'=').next()?.trim_ascii();
    if name.is_empty() || name.get(..HOST_ONLY.len()).is_some_and(|start| start.eq_ignore_ascii_case(HOST_ONLY)) {
        return None;
    }
    let (mut path, mut is_secure) = (None, false);
    for attribute in parts {
        let mut pair = attribute.splitn(2, |byte| *byte == b'=');
        let (key, value) = (pair.next().unwrap_or_default().trim_ascii(), pair.next().unwrap_or_default().trim_ascii());
        if key.eq_ignore_ascii_case(b"domain") && !value.is_empty() {
            return None;
        } else if key.eq_ignore_ascii_case(b"path") {
            path = Some(value);
        } else if key.eq_ignore_ascii_case(b"secure") {
            is_secure = true;
        }
    }
    let mut cookie = [line, b"; Domain=.", domain.as_bytes()].concat();
    if secure && !is_secure {
        cookie.extend_from_slice(b"; Secure");
    }
    Some(Repaired { twin: expired(name, path), cookie })
}

/// Cookies with such a name may have no domain.
const HOST_ONLY: &[u8] = b"__Host-";

/// A line that removes the cookie `name` of this host alone.
#[must_use]
pub fn expired(name: &[u8], path: Option<&[u8]>) -> Vec<u8> {
    let mut line = [name, b"=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0"].concat();
    if let Some(path) = path {
        line.extend_from_slice(b"; Path=");
        line.extend_from_slice(path);
    }
    line
}

/// The first name that stands twice in a request's `Cookie` fields: once for the host, once for its domain.
#[must_use]
pub fn doubled<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let pairs = fields.flat_map(|field| field.split(|byte| *byte == b';'));
    let names = pairs.filter_map(|pair| pair.split(|byte| *byte == b'=').next()).map(<[u8]>::trim_ascii);
    let mut seen: [&[u8]; COOKIES_MAX] = [b""; COOKIES_MAX];
    for (number, name) in names.filter(|name| !name.is_empty()).take(COOKIES_MAX).enumerate() {
        if seen.iter().take(number).any(|earlier| *earlier == name) {
            return Some(name);
        }
        if let Some(place) = seen.get_mut(number) {
            *place = name;
        }
    }
    None
}

/// Cookies of a request that are looked at. ClearML sets one; more than this are somebody else's.
const COOKIES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::names::{HostName, PerService};
    use crate::domain::settings::{Domains, Layout};

    const DOMAIN: &str = "clearml.example.com";
    const EXPIRED: &str = "=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0";

    fn repaired(line: &str, secure: bool) -> Option<(String, String)> {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        repair(line.as_bytes(), DOMAIN, secure).map(|Repaired { twin, cookie }| (text(twin), text(cookie)))
    }

    #[test]
    fn a_host_s_cookie_becomes_the_domain_s_and_keeps_the_rest() {
        for (line, secure, cookie, path) in [
            // As the real server sends it by default.
            (
                "clearml_token_basic=ey.J-_; Expires=Mon, 09 Oct 5195 05:00:14 GMT; Max-Age=99999999999; HttpOnly; Path=/; \
                 SameSite=Lax",
                true,
                "; Domain=.clearml.example.com; Secure",
                "; Path=/",
            ),
            ("clearml_token_basic=; Max-Age=0; Path=/", true, "; Domain=.clearml.example.com; Secure", "; Path=/"),
            ("clearml-token-k8s=x", true, "; Domain=.clearml.example.com; Secure", ""),
            ("a=x;Secure ;path=/p", true, "; Domain=.clearml.example.com", "; Path=/p"),
            ("a=x; SECURE", true, "; Domain=.clearml.example.com", ""),
            ("a=secure; HttpOnly", true, "; Domain=.clearml.example.com; Secure", ""),
            ("a=x", false, "; Domain=.clearml.example.com", ""),
            ("a=x; Domain=", true, "; Domain=.clearml.example.com; Secure", ""),
            ("a=\"b=c\"; Path=/", true, "; Domain=.clearml.example.com; Secure", "; Path=/"),
        ] {
            let name = line.split('=').next().unwrap();
            assert_eq!(repaired(line, secure), Some((format!("{name}{EXPIRED}{path}"), format!("{line}{cookie}"))));
        }
    }

    #[test]
    fn what_the_server_decided_stays() {
        for line in [
            "a=x; Domain=.clearml.example.com; Path=/",
            "a=x;domain=api.clearml.example.com",
            "a=x; DOMAIN = example.com",
            "__Host-a=x; Secure; Path=/",
            "__host-a=x",
            "=x",
            "",
        ] {
            assert_eq!(repaired(line, true), None, "{line}");
        }
    }

    #[test]
    fn only_hosts_with_a_parent_of_their_own_share_cookies() {
        let layout = |names: [&str; 3]| Layout {
            hosts: {
                let [app, api, files] = names.map(|name| vec![HostName::parse(name).unwrap()]);
                PerService { app, api, files }
            },
            single: vec![HostName::parse("one.example.com").unwrap()],
            ..Layout::below(Domains::Any)
        };
        let domain = |names: [&str; 3], host: &str| cookie_domain(&Entrance::of(&layout(names), host).unwrap().0);
        let none = ["a.corp", "b.corp", "c.corp"];
        for (names, host, expected) in [
            (none, "api.clearml.example.com", Some("clearml.example.com")),
            (none, "files.ML.corp", Some("ml.corp")),
            (none, "api.clearml.localhost", Some("clearml.localhost")),
            (none, "api.localhost", None),
            (none, "api.corp", None),
            (none, "api.co.uk", None),
            (none, "api.10.0.0.5", None),
            (none, "one.example.com", None),
            (none, "b.corp", None),
            (["ml.x.org", "ml-api.x.org", "files.ml.x.org"], "ml-api.x.org", Some("x.org")),
            (["ml.x.org", "api.ml.x.org", "files.ml.x.org"], "api.ml.x.org", Some("ml.x.org")),
            (["ml.co.uk", "ml-api.co.uk", "ml-files.co.uk"], "ml.co.uk", None),
            (["a.github.io", "b.github.io", "c.github.io"], "a.github.io", None),
            (["ml.x.org", "ml.y.org", "ml.z.org"], "ml.x.org", None),
        ] {
            assert_eq!(domain(names, host).as_deref(), expected, "{host} of {names:?}");
        }
    }

    #[test]
    fn finds_a_name_that_stands_twice() {
        for (fields, expected) in [
            (["a=1; b=2; a=3", ""], Some("a")),
            (["a=1", "b=2; a=3"], Some("a")),
            (["a=1; b=2", "c=a"], None),
            (["a=b=1; b=2", ""], None),
            (["", ";;=;="], None),
        ] {
            let found = doubled(fields.iter().map(|field| field.as_bytes()));
            assert_eq!(found.map(|name| std::str::from_utf8(name).unwrap()), expected, "{fields:?}");
        }
        let many = (0..100).map(|n| format!("c{n}=1; ")).collect::<String>();
        assert_eq!(doubled([many.as_bytes()].into_iter()), None);
    }
}
