//! A line for people: `2026-11-27T12:34:56.789Z 200 GET app.x/path 1.234ms out 2KiB from 192.0.2.7 to 127.0.0.1:8080`,
//! behind it a fault.

use super::AccessRecord;
use super::escape::{self, FIELD_BYTES_MAX, clip};
use super::stamp::Stamp;
use std::time::Duration;

/// Appends the line of `record` to `out`.
pub(super) fn write(out: &mut Vec<u8>, stamp: &mut Stamp, record: &AccessRecord, total: Duration) {
    stamp.write(out, record.wall);
    out.push(b' ');
    escape::number(out, u64::from(record.final_status().as_u16()));
    out.push(b' ');
    escape::quoted(out, clip(record.method.as_str().as_bytes(), FIELD_BYTES_MAX).0);
    out.push(b' ');
    record.host(|piece| escape::quoted(out, piece));
    record.path(|piece| escape::quoted(out, piece));
    out.push(b' ');
    escape::millis(out, total);
    out.extend_from_slice(b"ms ");
    size(out, b"in", record.bytes_in);
    size(out, b"out", record.bytes_out);
    out.extend_from_slice(b"from ");
    escape::ip(out, record.client);
    if let Some(address) = &record.address {
        out.extend_from_slice(b" to ");
        escape::quoted(out, address.as_bytes());
    }
    if let Some(fault) = record.final_fault() {
        out.extend_from_slice(b" fault ");
        out.extend_from_slice(fault.side().as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(fault.code().as_bytes());
    }
    out.push(b'\n');
}

/// Bytes with the unit that leaves one to four digits.
fn size(out: &mut Vec<u8>, what: &[u8], bytes: u64) {
    if bytes == 0 {
        return;
    }
    let (shift, unit) = match bytes {
        0..0x2800 => (0, "B "),
        0x2800..0xA0_0000 => (10, "KiB "),
        0xA0_0000..0x2_8000_0000 => (20, "MiB "),
        _ => (30, "GiB "),
    };
    out.extend_from_slice(what);
    out.push(b' ');
    escape::number(out, bytes >> shift);
    out.extend_from_slice(unit.as_bytes());
}
