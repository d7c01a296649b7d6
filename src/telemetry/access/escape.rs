//! Bytes, numbers and addresses into a line, so that no client can write a line of its own.
//!
//! Limits: `FIELD_BYTES_MAX` and `PATH_BYTES_MAX` of each value that a client chose; the rest is cut off.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

/// What is logged of a field; the rest is replaced by `CUT`.
pub(super) const FIELD_BYTES_MAX: usize = 1024;
/// What is logged of a path with its query.
pub(super) const PATH_BYTES_MAX: usize = 8 * 1024;
/// Ends a value that was cut.
pub(super) const CUT: &str = "...";

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The part of `bytes` that is logged, and whether there is more.
pub(super) fn clip(bytes: &[u8], max: usize) -> (&[u8], bool) {
    bytes.get(..max).map_or((bytes, false), |head| (head, bytes.len() > max))
}

/// `bytes` as the inside of a JSON string: valid text stands for itself, except quotes, backslashes and control
/// characters (also DEL and the C1 set, which terminals obey); other bytes become `\u00XX`.
///
/// Source: RFC 8259 section 7.
pub(super) fn json(out: &mut Vec<u8>, bytes: &[u8]) {
    // Nearly every value is plain, and a loop without an early end is one the compiler makes wide.
    if bytes.iter().fold(true, |plain, byte| plain & is_plain(*byte)) {
        return out.extend_from_slice(bytes);
    }
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                _ if char.is_control() => unicode(out, u32::from(char)),
                _ => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        chunk.invalid().iter().for_each(|byte| unicode(out, u32::from(*byte)));
    }
}

const fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte < 0x7f && byte != b'"' && byte != b'\\'
}

/// `\u00XX`; all control characters are below 256.
fn unicode(out: &mut Vec<u8>, code: u32) {
    out.extend_from_slice(b"\\u00");
    hex(out, u8::try_from(code).unwrap_or(b'?'));
}

/// `bytes` inside the quotes of the Common Log Format: printable ASCII stands for itself, except quotes and
/// backslashes; everything else becomes `\xNN`, as nginx does it.
pub(super) fn quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        if is_plain(*byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(b"\\x");
            hex(out, *byte);
        }
    }
}

fn hex(out: &mut Vec<u8>, byte: u8) {
    for nibble in [byte >> 4, byte & 0xf] {
        out.extend(HEX.get(usize::from(nibble)));
    }
}

/// `n` in decimal digits.
pub(super) fn number(out: &mut Vec<u8>, n: u64) {
    // u64::MAX has 20 digits.
    let mut text = [b'0'; 20];
    let mut start = text.len();
    let mut rest = n;
    for slot in text.iter_mut().rev() {
        *slot = b'0' + (rest % 10) as u8;
        start -= 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(text.get(start..).unwrap_or_default());
}

fn small(out: &mut Vec<u8>, n: u8) {
    if n >= 100 {
        out.push(b'0' + n / 100);
    }
    if n >= 10 {
        out.push(b'0' + n / 10 % 10);
    }
    out.push(b'0' + n % 10);
}

/// `n` below 1,000 in three digits.
pub(super) fn digits(out: &mut Vec<u8>, n: u32) {
    let digit = |n: u32| b'0' + (n % 10) as u8;
    out.extend_from_slice(&[digit(n / 100), digit(n / 10), digit(n)]);
}

/// `duration` in milliseconds, to the microsecond: `1.234`.
pub(super) fn millis(out: &mut Vec<u8>, duration: Duration) {
    let seconds_as_millis = duration.as_secs().saturating_mul(1_000);
    number(out, seconds_as_millis.saturating_add(u64::from(duration.subsec_millis())));
    out.push(b'.');
    digits(out, duration.subsec_micros() % 1_000);
}

/// `duration` in seconds, to the millisecond: `1.234`.
pub(super) fn seconds(out: &mut Vec<u8>, duration: Duration) {
    number(out, duration.as_secs());
    out.push(b'.');
    digits(out, duration.subsec_millis());
}

/// `ip` and `port`, IPv6 in brackets.
pub(super) fn socket(out: &mut Vec<u8>, address: IpAddr, port: u16) {
    if address.is_ipv6() {
        out.push(b'[');
    }
    ip(out, address);
    out.extend_from_slice(if address.is_ipv6() { b"]:" } else { b":" });
    number(out, u64::from(port));
}

/// `ip` as text.
pub(super) fn ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(v4) => {
            for (index, octet) in v4.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                small(out, octet);
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_escapes_what_could_end_a_string_or_move_a_cursor() {
        for (bytes, escaped) in [
            (b"plain /?&=".as_slice(), r"plain /?&="),
            (b"a\"b\\c", r#"a\"b\\c"#),
            (b"a\r\nb\t\0", r"a\u000d\u000ab\u0009\u0000"),
            (b"\x1b[31m\x7f", r"\u001b[31m\u007f"),
            ("é\u{9b}5".as_bytes(), r"é\u009b5"),
            (b"\xff\xc3(\xe2\x82", r"\u00ff\u00c3(\u00e2\u0082"),
        ] {
            assert_eq!(text(|out| json(out, bytes)), escaped);
        }
    }

    #[test]
    fn quotes_escape_everything_but_printable_ascii() {
        assert_eq!(text(|out| quoted(out, b"GET /\" \\ \n\xc3\xa9")), r"GET /\x22 \x5c \x0a\xc3\xa9");
    }

    #[test]
    fn numbers_are_exact() {
        for n in [0, 9, 10, 12_345, u64::MAX] {
            assert_eq!(text(|out| number(out, n)), n.to_string());
        }
        for (micros, written) in [(0, "0.000"), (1, "0.001"), (1234, "1.234"), (59_999_999, "59999.999")] {
            assert_eq!(text(|out| millis(out, Duration::from_micros(micros))), written);
        }
        assert_eq!(text(|out| millis(out, Duration::MAX)).split('.').next(), Some("18446744073709551615"));
    }

    #[test]
    fn addresses_are_written_as_the_standard_library_does() {
        for address in ["0.0.0.0", "255.1.20.3", "::1", "2001:db8::5"] {
            assert_eq!(text(|out| ip(out, address.parse().unwrap())), address);
        }
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(clip(b"abc", 3), (b"abc".as_slice(), false));
        assert_eq!(clip(b"abcd", 3), (b"abc".as_slice(), true));
    }
}
