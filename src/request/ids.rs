//! Request ids: unique, short to make, safe to log. Ids of traces and their spans are made alike.

use crate::domain::trace::{SpanId, TraceId};
use bytes::Bytes;
use http::HeaderValue;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest id of a client's that is kept.
const KEPT_MAX: usize = 128;

/// Makes the ids of one worker: a random start and a count. Unique, not secret.
#[derive(Debug)]
pub(super) struct RequestIds {
    prefix: u64,
    /// As it is written.
    written: [u8; 16],
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        // The standard hasher is keyed from the operating system's randomness, anew for each state.
        let prefix = RandomState::new().hash_one(0_u8);
        Self { prefix, written: digits(prefix), next: AtomicU64::new(1) }
    }

    /// The client's own id where it is a plain one, else a new one.
    pub(super) fn take(&self, theirs: Option<&HeaderValue>) -> HeaderValue {
        theirs.filter(|id| plain(id.as_bytes())).cloned().unwrap_or_else(|| self.make())
    }

    fn make(&self) -> HeaderValue {
        let text = Bytes::copy_from_slice(&self.trace());
        // Hexadecimal digits are always a valid value.
        HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }

    /// The id of a new trace; it has the form of a request's.
    pub(super) fn trace(&self) -> TraceId {
        let mut trace = [b'0'; 32];
        trace[..16].copy_from_slice(&self.written);
        trace[16..].copy_from_slice(&digits(self.count()));
        trace
    }

    /// The id of one operation in a trace.
    pub(super) fn span(&self) -> SpanId {
        // Workers may meet in one trace, where a count alone would repeat.
        digits(scatter(self.prefix ^ self.count()).max(1))
    }

    /// Whether this is the one in `one_in`, on average.
    pub(super) fn chosen(&self, one_in: NonZeroUsize) -> bool {
        scatter(self.prefix.wrapping_add(self.count())).is_multiple_of(one_in.get() as u64)
    }

    fn count(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// Without the formatting machinery: this is done for every request.
fn digits(number: u64) -> [u8; 16] {
    let mut text = [b'0'; 16];
    for (pair, byte) in text.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair.iter_mut().zip([digit(byte >> 4), digit(byte & 15)]).for_each(|(place, digit)| *place = digit);
    }
    text
}

/// The last step of `SplitMix64`: neighbours become numbers that have nothing in common.
const fn scatter(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

const fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

fn plain(id: &[u8]) -> bool {
    (1..=KEPT_MAX).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_differ_and_one_in_so_many_is_chosen() {
        let ids = RequestIds::new();
        let spans = (0..1_000).map(|_| ids.span()).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(spans.len(), 1_000);
        assert!(spans.iter().all(|span| crate::domain::trace::is_id(span)));
        let one_in = |count| NonZeroUsize::new(count).unwrap();
        assert!((0..100).all(|_| ids.chosen(one_in(1))));
        let chosen = (0..10_000).filter(|_| ids.chosen(one_in(10))).count();
        assert!((700..1_300).contains(&chosen), "{chosen}");
    }

    #[test]
    fn ids_differ_and_plain_ones_are_kept() {
        let ids = RequestIds::new();
        assert_ne!(ids.take(None), ids.take(None));
        assert_ne!(ids.take(None), RequestIds::new().take(None));
        let theirs = HeaderValue::from_static("Root=1-67891233-abcdef");
        assert_eq!(ids.take(Some(&theirs)), theirs);
        for bad in ["", "a b", "a\"b", &"x".repeat(129)] {
            assert_ne!(ids.take(Some(&HeaderValue::from_str(bad).unwrap())), bad, "{bad:?}");
        }
    }
}
