//! What bounds the memory of a proxy, and its defaults.

use std::time::Duration;

/// Memory: what idle connections give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// An HTTP/1.1 connection that was quiet for this long gives its buffers back.
    pub park: Duration,
}

impl Default for Memory {
    fn default() -> Self {
        // Longer than the pauses inside a script or a page; agents poll every 5 s.
        Self { park: Duration::from_secs(5) }
    }
}
