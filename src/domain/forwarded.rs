//! Who the client is, and what is said about it to the target.
//!
//! ClearML's API server takes the whole `X-Forwarded-For` value as the client's address, before `X-Real-IP`
//! (`apiserver/service_repo/apicall.py`), so by default both are overwritten with the one peer address. Only behind
//! trusted networks is the list believed and continued.

use super::addr::TrustedNetworks;
use http::header::{HeaderMap, HeaderName};
use std::net::IpAddr;

/// Set by us on each request sent on.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `https` or `http`.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The host as the client named it.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// The port the client came to.
pub const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// The client's address alone.
pub const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// The request's number, in the answer, the log and at the target.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The subject of the client's certificate.
pub const X_CLIENT_CERT_SUBJECT: HeaderName = HeaderName::from_static("x-client-cert-subject");
/// Its alternative names.
pub const X_CLIENT_CERT_SAN: HeaderName = HeaderName::from_static("x-client-cert-san");
/// Its SHA-256.
pub const X_CLIENT_CERT_SHA256: HeaderName = HeaderName::from_static("x-client-cert-sha256");

/// Fields about the client that only we may set; whatever the client sent under these names is removed.
pub const OURS: [HeaderName; 13] = [
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_FORWARDED_HOST,
    X_FORWARDED_PORT,
    X_REAL_IP,
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-scheme"),
    X_CLIENT_CERT_SUBJECT,
    X_CLIENT_CERT_SAN,
    X_CLIENT_CERT_SHA256,
    // Of RFC 9440: not set by us, and believed by others.
    HeaderName::from_static("client-cert"),
    HeaderName::from_static("client-cert-chain"),
];

/// The client behind `peer`: the last address of `X-Forwarded-For` that no trusted proxy has, when `peer` is trusted.
///
/// An entry that is no address ends the search: what stands before it was written by nobody we trust.
#[must_use]
pub fn client_of(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedNetworks) -> IpAddr {
    if trusted.is_empty() || !trusted.contains(peer) {
        return peer;
    }
    let lines = headers.get_all(X_FORWARDED_FOR).iter().collect::<Vec<_>>();
    let mut client = peer;
    for line in lines.into_iter().rev() {
        for item in line.to_str().unwrap_or_default().rsplit(',') {
            let Some(ip) = parse_item(item.trim()) else { return client };
            client = ip;
            if !trusted.contains(ip) {
                return client;
            }
        }
    }
    client
}

/// An address as proxies write it: bare, with a port, or IPv6 in brackets.
fn parse_item(item: &str) -> Option<IpAddr> {
    let bare = item.parse::<IpAddr>().ok();
    let with_port = || item.parse::<std::net::SocketAddr>().ok().map(|addr| addr.ip());
    let bracketed = || item.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    bare.or_else(with_port).or_else(bracketed).map(|ip| ip.to_canonical())
}

/// Whether `name` is an underscore spelling of a field that only we may set: WSGI servers read `X_Forwarded_For` and
/// `X-Forwarded-For` as one.
#[must_use]
pub fn shadows_ours(name: &str) -> bool {
    let same = |ours: &str| {
        ours.len() == name.len() && ours.bytes().zip(name.bytes()).all(|(a, b)| a == b || (a == b'-' && b == b'_'))
    };
    name.contains('_') && (OURS.iter().any(|ours| same(ours.as_str())) || same(X_REQUEST_ID.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, line.parse().unwrap());
        }
        let trusted = TrustedNetworks::new(trusted.iter().map(|net| net.parse().unwrap()).collect());
        client_of(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        assert_eq!(client("9.9.9.9", &["1.1.1.1"], &[]), "9.9.9.9");
        assert_eq!(client("9.9.9.9", &["1.1.1.1"], &["10.0.0.0/8"]), "9.9.9.9");
    }

    #[test]
    fn behind_trusted_proxies_the_last_untrusted_address_counts() {
        let trusted = ["10.0.0.0/8"];
        for (lines, expected) in [
            (vec!["1.1.1.1"], "1.1.1.1"),
            (vec!["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
            (vec!["6.6.6.6", "1.1.1.1", "10.0.0.2"], "1.1.1.1"),
            (vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (vec!["1.1.1.1:4711"], "1.1.1.1"),
            (vec!["[2001:db8::1]:80"], "2001:db8::1"),
            (vec!["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
            (vec![], "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &lines, &trusted), expected, "{lines:?}");
        }
    }

    #[test]
    fn underscore_twins_of_our_fields_are_known() {
        for name in
            ["x_forwarded_for", "x-forwarded_for", "x_real_ip", "x_request_id", "x_client_cert_subject", "client_cert"]
        {
            assert!(shadows_ours(name), "{name}");
        }
        for name in ["x-forwarded-for", "x_custom", "x_forwarded_forx"] {
            assert!(!shadows_ours(name), "{name}");
        }
    }
}
