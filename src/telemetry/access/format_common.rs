//! A line in the Common Log Format: `client - - [time] "method path protocol" status bytes`.

use super::AccessRecord;
use super::escape::{self, FIELD_BYTES_MAX, clip};
use super::stamp::Stamp;

/// Appends the line of `record` to `out`.
pub(super) fn write(out: &mut Vec<u8>, stamp: &mut Stamp, record: &AccessRecord) {
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
    if record.bytes_out == 0 {
        out.push(b'-')
    } else {
        escape::number(out, record.bytes_out)
    }
    out.push(b'\n');
}
