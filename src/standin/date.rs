//! Dates as HTTP writes them.

use std::time::SystemTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

const FORM: StaticFormatDescription =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// `when` as in `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(when: SystemTime) -> String {
    // Only years beyond 9999 cannot be written.
    OffsetDateTime::from(when).format(FORM).unwrap_or_default()
}

/// The date in `text`, or `None` where it is none; the two obsolete forms are not read.
pub(super) fn parse_http_date(text: &str) -> Option<SystemTime> {
    PrimitiveDateTime::parse(text, FORM).ok().map(|date| date.assume_utc().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_go_out_and_come_back() {
        let when = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(http_date(when), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(when));
        assert_eq!(parse_http_date("06 Nov 1994"), None);
    }
}
