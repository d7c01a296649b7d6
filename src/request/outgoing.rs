//! Outgoing: the head as the target gets it, written in one pass over what the client sent.
//!
//! Owns: hop-by-hop fields left out, fields about the client ours, cookie crumbs joined, framing ours, the
//! prefix of the route removed. The rest of path and query and every other field go out byte for byte as they came,
//! repeated ones in their order.

use super::admit::{Admitted, Permit};
use super::client_body::ClientBody;
use super::scope::{Scope, ip_value};
use super::site::Site;
use super::trace::Told;
use super::turn;
use super::upload::{OutgoingBody, Upload};
use crate::domain::facts::ClientCertificate;
use crate::domain::forwarded::{
    OURS, X_CLIENT_CERT_SAN, X_CLIENT_CERT_SHA256, X_CLIENT_CERT_SUBJECT, X_FORWARDED_FOR, X_FORWARDED_HOST,
    X_FORWARDED_PORT, X_FORWARDED_PROTO, X_REQUEST_ID, shadows_ours,
};
use crate::domain::hop_by_hop::{lists, names_to_drop};
use crate::domain::names::ServiceName;
use crate::domain::route::Route;
use crate::domain::trace::{TRACEPARENT, TRACESTATE};
use crate::telemetry::AccessRecord;
use crate::upstream::{Framing, Holder, Outbound};
use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Method, Request, Version};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use std::sync::Arc;

/// Room for the fields that we add, and then some.
const ADDED: usize = 512;

/// A body of less is over before anybody looks. ClearML's API calls are smaller, its files mostly larger.
const UPLOAD_MIN: u64 = 256 * 1024;

/// A request ready for any target of its service. Made only here.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) outbound: Outbound<OutgoingBody>,
    pub(super) service: ServiceName,
    /// Whose share of a target's slots it needs a place in.
    pub(super) holder: Option<Holder>,
    pub(super) permit: Permit,
    /// The body's progress, where there is one.
    pub(super) upload: Option<Arc<Upload>>,
    /// The client's half of an upgrade to WebSocket.
    pub(super) upgrade: Option<OnUpgrade>,
    /// Whether it is a HEAD request, whose answers have no body.
    pub(super) to_head: bool,
}

impl Outgoing {
    pub(super) fn websocket(&self) -> bool {
        self.upgrade.is_some()
    }
}

/// Rebuilds the head for the target.
pub(super) fn prepare(admitted: Admitted, scope: &Scope, site: &Site, record: &AccessRecord, trace: Told) -> Outgoing {
    let Admitted { checked, route, permit, max_body } = admitted;
    let named_port = checked.port();
    let interims = checked.stream().map(|stream| scope.link().interims(stream));
    let (mut request, authority) = checked.into_parts();
    let upgrade = wants_websocket(&request).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let framing = framing(&body, &parts.headers);
    let holder = turn::holder(&scope.worker, site, route.service, record, &parts.headers);
    let mut head = Head(Vec::with_capacity(capacity(&parts)));
    head.request_line(&parts, route);
    head.field(header::HOST.as_str(), authority.as_bytes());
    head.pass_on(&parts.headers, parts.version, parts.method == Method::OPTIONS);
    head.describe_client(&parts.headers, scope, site, record, (&authority, named_port));
    head.trace(&parts.headers, trace);
    if framing == Framing::Chunked {
        head.field(header::TRANSFER_ENCODING.as_str(), b"chunked");
    }
    if upgrade.is_some() {
        head.field(header::CONNECTION.as_str(), b"upgrade");
        head.field(header::UPGRADE.as_str(), b"websocket");
    } else if lists(&parts.headers, &header::TE, "trailers") {
        head.field(header::CONNECTION.as_str(), b"te");
        head.field(header::TE.as_str(), b"trailers");
    }
    head.0.extend_from_slice(b"\r\n");
    let (body, upload) = if body.is_end_stream() {
        (OutgoingBody::empty(), None)
    } else {
        let shown = is_upload(framing).then(|| record.begin_upload(length_of(framing)));
        let upload = Upload::new(&site.settings, max_body, scope.worker.metrics.clone(), shown);
        (OutgoingBody::streaming(body, Arc::clone(&upload)), Some(upload))
    };
    let outbound = Outbound::new(head.0, body, framing).with_interims(interims);
    let to_head = parts.method == Method::HEAD;
    Outgoing { outbound, service: route.service, holder, permit, upload, upgrade, to_head }
}

/// As the client framed it; a body of unknown length (HTTP/2 without a length) goes out in chunks.
fn framing(body: &ClientBody, headers: &HeaderMap) -> Framing {
    if body.is_end_stream() {
        return Framing::Length(0);
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.map_or(Framing::Chunked, Framing::Length)
}

/// Whether a body takes so long that people want to see how far it is.
fn is_upload(framing: Framing) -> bool {
    length_of(framing).is_none_or(|length| length >= UPLOAD_MIN)
}

const fn length_of(framing: Framing) -> Option<u64> {
    match framing {
        Framing::Length(length) => Some(length),
        Framing::Chunked => None,
    }
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

fn capacity(parts: &http::request::Parts) -> usize {
    let fields = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>();
    parts.uri.path_and_query().map_or(1, |target| target.as_str().len()) + fields + ADDED
}

/// A head being written.
struct Head(Vec<u8>);

impl Head {
    /// Absolute form and HTTP/2 lose scheme and host, which are in `Host`.
    fn request_line(&mut self, parts: &http::request::Parts, route: Route) {
        self.0.extend_from_slice(parts.method.as_str().as_bytes());
        self.0.push(b' ');
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        self.0.extend_from_slice(route.target(target).as_bytes());
        self.0.extend_from_slice(b" HTTP/1.1\r\n");
    }

    fn field(&mut self, name: &str, value: &[u8]) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        self.0.extend_from_slice(value);
        self.0.extend_from_slice(b"\r\n");
    }

    /// The client's fields without those that stop here or are ours to say.
    fn pass_on(&mut self, headers: &HeaderMap, version: Version, options: bool) {
        let named = names_to_drop(headers);
        let crumbs = version == Version::HTTP_2 && headers.get_all(header::COOKIE).iter().nth(1).is_some();
        for (name, value) in headers {
            if stops_here(name) || named.contains(name) || (crumbs && name == header::COOKIE) {
                continue;
            }
            match name {
                _ if options && name == header::MAX_FORWARDS => self.count_down(value),
                _ => self.field(name.as_str(), value.as_bytes()),
            }
        }
        if crumbs {
            self.join_cookies(headers);
        }
    }

    /// One `Cookie` line: browsers split it on HTTP/2, and HTTP/1.1 servers read only one.
    ///
    /// Source: RFC 9113 section 8.2.3.
    fn join_cookies(&mut self, headers: &HeaderMap) {
        self.0.extend_from_slice(b"cookie: ");
        for (index, crumb) in headers.get_all(header::COOKIE).iter().enumerate() {
            if index > 0 {
                self.0.extend_from_slice(b"; ");
            }
            self.0.extend_from_slice(crumb.as_bytes());
        }
        self.0.extend_from_slice(b"\r\n");
    }

    /// Source: RFC 9110 section 7.6.2.
    fn count_down(&mut self, hops: &HeaderValue) {
        match hops.to_str().ok().and_then(|hops| hops.parse::<u32>().ok()) {
            Some(left) => self.field(header::MAX_FORWARDS.as_str(), left.saturating_sub(1).to_string().as_bytes()),
            None => self.field(header::MAX_FORWARDS.as_str(), hops.as_bytes()),
        }
    }

    fn describe_client(
        &mut self,
        headers: &HeaderMap,
        scope: &Scope,
        site: &Site,
        record: &AccessRecord,
        (authority, named_port): (&HeaderValue, Option<u16>),
    ) {
        let trusted = site.settings.trusted_proxies.contains(scope.facts.peer.ip());
        let told = |name: &HeaderName| if trusted { headers.get(name).map(HeaderValue::as_bytes) } else { None };
        self.0.extend_from_slice(b"x-forwarded-for: ");
        if trusted {
            for line in headers.get_all(X_FORWARDED_FOR) {
                self.0.extend_from_slice(line.as_bytes());
                self.0.extend_from_slice(b", ");
            }
        }
        self.0.extend_from_slice(scope.peer.as_bytes());
        self.0.extend_from_slice(b"\r\nx-real-ip: ");
        let behind = (record.client != scope.facts.peer.ip()).then(|| ip_value(record.client));
        self.0.extend_from_slice(behind.as_ref().unwrap_or(&scope.peer).as_bytes());
        self.0.extend_from_slice(b"\r\n");
        self.field("x-forwarded-proto", told(&X_FORWARDED_PROTO).unwrap_or(scope.facts.scheme().as_bytes()));
        match told(&X_FORWARDED_PORT) {
            Some(port) => self.field("x-forwarded-port", port),
            None => self.port(named_port.unwrap_or(scope.port())),
        }
        self.field("x-forwarded-host", told(&X_FORWARDED_HOST).unwrap_or(authority.as_bytes()));
        self.field("x-request-id", record.request_id.as_bytes());
        if let Some(client) = &record.client_certificate {
            self.describe_certificate(client);
        }
    }

    /// Without the formatting machinery: this is done for every request.
    fn port(&mut self, port: u16) {
        self.0.extend_from_slice(b"x-forwarded-port: ");
        let leading = [10_000, 1_000, 100, 10].into_iter().filter(|place| port >= *place);
        self.0.extend(leading.chain([1]).map(|place| b'0' + (port / place % 10) as u8));
        self.0.extend_from_slice(b"\r\n");
    }

    /// Whom the client's certificate names. Its texts are ASCII without control characters.
    fn describe_certificate(&mut self, client: &ClientCertificate) {
        let ClientCertificate { subject, names, fingerprint, .. } = client;
        let fields =
            [(X_CLIENT_CERT_SUBJECT, subject), (X_CLIENT_CERT_SAN, names), (X_CLIENT_CERT_SHA256, fingerprint)];
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            self.field(name.as_str(), value.as_bytes());
        }
    }

    /// What came with a valid context goes along with it.
    fn trace(&mut self, headers: &HeaderMap, trace: Told) {
        self.field(TRACEPARENT.as_str(), &trace.context.write());
        if trace.is_theirs {
            headers.get_all(TRACESTATE).iter().for_each(|state| self.field(TRACESTATE.as_str(), state.as_bytes()));
        }
    }
}

/// Fields that never pass: hop-by-hop, the host (written first), `Expect` (answered by us), and what only we may say
/// of the client, in any spelling.
fn stops_here(name: &HeaderName) -> bool {
    let text = name.as_str();
    match text.len() {
        2 => *name == header::TE,
        4 => *name == header::HOST,
        6 => *name == header::EXPECT,
        7 => *name == header::UPGRADE,
        10 => *name == header::CONNECTION || text == "keep-alive" || *name == TRACESTATE,
        11 if *name == TRACEPARENT => true,
        16 if text == "proxy-connection" => true,
        17 if *name == header::TRANSFER_ENCODING => true,
        9..=21 if matches!(text.as_bytes().first(), Some(b'x' | b'f' | b'c')) => {
            OURS.contains(name) || *name == X_REQUEST_ID || (text.contains('_') && shadows_ours(text))
        }
        _ => false,
    }
}
