//! Which header fields stop at this proxy.
//!
//! Source: RFC 9110 section 7.6.1, RFC 9113 section 8.2.2.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

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

/// The fields in `headers` that its `Connection` names, except protected ones and `X-Forwarded-*`.
#[must_use]
pub fn names_to_drop(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(droppable)
        .collect()
}

/// Removes the fields that one `Connection` value names, except protected ones and `X-Forwarded-*`.
pub fn drop_named(headers: &mut HeaderMap, connection: &HeaderValue) {
    for name in connection.to_str().unwrap_or_default().split(',').filter_map(droppable) {
        headers.remove(name);
    }
}

/// The field that an item of `Connection` names, where it may be dropped for it.
fn droppable(token: &str) -> Option<HeaderName> {
    let token = token.trim();
    // Options that name no field, on nearly every message.
    if token.eq_ignore_ascii_case("keep-alive") || token.eq_ignore_ascii_case("close") {
        return None;
    }
    let name = HeaderName::try_from(token).ok()?;
    (!PROTECTED.contains(&name) && !name.as_str().starts_with("x-forwarded-")).then_some(name)
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
        && !name.as_str().contains("client-cert")
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
    fn connection_names_fields_to_drop_but_not_those_that_give_the_message_its_meaning() {
        let kept = [
            ("host", "a"),
            ("content-length", "1"),
            ("authorization", "b"),
            ("cookie", "c"),
            ("x-forwarded-for", "d"),
            ("x-real-ip", "e"),
        ];
        let mut map = headers(&kept);
        map.append("x-private", "1".parse().unwrap());
        map.append("connection", "keep-alive, X-Private, absent".parse().unwrap());
        map.append(
            "connection",
            "host, content-length, authorization, cookie, x-forwarded-for, x-real-ip".parse().unwrap(),
        );
        assert_eq!(names_to_drop(&map), ["x-private", "absent"]);
        let connection = map.get_all("connection").iter().cloned().collect::<Vec<_>>();
        for value in &connection {
            drop_named(&mut map, value);
        }
        map.remove("connection");
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
            "x-client-cert-subject",
            "client-cert",
        ] {
            assert!(!allowed_in_trailers(&HeaderName::from_static(name)), "{name}");
        }
        assert!(allowed_in_trailers(&HeaderName::from_static("x-checksum")));
    }
}
