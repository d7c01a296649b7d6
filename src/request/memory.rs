//! Whether the process has room for one more request: what it has in memory, against its limit.
//!
//! Every request has bounded buffers, but how many may run at once is a guess at what each will need. So the real size
//! is looked at: once a second, and behind every few hundred requests of a worker, because a burst does not wait.
//! What runs is never cut; only new requests are refused, with an answer that clients try again. A few are always
//! taken: memory that was given back to the allocator counts as the process's for some seconds, and they find room in it.
//! Limits: `limits.memory`.

use crate::domain::settings::Memory;
use crate::runtime::{memory_available, memory_resident, now};
use crate::telemetry::Pace;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Requests of a worker between two looks. One look costs some ten microseconds.
const EVERY: u32 = 256;

/// Requests that each worker may run at any size of the process: at most some megabytes.
const ALWAYS: usize = 16;

/// All workers come to the same verdict; one of them says it.
static PACE: Pace = Pace::every_second();

/// One worker's view of the process's memory.
#[derive(Debug)]
pub(super) struct MemoryWatch {
    available: Option<u64>,
    over: AtomicBool,
    until_next: AtomicU32,
}

impl MemoryWatch {
    pub(super) fn new() -> Self {
        Self { available: memory_available(), over: AtomicBool::new(false), until_next: AtomicU32::new(EVERY) }
    }

    /// Looks now.
    pub(super) fn look(&self, settings: &Memory) {
        if let Some(limit) = settings.limit_within(self.available) {
            self.judge(memory_resident().unwrap_or_default(), limit);
        } else {
            self.over.store(false, Ordering::Relaxed);
        }
    }

    /// Whether a new request beside `running` others of this worker must be refused.
    pub(super) fn full(&self, settings: &Memory, running: usize) -> bool {
        // This worker's thread alone counts here.
        let left = self.until_next.load(Ordering::Relaxed);
        self.until_next.store(left.checked_sub(1).unwrap_or(EVERY), Ordering::Relaxed);
        if left == 0 {
            self.look(settings);
        }
        running >= ALWAYS && self.over.load(Ordering::Relaxed)
    }

    fn judge(&self, resident: u64, limit: u64) {
        let over = resident > limit;
        if self.over.swap(over, Ordering::Relaxed) != over
            && let Some(suppressed) = PACE.allow(now())
        {
            match over {
                true => tracing::warn!(resident, limit, suppressed, "limits.memory is reached; new requests get 503"),
                false => tracing::info!(resident, limit, suppressed, "memory is below limits.memory again"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::units::ByteSize;

    fn limited(bytes: u64) -> Memory {
        Memory { limit: Some(ByteSize::bytes(bytes)), ..Memory::default() }
    }

    #[test]
    fn a_process_over_its_limit_takes_few_requests_until_it_is_below() {
        let watch = MemoryWatch::new();
        for (limit, full) in [(1, true), (1 << 50, false), (1, true), (0, false)] {
            watch.look(&limited(limit));
            assert_eq!(watch.full(&limited(limit), ALWAYS), full, "{limit}");
            assert!(!watch.full(&limited(limit), ALWAYS - 1), "a few are always taken");
        }
    }

    #[test]
    fn a_burst_does_not_wait_for_the_next_second() {
        let watch = MemoryWatch::new();
        let admitted = (0..2 * EVERY).filter(|_| !watch.full(&limited(1), ALWAYS)).count();
        assert_eq!(admitted, EVERY as usize);
    }
}
