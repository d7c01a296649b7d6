//! A download that breaks off and goes on where it stopped, from the same version of the same file.
//!
//! Owns: which answers can be continued, what is asked for the rest, which answer is the rest.
//! Leaves: which requests are downloads at all to `clearml`, when and how often to `request`.
//!
//! Source: RFC 9110 sections 13.1.5, 14.2 and 14.4.

use http::header::{self, HeaderMap};
use http::{HeaderValue, StatusCode};

/// What is left out of the request for the rest: it has its own range and its own condition.
const REPLACED: [&str; 6] =
    ["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];

/// What is left of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remainder {
    etag: HeaderValue,
    /// The place of the next byte in the file.
    next: u64,
    /// The place of the last one.
    last: u64,
    /// How long the file is.
    total: u64,
}

impl Remainder {
    /// All of the answer with this head, if it can be continued: a whole file or one range of it, of known length, with
    /// a strong validator. `length` is that of the body.
    #[must_use]
    pub fn of(status: StatusCode, headers: &HeaderMap, length: Option<u64>) -> Option<Self> {
        let etag = strong(headers)?.clone();
        let length = length.filter(|length| *length > 0)?;
        let (next, last, total) = match status {
            StatusCode::OK => (0, length - 1, length),
            StatusCode::PARTIAL_CONTENT => content_range(headers)?,
            _ => return None,
        };
        (last.checked_sub(next)? == length - 1).then_some(Self { etag, next, last, total })
    }

    /// So many more bytes of it came.
    pub fn came(&mut self, bytes: u64) {
        self.next = self.next.saturating_add(bytes);
    }

    /// Whether anything of it is missing.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.next <= self.last
    }

    /// The head that asks for it, made of the one that asked for the whole: only the range and the conditions differ.
    #[must_use]
    pub fn request(&self, asked: &[u8]) -> Vec<u8> {
        let mut head = Vec::with_capacity(asked.len() + 128);
        let mut lines = asked.split_inclusive(|byte| *byte == b'\n');
        head.extend_from_slice(lines.next().unwrap_or_default());
        for line in lines.take_while(|line| !matches!(line, [b'\r', b'\n'])) {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            if !REPLACED.iter().any(|replaced| replaced.as_bytes().eq_ignore_ascii_case(name)) {
                head.extend_from_slice(line);
            }
        }
        head.extend_from_slice(format!("range: bytes={}-{}\r\nif-range: ", self.next, self.last).as_bytes());
        head.extend_from_slice(self.etag.as_bytes());
        head.extend_from_slice(b"\r\n\r\n");
        head
    }

    /// Whether the answer with this head is exactly what is missing, of the same version. `length` is that of its body.
    #[must_use]
    pub fn is_given_by(&self, status: StatusCode, headers: &HeaderMap, length: Option<u64>) -> bool {
        status == StatusCode::PARTIAL_CONTENT
            && self.is_open()
            && length == Some(self.last - self.next + 1)
            && strong(headers) == Some(&self.etag)
            && content_range(headers) == Some((self.next, self.last, self.total))
    }
}

/// The only strong validator, if there is one.
fn strong(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut all = headers.get_all(header::ETAG).iter();
    let etag = all.next().filter(|etag| matches!(etag.as_bytes(), [b'"', .., b'"']))?;
    all.next().is_none().then_some(etag)
}

/// First and last place and length of a single range.
fn content_range(headers: &HeaderMap) -> Option<(u64, u64, u64)> {
    let mut all = headers.get_all(header::CONTENT_RANGE).iter();
    let (range, total) = all.next()?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (first, last, total) = (number(first)?, number(last)?, number(total)?);
    (all.next().is_none() && first <= last && last < total).then_some((first, last, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn files_and_single_ranges_with_a_strong_validator_can_be_continued() {
        let range = ("content-range", "bytes 5-14/100");
        for (status, fields, length, places) in [
            (200, &[("etag", "\"a\"")][..], Some(10), Some((0, 9, 10))),
            (206, &[("etag", "\"a\""), range], Some(10), Some((5, 14, 100))),
            (200, &[("etag", "W/\"a\"")], Some(10), None),
            (200, &[("etag", "a")], Some(10), None),
            (200, &[("etag", "\"a\""), ("etag", "\"b\"")], Some(10), None),
            (200, &[], Some(10), None),
            (200, &[("etag", "\"a\"")], None, None),
            (200, &[("etag", "\"a\"")], Some(0), None),
            (206, &[("etag", "\"a\"")], Some(10), None),
            (206, &[("etag", "\"a\""), range], Some(11), None),
            (206, &[("etag", "\"a\""), ("content-range", "bytes 5-14/*")], Some(10), None),
            (206, &[("etag", "\"a\""), ("content-range", "bytes 14-5/100")], Some(10), None),
            (206, &[("etag", "\"a\""), ("content-range", "bytes 5-14/14")], Some(10), None),
            (206, &[("etag", "\"a\""), ("content-range", "items 5-14/100")], Some(10), None),
            (206, &[("etag", "\"a\""), range, range], Some(10), None),
            (404, &[("etag", "\"a\"")], Some(10), None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let remainder = Remainder::of(status, &headers(fields), length);
            assert_eq!(remainder.map(|rest| (rest.next, rest.last, rest.total)), places, "{status} {fields:?}");
        }
    }

    #[test]
    fn the_rest_is_asked_for_as_the_whole_was() {
        let mut rest = Remainder::of(StatusCode::OK, &headers(&[("etag", "\"v1\"")]), Some(100)).unwrap();
        rest.came(40);
        let asked = b"GET /a%20b?x=1 HTTP/1.1\r\nhost: files.x\r\nauthorization: Bearer t\r\nRange: bytes=0-\r\n\
                      if-none-match: \"v0\"\r\naccept-encoding: identity\r\nx-range: kept\r\n\r\n";
        let expected = "GET /a%20b?x=1 HTTP/1.1\r\nhost: files.x\r\nauthorization: Bearer t\r\n\
                        accept-encoding: identity\r\nx-range: kept\r\nrange: bytes=40-99\r\nif-range: \"v1\"\r\n\r\n";
        assert_eq!(String::from_utf8(rest.request(asked)).unwrap(), expected);
        rest.came(60);
        assert!(!rest.is_open());
    }

    #[test]
    fn only_the_rest_of_the_same_version_is_taken() {
        let mut rest = Remainder::of(StatusCode::OK, &headers(&[("etag", "\"v1\"")]), Some(100)).unwrap();
        rest.came(40);
        for (status, etag, range, length, taken) in [
            (206, "\"v1\"", "bytes 40-99/100", Some(60), true),
            (206, "\"v1\"", "bytes 40-99/100", Some(59), false),
            (206, "\"v1\"", "bytes 40-99/100", Some(61), false),
            (206, "\"v1\"", "bytes 40-99/100", None, false),
            (206, "\"v2\"", "bytes 40-99/100", Some(60), false),
            (206, "W/\"v1\"", "bytes 40-99/100", Some(60), false),
            (206, "\"v1\"", "bytes 39-99/100", Some(60), false),
            (206, "\"v1\"", "bytes 40-98/100", Some(60), false),
            (206, "\"v1\"", "bytes 40-99/101", Some(60), false),
            (200, "\"v1\"", "bytes 40-99/100", Some(60), false),
            (416, "\"v1\"", "bytes */100", Some(60), false),
        ] {
            let given = headers(&[("etag", etag), ("content-range", range)]);
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(rest.is_given_by(status, &given, length), taken, "{status} {etag} {range} {length:?}");
        }
    }
}
