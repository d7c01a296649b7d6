//! This machine and the clocks of others.

use super::super::evidence::{Evidence, Question};
use super::url_of;
use std::time::{Duration, SystemTime};

/// Descriptors besides those of connections.
const SPARE: u64 = 256;

/// How many files a process that is started here may open, and how many a proxy with so many connections may need.
pub(super) fn open_files(connections: Option<u64>) -> Option<(u64, u64)> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    Some((soft_limit(&limits)?, connections? * 2 + SPARE))
}

fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    let soft = line.split_whitespace().nth(3)?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

/// What each `Date` differs from our own clock; the network's delay is in it.
pub(super) fn skews(evidence: &Evidence) -> Vec<(String, i64)> {
    let outside = [Question::Page, Question::Ping, Question::FilesRoot].into_iter().filter_map(|question| {
        let heard = evidence.heard(question)?;
        Some((url_of(&evidence.urls, question).to_string(), heard))
    });
    let targets =
        evidence.targets.iter().filter_map(|target| Some((target.addr.clone(), target.answer.as_ref().ok()?)));
    outside
        .chain(targets)
        .filter_map(|(who, heard)| {
            let date = httpdate::parse_http_date(heard.field("date")?).ok()?;
            Some((who, seconds_ahead(date, heard.at?)))
        })
        .collect()
}

fn seconds_ahead(date: SystemTime, now: SystemTime) -> i64 {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    date.duration_since(now).map_or_else(|error| -seconds(error.duration()), seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(soft_limit(text), Some(1_024));
        assert_eq!(soft_limit(&text.replace("1024  ", "unlimited")), Some(u64::MAX));
        assert_eq!(soft_limit(""), None);
    }

    #[test]
    fn a_clock_may_be_ahead_or_behind() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        for (date, ahead) in [(1_000, 0), (1_300, 300), (400, -600)] {
            assert_eq!(seconds_ahead(SystemTime::UNIX_EPOCH + Duration::from_secs(date), now), ahead);
        }
    }
}
