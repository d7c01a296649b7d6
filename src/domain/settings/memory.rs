//! What bounds the memory of a proxy, and its defaults.

use super::super::units::ByteSize;
use std::time::Duration;

/// Memory: what the process may have, and what idle connections give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What the process may have in memory before it takes no new requests (503). `None`: three quarters of what there
    /// is; 0: no limit.
    pub limit: Option<ByteSize>,
    /// An HTTP/1.1 connection that was quiet for this long gives its buffers back.
    pub park: Duration,
}

impl Memory {
    /// The limit in bytes, where `available` is what the machine or the control group has.
    #[must_use]
    pub fn limit_within(&self, available: Option<u64>) -> Option<u64> {
        match self.limit {
            Some(limit) if limit.get() == 0 => None,
            Some(limit) => Some(limit.get()),
            // The rest is for the kernel's socket buffers, which a control group counts too.
            None => available.map(|available| available / 4 * 3),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        // Longer than the pauses inside a script or a page; agents poll every 5 s.
        Self { limit: None, park: Duration::from_secs(5) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_what_was_set_or_three_quarters_or_none() {
        let limit = |limit| Memory { limit, ..Memory::default() };
        assert_eq!(limit(None).limit_within(Some(400)), Some(300));
        assert_eq!(limit(None).limit_within(None), None);
        assert_eq!(limit(Some(ByteSize::bytes(7))).limit_within(Some(4)), Some(7));
        assert_eq!(limit(Some(ByteSize::bytes(0))).limit_within(Some(400)), None);
    }
}
