//! The time of a line as text, kept for as long as the second lasts.

use super::escape::digits;
use crate::domain::settings::AccessFormat;
use std::fmt::Write;
use std::time::{Duration, SystemTime};
use time::{Month, OffsetDateTime};

/// The text of one second.
#[derive(Debug)]
pub(super) struct Stamp {
    format: AccessFormat,
    second: Option<u64>,
    text: String,
}

impl Stamp {
    pub(super) const fn new(format: AccessFormat) -> Self {
        Self { format, second: None, text: String::new() }
    }

    /// Writes `wall`, in UTC: `2026-11-23T12:34:56.789Z` for JSON, with microseconds for a load balancer's format,
    /// `12:34:56.789` for people, `23/Nov/2026:12:34:56 +0000` for the Common Log Format.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, wall: SystemTime) {
        // A clock before 1970 is logged as 1970.
        let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        if self.second != Some(since.as_secs()) {
            self.second = Some(since.as_secs());
            self.render(since.as_secs());
        }
        out.extend_from_slice(self.text.as_bytes());
        match self.format {
            AccessFormat::Json => {
                digits(out, since.subsec_millis());
                out.push(b'Z');
            }
            AccessFormat::Alb => {
                digits(out, since.subsec_millis());
                digits(out, since.subsec_micros() % 1_000);
                out.push(b'Z');
            }
            AccessFormat::Pretty => digits(out, since.subsec_millis()),
            AccessFormat::Common | AccessFormat::Combined => {}
        }
    }

    fn render(&mut self, second: u64) {
        let at = i64::try_from(second).ok().and_then(|second| OffsetDateTime::from_unix_timestamp(second).ok());
        let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = (at.year(), at.month(), at.day());
        let (hour, minute, second) = at.to_hms();
        self.text.clear();
        // Writing to a String cannot fail.
        let _ = match self.format {
            AccessFormat::Json | AccessFormat::Alb => {
                let month = u8::from(month);
                write!(self.text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.")
            }
            AccessFormat::Pretty => write!(self.text, "{hour:02}:{minute:02}:{second:02}."),
            AccessFormat::Common | AccessFormat::Combined => {
                let month = short(month);
                write!(self.text, "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
            }
        };
    }
}

const fn short(month: Month) -> &'static str {
    match month {
        Month::January => "Jan",
        Month::February => "Feb",
        Month::March => "Mar",
        Month::April => "Apr",
        Month::May => "May",
        Month::June => "Jun",
        Month::July => "Jul",
        Month::August => "Aug",
        Month::September => "Sep",
        Month::October => "Oct",
        Month::November => "Nov",
        Month::December => "Dec",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(stamp: &mut Stamp, millis: u64) -> String {
        let mut out = Vec::new();
        stamp.write(&mut out, SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_utc_with_milliseconds() {
        let mut stamp = Stamp::new(AccessFormat::Json);
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (7, "1970-01-01T00:00:00.007Z"),
            (1_709_210_096_089, "2024-02-29T12:34:56.089Z"),
            (1_709_210_096_999, "2024-02-29T12:34:56.999Z"),
            (1_709_210_095_500, "2024-02-29T12:34:55.500Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(written(&mut stamp, millis), text);
        }
    }

    #[test]
    fn writes_the_time_of_the_common_log_format() {
        let mut stamp = Stamp::new(AccessFormat::Common);
        assert_eq!(written(&mut stamp, 1_709_210_096_089), "29/Feb/2024:12:34:56 +0000");
    }

    #[test]
    fn writes_the_other_times() {
        for (format, text) in [
            (AccessFormat::Combined, "29/Feb/2024:12:34:56 +0000"),
            (AccessFormat::Alb, "2024-02-29T12:34:56.089000Z"),
            (AccessFormat::Pretty, "12:34:56.089"),
        ] {
            assert_eq!(written(&mut Stamp::new(format), 1_709_210_096_089), text);
        }
    }

    #[test]
    fn a_clock_before_1970_breaks_nothing() {
        let mut out = Vec::new();
        Stamp::new(AccessFormat::Json).write(&mut out, SystemTime::UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(out, b"1970-01-01T00:00:00.000Z");
    }
}
