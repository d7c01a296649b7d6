//! Guard: which heads may be believed.
//!
//! The framing of HTTP/1.1 was checked on the wire (`domain::framing`), that of HTTP/2 by the h2 library. Here is
//! what both versions share, and what h2 lets through: hosts, targets, methods, expectations, counts.

use super::client_body::ClientBody;
use crate::domain::facts::{CLIENT_STREAM, Refused};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::framing::resembles_framing;
use crate::domain::names::Authority;
use crate::domain::settings::Limits;
use http::header::{self, HeaderMap};
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};
use std::ops::Range;
use std::sync::OnceLock;

const STREAM: HeaderName = HeaderName::from_static(CLIENT_STREAM);

/// The host that the first request of a connection named, so that those behind it, which nearly always name the same,
/// need not have it parsed again.
#[derive(Debug, Default)]
pub(super) struct KnownHost(OnceLock<Host>);

/// A host that was checked, as it is sent on.
#[derive(Clone, Debug)]
struct Host {
    authority: HeaderValue,
    /// Where in it the name stands.
    name: Range<usize>,
    port: Option<u16>,
}

impl Host {
    /// The same in bytes of its own: those of a request are part of what was read, and an idle connection would keep all
    /// of that.
    fn apart(&self) -> Self {
        let own = HeaderValue::from_bytes(self.authority.as_bytes());
        Self { authority: own.unwrap_or_else(|_| self.authority.clone()), ..self.clone() }
    }
}

impl KnownHost {
    /// The parts of `text`, a `Host` or `:authority`; `value` makes a header value of it.
    ///
    /// # Errors
    /// `BadHost`.
    fn parse(&self, text: &[u8], value: impl FnOnce() -> Result<HeaderValue, Fault>) -> Result<Host, Fault> {
        if let Some(known) = self.0.get().filter(|known| known.authority.as_bytes() == text) {
            return Ok(known.clone());
        }
        let authority = value()?;
        let text = authority.to_str().map_err(|_| bad_host("an invalid host"))?;
        let parsed = Authority::parse(text).map_err(|_| bad_host("an invalid host"))?;
        let start = usize::from(text.starts_with('['));
        let (name, port) = (start..start + parsed.host.len(), parsed.port);
        let host = Host { authority, name, port };
        self.0.get_or_init(|| host.apart());
        Ok(host)
    }
}

/// A request whose head can be believed. Made only here.
#[derive(Debug)]
pub(super) struct Checked {
    request: Request<ClientBody>,
    host: Host,
    stream: u32,
}

impl Checked {
    /// The host as the client wrote it, without port and final dot.
    pub(super) fn host(&self) -> &str {
        let Host { authority, name, .. } = &self.host;
        authority.to_str().ok().and_then(|text| text.get(name.clone())).unwrap_or_default()
    }

    /// Where heads before its answer go: its HTTP/2 stream, or 0 on HTTP/1.1; `None` where they must not.
    pub(super) fn stream(&self) -> Option<u32> {
        match self.request.version() {
            Version::HTTP_2 => (self.stream > 0).then_some(self.stream),
            Version::HTTP_11 => Some(0),
            _ => None,
        }
    }

    /// The port the client named.
    pub(super) fn port(&self) -> Option<u16> {
        self.host.port
    }

    /// The path as the client wrote it.
    pub(super) fn path(&self) -> &str {
        self.request.uri().path()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// `OPTIONS *`, or an `OPTIONS` that may go no further: a question to us and not to a service.
    ///
    /// Source: RFC 9110 sections 7.6.2 and 9.3.7.
    pub(super) fn asks_about_us(&self) -> bool {
        let last_hop = || self.request.headers().get(header::MAX_FORWARDS).is_some_and(|hops| hops == "0");
        self.request.method() == Method::OPTIONS && (self.path() == "*" || last_hop())
    }

    /// Makes it ask for the whole file, uncompressed, whatever the client has of it.
    pub(super) fn ask_for_all(&mut self) {
        *self.request.method_mut() = Method::GET;
        let headers = self.request.headers_mut();
        for name in [
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::IF_MATCH,
            header::IF_UNMODIFIED_SINCE,
            header::IF_RANGE,
            header::RANGE,
            header::ACCEPT_ENCODING,
        ] {
            headers.remove(name);
        }
    }

    pub(super) fn into_parts(self) -> (Request<ClientBody>, HeaderValue) {
        (self.request, self.host.authority)
    }

    pub(super) fn request(&self) -> &Request<ClientBody> {
        &self.request
    }
}

/// Checks one head. `known` is of its connection.
///
/// # Errors
/// The fault to answer with; the connection is closed after it where the head was ambiguous.
///
/// Source: RFC 9110 section 7.2, RFC 9112 section 3.2, RFC 9113 section 8.3.
pub(super) fn check(mut request: Request<ClientBody>, limits: &Limits, known: &KnownHost) -> Result<Checked, Fault> {
    if let Some(Refused(fault)) = request.extensions_mut().remove::<Refused>() {
        return Err(fault);
    }
    let mut stream = 0;
    if request.version() == Version::HTTP_2 {
        stream = take_stream(request.headers_mut());
        check_http2(&request, limits)?;
    }
    if !serves(request.method()) {
        return Err(Fault::new(FaultKind::MethodRefused, format!("the method is {}", request.method())));
    }
    let host = host(request.uri(), request.headers(), request.version(), known)?;
    check_target(&request, limits)?;
    let expectation = request.headers().get(header::EXPECT);
    if let Some(other) = expectation.filter(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Fault::new(FaultKind::BadExpectation, format!("the expectation is {other:?}")));
    }
    Ok(Checked { request, host, stream })
}

/// Whether requests with `method` are served at all.
pub(super) fn serves(method: &Method) -> bool {
    !matches!(*method, Method::CONNECT | Method::TRACE)
}

/// The number of the request's stream, 0 where it has none. It was written behind whatever the client sent.
fn take_stream(headers: &mut HeaderMap) -> u32 {
    let number = headers.get_all(STREAM).iter().next_back().and_then(|number| number.to_str().ok());
    let stream = number.and_then(|number| u32::from_str_radix(number, 16).ok()).unwrap_or(0);
    headers.remove(STREAM);
    stream
}

/// What HTTP/2 can express and the targets would misread.
fn check_http2(request: &Request<ClientBody>, limits: &Limits) -> Result<(), Fault> {
    let headers = request.headers();
    if headers.len() > limits.headers.get() {
        let detail = format!("{} header fields, cookie crumbs counted each; at most {}", headers.len(), limits.headers);
        return Err(Fault::new(FaultKind::TooManyHeaders, detail));
    }
    if headers.get_all(header::CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(Fault::new(FaultKind::BadLength, "Content-Length more than once"));
    }
    for (name, value) in headers {
        let bytes = value.as_bytes();
        if bytes.first().is_some_and(|byte| byte.is_ascii_whitespace())
            || bytes.last().is_some_and(|byte| byte.is_ascii_whitespace())
        {
            return Err(Fault::new(FaultKind::Malformed, "a header value begins or ends with white space"));
        }
        let long = name.as_str().len() >= 13 && *name != header::CONTENT_LENGTH;
        if long && resembles_framing(name.as_str().as_bytes()) {
            return Err(Fault::new(
                FaultKind::Malformed,
                "a header name that resembles Content-Length or Transfer-Encoding",
            ));
        }
    }
    Ok(())
}

/// The one host that the head names, as it is sent on.
fn host(uri: &Uri, headers: &HeaderMap, version: Version, known: &KnownHost) -> Result<Host, Fault> {
    let mut fields = headers.get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(bad_host("Host more than once"));
    }
    match (uri.authority(), field) {
        (None, None) => Err(bad_host("no Host")),
        (None, Some(field)) => known.parse(field.as_bytes(), || Ok(field.clone())),
        // Without a scheme this is `GET foo`, the form that only CONNECT has.
        (Some(_), _) if uri.scheme().is_none() && version != Version::HTTP_2 => {
            Err(Fault::new(FaultKind::Malformed, "the request target does not begin with a slash"))
        }
        (Some(_), None) if version != Version::HTTP_2 => Err(bad_host("no Host")),
        (Some(authority), field) => {
            if field.is_some_and(|field| !field.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())) {
                return Err(bad_host("Host differs from the host in the request target"));
            }
            let value = || HeaderValue::from_str(authority.as_str()).map_err(|_| bad_host("an invalid host"));
            known.parse(authority.as_str().as_bytes(), value)
        }
    }
}

fn check_target(request: &Request<ClientBody>, limits: &Limits) -> Result<(), Fault> {
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    if target.len() as u64 > limits.target.get() {
        return Err(Fault::new(
            FaultKind::TargetTooLong,
            format!("{} bytes of request target, at most {}", target.len(), limits.target.get()),
        ));
    }
    if !matches!(request.uri().scheme_str(), None | Some("http" | "https")) {
        return Err(Fault::new(FaultKind::Malformed, "the scheme is neither http nor https"));
    }
    let asterisk = target == "*" && request.method() == Method::OPTIONS;
    if !asterisk && !target.starts_with('/') {
        return Err(Fault::new(FaultKind::Malformed, "the request target does not begin with a slash"));
    }
    Ok(())
}

fn bad_host(detail: &'static str) -> Fault {
    Fault::new(FaultKind::BadHost, detail)
}
