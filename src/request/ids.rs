//! Request ids: unique, short to make, safe to log.

use bytes::Bytes;
use http::HeaderValue;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest id of a client's that is kept.
const KEPT_MAX: usize = 128;

/// Makes the ids of one worker: a random start and a count. Unique, not secret.
#[derive(Debug)]
pub(super) struct RequestIds {
    prefix: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        // The standard hasher is keyed from the operating system's randomness, anew for each state.
        Self { prefix: RandomState::new().hash_one(0_u8), next: AtomicU64::new(1) }
    }

    /// The client's own id where it is a plain one, else a new one.
    pub(super) fn take(&self, theirs: Option<&HeaderValue>) -> HeaderValue {
        theirs.filter(|id| plain(id.as_bytes())).cloned().unwrap_or_else(|| self.make())
    }

    fn make(&self) -> HeaderValue {
        let mut text = Vec::with_capacity(32);
        // Without the formatting machinery: this is done for every request.
        for number in [self.prefix, self.next.fetch_add(1, Ordering::Relaxed)] {
            text.extend(number.to_be_bytes().into_iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
        }
        // Hexadecimal digits are always a valid value.
        HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
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
