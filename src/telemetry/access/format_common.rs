//! A line in the Common Log Format: `client - - [time] "method path protocol" status bytes`, and in the combined
//! one, which adds `"referrer" "user agent"`.

use super::super::redact::redacted;
use super::AccessRecord;
use super::escape::{self, FIELD_BYTES_MAX, PATH_BYTES_MAX, clip};
use super::stamp::Stamp;
use http::HeaderValue;

/// Appends the line of `record` to `out`.
pub(super) fn write(out: &mut Vec<u8>, stamp: &mut Stamp, record: &AccessRecord) {
    common(out, stamp, record);
    out.push(b'\n');
}

/// Appends the line of `record` with its referrer and user agent to `out`.
pub(super) fn write_combined(out: &mut Vec<u8>, stamp: &mut Stamp, record: &AccessRecord) {
    common(out, stamp, record);
    out.extend_from_slice(b" \"");
    // A referrer is a URL, whose query may hold secrets; one that is no text is not worth reading.
    match record.referer.as_ref().and_then(|referer| referer.to_str().ok()) {
        Some(url) => redacted(url.get(..url.floor_char_boundary(PATH_BYTES_MAX)).unwrap_or_default(), |piece| {
            escape::quoted(out, piece.as_bytes());
        }),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b"\" \"");
    let agent = record.user_agent.as_ref().map_or(b"-".as_slice(), HeaderValue::as_bytes);
    escape::quoted(out, clip(agent, FIELD_BYTES_MAX).0);
    out.extend_from_slice(b"\"\n");
}

fn common(out: &mut Vec<u8>, stamp: &mut Stamp, record: &AccessRecord) {
    escape::ip(out, record.client);
    out.extend_from_slice(b" - - [");
    stamp.write(out, record.wall);
    out.extend_from_slice(b"] \"");
    escape::quoted(out, clip(record.method.as_str().as_bytes(), FIELD_BYTES_MAX).0);
    out.push(b' ');
    record.path(|piece| escape::quoted(out, piece));
    out.push(b' ');
    out.extend_from_slice(record.protocol().as_bytes());
    out.extend_from_slice(b"\" ");
    escape::number(out, u64::from(record.final_status().as_u16()));
    out.push(b' ');
    // The format writes a hyphen for no body.
    if record.bytes_out == 0 { out.push(b'-') } else { escape::number(out, record.bytes_out) }
}
