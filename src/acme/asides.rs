//! Asides: what an authority says beside its answers, in their fields: how long to wait, and what its clock says.

use crate::runtime::wall;
use http::header::{AGE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// A clock that is off by less troubles nobody.
const GAP_MIN: Duration = Duration::from_secs(60);

/// What was said last; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Asides(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    patience: Option<SystemTime>,
    gap: Option<ClockGap>,
}

/// How far this machine's clock is from the authority's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClockGap {
    Ahead(Duration),
    Behind(Duration),
}

impl Asides {
    /// Until when it asked for patience; forgotten once it is taken.
    pub(super) fn take_patience(&self) -> Option<SystemTime> {
        self.lock().patience.take()
    }

    /// How far the clocks are apart, where it matters; forgotten once it is taken.
    pub(super) fn take_gap(&self) -> Option<ClockGap> {
        self.lock().gap.take()
    }

    /// Takes in the fields of a refusal.
    pub(super) fn note_refusal(&self, headers: &HeaderMap) {
        let until = headers.get(RETRY_AFTER).and_then(|value| until(value, wall()));
        self.lock().patience = until;
    }

    /// Takes in the fields of an answer to a request that was begun at `begun`.
    pub(super) fn note_clock(&self, headers: &HeaderMap, begun: SystemTime) {
        // What comes out of a cache has the date of long ago.
        let date = headers.get(DATE).filter(|_| !headers.contains_key(AGE));
        let Some(date) = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?.trim()).ok()) else {
            return;
        };
        self.lock().gap = ClockGap::between(date, begun, wall());
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClockGap {
    /// `date` was written between `begun` and `ended`, as our clock has them.
    fn between(date: SystemTime, begun: SystemTime, ended: SystemTime) -> Option<Self> {
        let behind = date.duration_since(ended).ok().map(Self::Behind);
        let ahead = begun.duration_since(date).ok().map(Self::Ahead);
        behind.or(ahead).filter(|(Self::Behind(by) | Self::Ahead(by))| *by > GAP_MIN)
    }
}

impl fmt::Display for ClockGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Ahead(by) | Self::Behind(by)) = self;
        let (count, unit) = match by.as_secs() {
            seconds @ 0..7_200 => (seconds / 60, "min"),
            seconds @ 7_200..172_800 => (seconds / 3_600, "h"),
            seconds => (seconds / 86_400, "days"),
        };
        let side = if matches!(self, Self::Ahead(_)) { "ahead of" } else { "behind" };
        write!(f, "this machine's clock is {count} {unit} {side} the authority's")
    }
}

/// `Retry-After` in either of its forms. Source: RFC 9110 section 10.2.3.
fn until(value: &HeaderValue, now: SystemTime) -> Option<SystemTime> {
    let text = value.to_str().ok()?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => Some(now + Duration::from_secs(seconds.into())),
        Err(_) => httpdate::parse_http_date(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 + seconds)
    }

    #[test]
    fn patience_comes_in_seconds_or_as_a_date() {
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("-5", None),
            ("soon", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(until(&HeaderValue::from_static(text), at(0)), seconds.map(at), "{text}");
        }
    }

    #[test]
    fn clocks_are_apart_by_what_no_wait_explains() {
        for (date, begun, ended, expected) in [
            (1_000, 1_000, 1_000, None),
            (1_000, 990, 1_030, None),
            (1_000, 900, 1_200, None),
            (1_060, 1_000, 1_000, None),
            (1_061, 1_000, 1_000, Some("this machine's clock is 1 min behind the authority's")),
            (1_000, 1_061, 1_070, Some("this machine's clock is 1 min ahead of the authority's")),
            (1_000, 8_200, 8_200, Some("this machine's clock is 2 h ahead of the authority's")),
            (400_000, 1_000, 1_000, Some("this machine's clock is 4 days behind the authority's")),
        ] {
            let told = ClockGap::between(at(date), at(begun), at(ended)).map(|gap| gap.to_string());
            assert_eq!(told.as_deref(), expected, "{date} in {begun}..{ended}");
        }
    }

    #[test]
    fn only_a_date_of_now_says_anything() {
        let old = HeaderValue::from_static("Sun, 06 Nov 1994 08:50:37 GMT");
        for (fields, found) in [
            (vec![(DATE, old.clone())], true),
            (vec![(DATE, old), (AGE, HeaderValue::from_static("5"))], false),
            (vec![(DATE, HeaderValue::from_static("today"))], false),
            (vec![], false),
        ] {
            let asides = Asides::default();
            asides.note_clock(&fields.iter().cloned().collect(), wall());
            assert_eq!(asides.take_gap().is_some(), found, "{fields:?}");
            assert_eq!(asides.take_gap(), None, "once");
        }
    }
}
