//! What a conditional or partial GET gets: the rules of Werkzeug's `make_conditional`, without I/O.

use super::date::{http_date, parse_http_date};
use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};
use std::time::SystemTime;

/// What identifies one version of a file.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// The entity tag with its quotes.
    pub(super) etag: String,
    /// When it was last written.
    pub(super) modified: SystemTime,
    /// Its length in bytes.
    pub(super) length: u64,
}

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// 200 with everything.
    Whole,
    /// 206 with these bytes.
    Part {
        /// The first byte.
        start: u64,
        /// How many; at least one.
        length: u64,
    },
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    Unsatisfiable,
}

/// Decides for a GET or HEAD of `version`.
///
/// Source: RFC 9110 sections 13.2.2 and 14.2. Several ranges at once are refused, as Werkzeug does.
pub(super) fn plan(headers: &HeaderMap, version: &Version) -> Plan {
    if text(headers, &IF_MATCH).is_some_and(|tags| !names(tags, &version.etag)) {
        return Plan::PreconditionFailed;
    }
    let unchanged = match text(headers, &IF_NONE_MATCH) {
        Some(tags) => names(tags, &version.etag),
        None => text(headers, &IF_MODIFIED_SINCE).is_some_and(|since| {
            since == http_date(version.modified)
                || parse_http_date(since).is_some_and(|since| since >= version.modified)
        }),
    };
    if unchanged {
        return Plan::NotModified;
    }
    match text(headers, &RANGE) {
        Some(range) if version.length > 0 && range_applies(headers, version) => part(range, version.length),
        _ => Plan::Whole,
    }
}

fn range_applies(headers: &HeaderMap, version: &Version) -> bool {
    text(headers, &IF_RANGE).is_none_or(|tag| tag == version.etag || tag == http_date(version.modified))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether the list `tags` has `etag`, weak or not.
fn names(tags: &str, etag: &str) -> bool {
    tags.trim() == "*"
        || tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag.trim_start_matches("W/"))
}

/// The one range that `range` asks for; what is no byte range is ignored.
fn part(range: &str, total: u64) -> Plan {
    let Some(spec) = range.trim().strip_prefix("bytes=") else { return Plan::Whole };
    if spec.contains(',') {
        return Plan::Unsatisfiable;
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return Plan::Whole };
    let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first > last => return Plan::Whole,
        (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(total)),
        (Ok(first), Err(_)) if last.is_empty() => (first, total),
        (Err(_), Ok(suffix)) if first.is_empty() => (total.saturating_sub(suffix), total),
        _ => return Plan::Whole,
    };
    if start < end { Plan::Part { start, length: end - start } } else { Plan::Unsatisfiable }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::time::Duration;

    fn planned(fields: &[(HeaderName, &'static str)], length: u64) -> Plan {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777) + Duration::from_millis(300);
        let headers =
            fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect::<HeaderMap>();
        plan(&headers, &Version { etag: "\"v1\"".into(), modified, length })
    }

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-0", Plan::Part { start: 0, length: 1 }),
            ("bytes=10-19", Plan::Part { start: 10, length: 10 }),
            ("bytes=90-200", Plan::Part { start: 90, length: 10 }),
            ("bytes=90-", Plan::Part { start: 90, length: 10 }),
            ("bytes=-10", Plan::Part { start: 90, length: 10 }),
            ("bytes=-1000", Plan::Part { start: 0, length: 100 }),
            ("bytes=100-", Plan::Unsatisfiable),
            ("bytes=-0", Plan::Unsatisfiable),
            ("bytes=0-1,5-6", Plan::Unsatisfiable),
            ("bytes=5-4", Plan::Whole),
            ("bytes=a-b", Plan::Whole),
            ("items=0-1", Plan::Whole),
            ("bytes", Plan::Whole),
        ] {
            assert_eq!(planned(&[(RANGE, range)], 100), expected, "{range}");
        }
        assert_eq!(planned(&[(RANGE, "bytes=0-")], 0), Plan::Whole);
    }

    #[test]
    fn validators() {
        for (name, value, expected) in [
            (IF_NONE_MATCH, "\"v1\"", Plan::NotModified),
            (IF_NONE_MATCH, "\"v0\", W/\"v1\"", Plan::NotModified),
            (IF_NONE_MATCH, "*", Plan::NotModified),
            (IF_NONE_MATCH, "\"v0\"", Plan::Whole),
            (IF_MATCH, "\"v1\"", Plan::Whole),
            (IF_MATCH, "\"v0\"", Plan::PreconditionFailed),
            (IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:37 GMT", Plan::NotModified),
            (IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:38 GMT", Plan::NotModified),
            (IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT", Plan::Whole),
            (IF_MODIFIED_SINCE, "yesterday", Plan::Whole),
        ] {
            assert_eq!(planned(&[(name.clone(), value)], 100), expected, "{name}: {value}");
        }
    }

    #[test]
    fn a_range_of_another_version_is_not_given() {
        let part = Plan::Part { start: 0, length: 1 };
        for (tag, expected) in [
            ("\"v1\"", part),
            ("Sun, 06 Nov 1994 08:49:37 GMT", part),
            ("\"v0\"", Plan::Whole),
            ("W/\"v1\"", Plan::Whole),
        ] {
            assert_eq!(planned(&[(RANGE, "bytes=0-0"), (IF_RANGE, tag)], 100), expected, "{tag}");
        }
    }
}
