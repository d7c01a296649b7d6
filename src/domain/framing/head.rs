//! The verdict on one complete request head.

use super::super::fault::{Fault, FaultKind};
use super::octets::{PLAIN_TARGET, TARGET, TOKEN, common, is_token};
use memchr::{memchr, memchr_iter};

/// The longest method taken; the longest registered one has 17 letters.
const METHOD_MAX: usize = 32;

/// The largest body length taken: what a signed 64-bit number holds, as everywhere behind us.
const LENGTH_MAX: u64 = i64::MAX as u64;

const BARE_CR: &str = "a bare carriage return";
const NO_NAME: &str = "a header name is no token";

/// Sizes a head may have.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// The whole head, in bytes.
    pub head: usize,
    /// The request target, in bytes.
    pub target: usize,
    /// The number of fields.
    pub headers: usize,
}

/// How the body behind a head is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// None, or this many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A head that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its body.
    pub body: Body,
    /// It asks to become a WebSocket: what follows is no HTTP once that is granted.
    pub websocket: bool,
}

/// A head that may not pass, with what of it can still be named in the answer and the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub fault: Fault,
    /// A valid request line and host of it, as a head without body that asks to close the connection.
    pub stand_in: Vec<u8>,
}

impl Refusal {
    /// The refusal of a head of which nothing may be named.
    #[must_use]
    pub fn unread(fault: Fault) -> Self {
        Self { fault, stand_in: Seen::default().stand_in() }
    }
}

/// The length of the head at the start of `bytes`, its empty line included; `None` when it is not complete.
///
/// Bare line feeds end lines here too, so that a head with them is seen whole and refused. `from` is where an
/// earlier, shorter look ended.
#[must_use]
pub(super) fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let from = from.saturating_sub(3);
    let tail = bytes.get(from..)?;
    // An empty line at the very start is no end: it stands before the request line.
    let line = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    memchr_iter(b'\n', tail)
        .map(|at| from + at)
        .find(|&at| {
            let before = bytes.get(..at).unwrap_or_default();
            at > line && before.strip_suffix(b"\r").unwrap_or(before).ends_with(b"\n")
        })
        .map(|at| at + 1)
}

/// Checks one complete head: `bytes` ends with its empty line.
///
/// # Errors
/// `Refusal` with the first thing that is wrong with it.
pub(super) fn check_head(bytes: &[u8], limits: &HeadLimits) -> Result<Head, Box<Refusal>> {
    let mut seen = Seen::default();
    match examine(bytes, limits, &mut seen) {
        Ok(head) => Ok(head),
        Err(fault) => Err(Box::new(Refusal { fault, stand_in: seen.stand_in() })),
    }
}

/// What was read of a head before it was refused.
#[derive(Default)]
struct Seen<'a> {
    line: Option<RequestLine<'a>>,
    host: Option<&'a [u8]>,
}

#[derive(Clone, Copy)]
struct RequestLine<'a> {
    method: &'a [u8],
    target: &'a [u8],
    http10: bool,
}

impl Seen<'_> {
    fn stand_in(&self) -> Vec<u8> {
        let plain =
            |line: &RequestLine<'_>| line.target.first() == Some(&b'/') && line.target.iter().all(u8::is_ascii_graphic);
        let (method, target, version) = match &self.line {
            // Only methods whose answers have an ordinary body may stand in.
            Some(line) if plain(line) && line.method != b"CONNECT" => {
                (line.method, line.target, if line.http10 { "HTTP/1.0" } else { "HTTP/1.1" })
            }
            _ => (b"GET".as_slice(), b"/".as_slice(), "HTTP/1.1"),
        };
        let host =
            self.host.filter(|host| host.len() <= 255 && host.iter().all(u8::is_ascii_graphic)).unwrap_or_default();
        [method, b" ", target, b" ", version.as_bytes(), b"\r\nhost: ", host, b"\r\nconnection: close\r\n\r\n"].concat()
    }
}

/// The fields that decide the framing.
#[derive(Default)]
struct Fields<'a> {
    count: usize,
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    upgrade_wanted: bool,
    /// Whether the first `Upgrade` names WebSocket.
    upgrade_websocket: Option<bool>,
}

fn examine<'a>(bytes: &'a [u8], limits: &HeadLimits, seen: &mut Seen<'a>) -> Result<Head, Fault> {
    // One empty line before the request line is ignored (RFC 9112 section 2.2).
    let bytes_after = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let (first, mut rest) = split_line(bytes_after)?;
    // No part of the line may have a bare carriage return, so only a bad line is searched for one.
    let line = request_line(first, limits.target)
        .map_err(|fault| if memchr(b'\r', first).is_some() { malformed(BARE_CR) } else { fault })?;
    seen.line = Some(line);
    if bytes.len() > limits.head {
        return Err(Fault::new(
            FaultKind::HeadTooLarge,
            format!("{} bytes of header, at most {}", bytes.len(), limits.head),
        ));
    }
    let mut fields = Fields::default();
    loop {
        let (text, after) = split_line(rest)?;
        if text.is_empty() {
            break;
        }
        rest = after;
        fields.count += 1;
        if fields.count > limits.headers {
            return Err(Fault::new(FaultKind::TooManyHeaders, format!("more than {} header fields", limits.headers)));
        }
        field(text, &mut fields, seen)?;
    }
    let body = body(&fields, line.http10)?;
    let websocket = fields.upgrade_wanted
        && fields.upgrade_websocket == Some(true)
        && !line.http10
        && body == Body::Length(0)
        && line.method == b"GET";
    Ok(Head { body, websocket })
}

/// The first line without its CRLF, and what follows it.
fn split_line(bytes: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let end = memchr(b'\n', bytes).ok_or_else(|| malformed("the header does not end"))?;
    let (line, rest) = bytes.split_at(end + 1);
    let line = line.strip_suffix(b"\r\n").ok_or_else(|| malformed("a line ends with a bare line feed"))?;
    Ok((line, rest))
}

/// What stands before the first space, between it and the last, and behind that.
fn split_ends(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (first, last) = (line.iter().position(is_space)?, line.iter().rposition(is_space)?);
    Some((line.get(..first)?, line.get(first + 1..last)?, line.get(last + 1..)?))
}

fn is_space(byte: &u8) -> bool {
    *byte == b' '
}

fn request_line(line: &[u8], target_max: usize) -> Result<RequestLine<'_>, Fault> {
    // The target is what stands between the first space and the last; it may have none.
    let (method, target, version) =
        split_ends(line).ok_or_else(|| malformed("the request line is not `method target version`"))?;
    if method.is_empty() || method.len() > METHOD_MAX || common(method) & TOKEN == 0 {
        return Err(malformed("the method is no token"));
    }
    if target.len() > target_max {
        return Err(Fault::new(
            FaultKind::TargetTooLong,
            format!("{} bytes of request target, at most {target_max}", target.len()),
        ));
    }
    let parts = common(target);
    if target.is_empty() || parts & TARGET == 0 {
        return Err(malformed("the request target is empty or has a space, a control character or `#`"));
    }
    // What is not plain is looked at more closely.
    let plain = parts & PLAIN_TARGET != 0 && target.first() == Some(&b'/');
    if !plain && http::Uri::try_from(target).is_err() {
        return Err(malformed("the request target is no URL"));
    }
    let http10 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            return Err(Fault::new(
                FaultKind::BadVersion,
                "only HTTP/1.1 and HTTP/1.0 are spoken here, and HTTP/2 by ALPN",
            ));
        }
        _ => return Err(malformed("the version is not HTTP/1.1")),
    };
    Ok(RequestLine { method, target, http10 })
}

fn field<'a>(line: &'a [u8], fields: &mut Fields<'a>, seen: &mut Seen<'a>) -> Result<(), Fault> {
    let (name, value) = line.split_at(line.iter().take_while(|byte| is_token(**byte)).count());
    let Some((b':', value)) = value.split_first() else { return Err(no_field(line)) };
    if name.is_empty() {
        return Err(malformed(NO_NAME));
    }
    if value.iter().fold(false, |bad, byte| bad | (*byte < b' ' && *byte != b'\t') | (*byte == 0x7f)) {
        let bare = memchr(b'\r', value).is_some();
        return Err(malformed(if bare { BARE_CR } else { "a control character in a header value" }));
    }
    let value = trim(value);
    match name.len() {
        4 if name.eq_ignore_ascii_case(b"host") => seen.host = Some(value),
        // The first one counts, as for whoever sends the request on.
        7 if name.eq_ignore_ascii_case(b"upgrade") => {
            fields.upgrade_websocket.get_or_insert(value.eq_ignore_ascii_case(b"websocket"));
        }
        10 if name.eq_ignore_ascii_case(b"connection") => {
            fields.upgrade_wanted |=
                value.split(|byte| *byte == b',').any(|token| trim(token).eq_ignore_ascii_case(b"upgrade"));
        }
        14 if name.eq_ignore_ascii_case(b"content-length") => {
            once(fields.length.replace(value), "Content-Length more than once")?;
        }
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
            once(fields.coding.replace(value), "Transfer-Encoding more than once")?;
        }
        13.. if resembles_framing(name) => {
            return Err(malformed("a header name that resembles Content-Length or Transfer-Encoding"));
        }
        _ => {}
    }
    Ok(())
}

/// What is wrong with a line that does not begin with a name and a colon: it may be folded, or have a space before the
/// colon, or control characters.
fn no_field(line: &[u8]) -> Fault {
    malformed(match memchr(b':', line) {
        _ if memchr(b'\r', line).is_some() => BARE_CR,
        Some(_) => NO_NAME,
        None => "a header line without a colon",
    })
}

/// Equal repetitions are refused too: the allowed merging is where readers begin to differ.
fn once(before: Option<&[u8]>, detail: &'static str) -> Result<(), Fault> {
    before.map_or(Ok(()), |_| Err(Fault::new(FaultKind::BadLength, detail)))
}

fn body(fields: &Fields<'_>, http10: bool) -> Result<Body, Fault> {
    match (fields.length, fields.coding) {
        (None, None) => Ok(Body::Length(0)),
        (Some(length), None) => content_length(length),
        (Some(_), Some(_)) => Err(Fault::new(FaultKind::BadLength, "Content-Length together with Transfer-Encoding")),
        (None, Some(_)) if http10 => Err(Fault::new(FaultKind::BadLength, "Transfer-Encoding in HTTP/1.0")),
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Body::Chunked),
        (None, Some(coding)) if coding.is_empty() || is_chunked_twice(coding) => {
            Err(Fault::new(FaultKind::BadLength, "Transfer-Encoding is not exactly one `chunked`"))
        }
        (None, Some(_)) => Err(Fault::new(FaultKind::BadTransferCoding, "the only transfer coding taken is `chunked`")),
    }
}

fn content_length(value: &[u8]) -> Result<Body, Fault> {
    let digits = std::str::from_utf8(value)
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse::<u64>().ok()) {
        Some(length) if length <= LENGTH_MAX => Ok(Body::Length(length)),
        _ => Err(Fault::new(FaultKind::BadLength, "Content-Length is no number below 2^63")),
    }
}

fn is_chunked_twice(coding: &[u8]) -> bool {
    coding.split(|byte| *byte == b',').filter(|token| trim(token).eq_ignore_ascii_case(b"chunked")).count() > 1
}

/// Whether a name equals a framing field once everything but letters is removed: `Content_Length`,
/// `Transfer---Encoding`. Some servers behind proxies fold such names.
#[must_use]
pub fn resembles_framing(name: &[u8]) -> bool {
    let same = |wanted: &[u8]| {
        let letters = name.iter().filter(|byte| byte.is_ascii_alphabetic()).map(u8::to_ascii_lowercase);
        letters.eq(wanted.iter().copied())
    };
    same(b"contentlength") || same(b"transferencoding")
}

fn trim(value: &[u8]) -> &[u8] {
    let value = value
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t'))
        .and_then(|from| value.get(from..))
        .unwrap_or_default();
    let end = value.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
    value.get(..end).unwrap_or_default()
}

fn malformed(detail: &'static str) -> Fault {
    Fault::new(FaultKind::Malformed, detail)
}

#[cfg(test)]
mod tests;
