//! Trace context: which trace a request belongs to, as W3C Trace Context has it.
//!
//! Source: W3C Trace Context, section 3.2. Ids are kept as the hexadecimal digits that they are written in.

use http::HeaderMap;
use http::header::HeaderName;

/// The field with the trace, its parent and its flags.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What tracing systems add to it for themselves.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `00-<32 digits>-<16 digits>-<2 digits>`.
pub const TRACEPARENT_LEN: usize = 55;

/// The trace is recorded by whoever sent it.
const SAMPLED: u8 = 1;

/// The id of a trace.
pub type TraceId = [u8; 32];

/// The id of one operation in it.
pub type SpanId = [u8; 16];

/// Which trace a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The operation that the request is a part of.
    pub parent: SpanId,
    /// Whether it is recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// What `headers` say; `None` where they say nothing, or nothing valid.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value.as_bytes()),
            _ => None,
        }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (head, rest) = text.split_first_chunk::<TRACEPARENT_LEN>()?;
        let (version, fields) = head.split_first_chunk::<3>()?;
        let (trace, fields) = fields.split_first_chunk::<32>()?;
        let (parent, flags) = fields.strip_prefix(b"-")?.split_first_chunk::<16>()?;
        let flags = flags.strip_prefix(b"-")?;
        let known = version == b"00-" && rest.is_empty();
        // A later version may have more behind it, and begins alike.
        let later = version != b"00-" && version != b"ff-" && version.ends_with(b"-");
        let later = later && is_hex(version.get(..2)?) && (rest.is_empty() || rest.starts_with(b"-"));
        let ids = is_id(trace) && is_id(parent);
        ((known || later) && ids && is_hex(flags)).then(|| {
            let last = flags.last().copied().unwrap_or_default();
            Self { trace: *trace, parent: *parent, sampled: value(last) & SAMPLED != 0 }
        })
    }

    /// The field's value, in the version that everybody reads.
    #[must_use]
    pub fn write(&self) -> [u8; TRACEPARENT_LEN] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..35].copy_from_slice(&self.trace);
        text[36..52].copy_from_slice(&self.parent);
        text[54] = if self.sampled { b'1' } else { b'0' };
        text
    }
}

/// Whether these are the digits of an id: in lower case, and not all zero.
#[must_use]
pub fn is_id(digits: &[u8]) -> bool {
    is_hex(digits) && digits.iter().any(|digit| *digit != b'0')
}

fn is_hex(digits: &[u8]) -> bool {
    // All of them, without stopping at the first that is none: the compiler then looks at many at a time.
    digits.iter().fold(true, |hex, digit| hex & matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

const fn value(digit: u8) -> u8 {
    if digit >= b'a' { digit - b'a' + 10 } else { digit.wrapping_sub(b'0') }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(values: &[&str]) -> Option<TraceContext> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, HeaderValue::from_str(value).unwrap());
        }
        TraceContext::of(&headers)
    }

    #[test]
    fn only_what_is_valid_is_a_context() {
        for (value, sampled) in [
            (VALID, Some(true)),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", Some(false)),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0a", Some(false)),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", Some(true)),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(true)),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes", Some(true)),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", None),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
            ("0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", None),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", None),
            ("00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", None),
            ("", None),
        ] {
            assert_eq!(of(&[value]).map(|context| context.sampled), sampled, "{value}");
        }
        assert_eq!(of(&[VALID, VALID]), None, "two say nothing");
        assert_eq!(of(&[]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(trace in "[0-9a-f]{31}[1-9a-f]", parent in "[1-9a-f][0-9a-f]{15}", sampled: bool) {
            let trace = trace.into_bytes().try_into().unwrap();
            let context = TraceContext { trace, parent: parent.into_bytes().try_into().unwrap(), sampled };
            prop_assert_eq!(TraceContext::parse(&context.write()), Some(context));
        }

        #[test]
        fn anything_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            TraceContext::parse(&bytes);
        }
    }
}
