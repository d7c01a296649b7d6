//! Outgoing: the head as the target gets it.
//!
//! Owns: hop-by-hop fields removed, fields about the client set, cookie crumbs joined, framing ours. Path, query and
//! every other field stay as they came.

use super::admit::{Admitted, Permit};
use super::client_body::ClientBody;
use super::scope::{Scope, ip_value};
use super::upload::{OutgoingBody, Upload};
use crate::domain::forwarded::{
    OURS, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO, X_REAL_IP, X_REQUEST_ID, shadows_ours,
};
use crate::domain::hop_by_hop::{lists, strip};
use crate::domain::names::{Authority, ServiceName};
use crate::telemetry::AccessRecord;
use bytes::{BufMut, Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Method, Request, Uri, Version};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use std::sync::Arc;

/// A request ready for any target of its service. Made only here.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) request: Request<OutgoingBody>,
    pub(super) service: ServiceName,
    pub(super) permit: Permit,
    /// The body's progress, where there is one.
    pub(super) upload: Option<Arc<Upload>>,
    /// The client's half of an upgrade to WebSocket.
    pub(super) upgrade: Option<OnUpgrade>,
}

impl Outgoing {
    pub(super) fn websocket(&self) -> bool {
        self.upgrade.is_some()
    }
}

/// Rebuilds the head for the target.
pub(super) fn prepare(admitted: Admitted, scope: &Scope, record: &AccessRecord) -> Outgoing {
    let Admitted { checked, service, permit, max_body } = admitted;
    let (mut request, authority) = checked.into_parts();
    let upgrade = wants_websocket(&request).then(|| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    let headers = &mut parts.headers;
    let trailers_wanted = lists(headers, &header::TE, "trailers");
    strip(headers);
    if parts.version == Version::HTTP_2 {
        join_cookies(headers);
    }
    describe_client(headers, scope, record, &authority);
    headers.insert(header::HOST, authority);
    // Answered by ourselves as soon as the body is wanted.
    headers.remove(header::EXPECT);
    count_down_hops(&parts.method, headers);
    if trailers_wanted {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    if upgrade.is_some() {
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let (body, upload) = if body.is_end_stream() {
        (OutgoingBody::empty(), None)
    } else {
        if !headers.contains_key(header::CONTENT_LENGTH) {
            // Said here because the client library leaves it out for GET, and ClearML's SDK sends bodies with GET.
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let upload = Upload::new(scope, max_body);
        (OutgoingBody::streaming(body, Arc::clone(&upload)), Some(upload))
    };
    parts.uri = origin_form(&parts.uri);
    parts.version = Version::HTTP_11;
    Outgoing { request: Request::from_parts(parts, body), service, permit, upload, upgrade }
}

/// Only HTTP/1.1 with both fields; anything else that asks for an upgrade is an ordinary request.
///
/// Must agree with `domain::framing`, which stops following the wire behind such a head.
fn wants_websocket(request: &Request<ClientBody>) -> bool {
    request.version() == Version::HTTP_11
        && request.method() == Method::GET
        && request.body().is_end_stream()
        && request
            .headers()
            .get(header::UPGRADE)
            .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && lists(request.headers(), &header::CONNECTION, "upgrade")
}

/// Path and query exactly as they came; absolute form and HTTP/2 lose scheme and host, which are in `Host`.
fn origin_form(uri: &Uri) -> Uri {
    match uri.path_and_query() {
        Some(target) if uri.authority().is_some() => Uri::from(target.clone()),
        _ => uri.clone(),
    }
}

/// One `Cookie` line: browsers split it on HTTP/2, and HTTP/1.1 servers read only one.
///
/// Source: RFC 9113 section 8.2.3.
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs = headers.get_all(header::COOKIE);
    if crumbs.iter().nth(1).is_none() {
        return;
    }
    let length = crumbs.iter().map(|crumb| crumb.len() + 2).sum();
    let mut joined = BytesMut::with_capacity(length);
    for crumb in crumbs {
        if !joined.is_empty() {
            joined.put_slice(b"; ");
        }
        joined.put_slice(crumb.as_bytes());
    }
    if let Ok(cookie) = HeaderValue::from_maybe_shared(joined.freeze()) {
        headers.insert(header::COOKIE, cookie);
    }
}

fn describe_client(headers: &mut HeaderMap, scope: &Scope, record: &AccessRecord, authority: &HeaderValue) {
    let trusted = scope.site().settings.trusted_proxies.contains(scope.facts.peer.ip());
    let chain = trusted.then(|| chain(headers, &scope.peer)).flatten();
    let told = |name: HeaderName| headers.get(name).filter(|_| trusted).cloned();
    let (proto, host, port) = (told(X_FORWARDED_PROTO), told(X_FORWARDED_HOST), told(X_FORWARDED_PORT));
    for name in &OURS {
        headers.remove(name);
    }
    remove_shadows(headers);
    let direct = record.client == scope.facts.peer.ip();
    let client = if direct { scope.peer.clone() } else { ip_value(record.client) };
    headers.insert(X_FORWARDED_FOR, chain.unwrap_or_else(|| scope.peer.clone()));
    headers.insert(X_REAL_IP, client);
    headers.insert(X_FORWARDED_PROTO, proto.unwrap_or_else(|| HeaderValue::from_static(scope.facts.listener.as_str())));
    headers.insert(X_FORWARDED_PORT, port.unwrap_or_else(|| port_of(authority, scope.https_port)));
    headers.insert(X_FORWARDED_HOST, host.unwrap_or_else(|| authority.clone()));
    headers.insert(X_REQUEST_ID, record.request_id.clone());
}

/// The list that a trusted proxy sent, with its own address behind it.
fn chain(headers: &HeaderMap, peer: &HeaderValue) -> Option<HeaderValue> {
    let mut list = BytesMut::new();
    for line in headers.get_all(X_FORWARDED_FOR) {
        list.put_slice(line.as_bytes());
        list.put_slice(b", ");
    }
    list.put_slice(peer.as_bytes());
    HeaderValue::from_maybe_shared(list.freeze()).ok()
}

fn remove_shadows(headers: &mut HeaderMap) {
    let shadows = headers.keys().filter(|name| shadows_ours(name.as_str())).cloned().collect::<Vec<_>>();
    for name in shadows {
        headers.remove(name);
    }
}

/// The port the client named, else the one it came to.
fn port_of(authority: &HeaderValue, https_port: u16) -> HeaderValue {
    let named =
        authority.to_str().ok().and_then(|text| Authority::parse(text).ok()).and_then(|authority| authority.port);
    match named.unwrap_or(https_port) {
        443 => HeaderValue::from_static("443"),
        port => HeaderValue::from_maybe_shared(Bytes::from(port.to_string()))
            .unwrap_or_else(|_| HeaderValue::from_static("443")),
    }
}

/// Source: RFC 9110 section 7.6.2.
fn count_down_hops(method: &Method, headers: &mut HeaderMap) {
    if method != Method::OPTIONS {
        return;
    }
    let left = headers.get(header::MAX_FORWARDS).and_then(|hops| hops.to_str().ok()?.parse::<u32>().ok());
    if let Some(left) = left {
        headers.insert(header::MAX_FORWARDS, HeaderValue::from(left.saturating_sub(1)));
    }
}
