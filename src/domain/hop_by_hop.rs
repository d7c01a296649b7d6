//! Which header fields stop at this proxy.
//!
//! Source: RFC 9110 section 7.6.1, RFC 9113 section 8.2.2.

use http::header::{self, HeaderMap, HeaderName};

/// Fields that belong to one connection and are never passed on. `Trailer` is not among them: it announces what
/// follows the body, which is passed on with the body.
pub const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Fields that `Connection` cannot have removed: they carry the request's meaning, or are set by us.
const PROTECTED: [HeaderName; 10] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
    header::ORIGIN,
    header::TRAILER,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-request-id"),
];

/// Removes the hop-by-hop fields and those that `Connection` names, except protected ones and `X-Forwarded-*`.
pub fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        strip_named(headers);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

fn strip_named(headers: &mut HeaderMap) {
    for name in names_to_drop(headers) {
        headers.remove(name);
    }
}

/// The fields in `headers` that its `Connection` names, except protected ones and `X-Forwarded-*`.
#[must_use]
pub fn names_to_drop(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        // Options that name no field, on nearly every request.
        .filter(|token| !token.eq_ignore_ascii_case("keep-alive") && !token.eq_ignore_ascii_case("close"))
        .filter_map(|token| HeaderName::try_from(token).ok())
        .filter(|name| {
            !PROTECTED.contains(name) && !name.as_str().starts_with("x-forwarded-") && headers.contains_key(name)
        })
        .collect()
}

/// Whether a comma-separated list field holds `token`, in any of its lines.
#[must_use]
pub fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// Trailer fields that may not be passed on: framing, routing, authentication and everything of the head's that a
/// receiver might merge.
///
/// Source: RFC 9110 section 6.5.1.
#[must_use]
pub fn allowed_in_trailers(name: &HeaderName) -> bool {
    !HOP_BY_HOP.contains(name)
        && !PROTECTED.contains(name)
        && ![
            header::TRAILER,
            header::EXPECT,
            header::RANGE,
            header::CONTENT_ENCODING,
            header::CONTENT_RANGE,
            header::MAX_FORWARDS,
            header::LOCATION,
        ]
        .contains(name)
        && !name.as_str().starts_with("x-forwarded-")
        && name.as_str() != "forwarded"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn removes_hop_by_hop_and_named_fields() {
        let mut map = headers(&[
            ("connection", "keep-alive, X-Private"),
            ("connection", "x-other"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("x-private", "1"),
            ("x-other", "2"),
            ("x-kept", "3"),
        ]);
        strip(&mut map);
        assert_eq!(map, headers(&[("x-kept", "3")]));
    }

    #[test]
    fn connection_cannot_remove_what_gives_the_request_its_meaning() {
        let kept = [
            ("host", "a"),
            ("content-length", "1"),
            ("authorization", "b"),
            ("cookie", "c"),
            ("x-forwarded-for", "d"),
            ("x-real-ip", "e"),
        ];
        let mut map = headers(&kept);
        map.append(
            "connection",
            "host, content-length, authorization, cookie, x-forwarded-for, x-real-ip".parse().unwrap(),
        );
        strip(&mut map);
        assert_eq!(map, headers(&kept));
    }

    #[test]
    fn trailers_cannot_carry_framing_or_routing() {
        for name in [
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "authorization",
            "cookie",
            "x-forwarded-for",
            "trailer",
        ] {
            assert!(!allowed_in_trailers(&HeaderName::from_static(name)), "{name}");
        }
        assert!(allowed_in_trailers(&HeaderName::from_static("x-checksum")));
    }
}
