//! Sizes and counts of a proxy, and their defaults.

use super::super::units::ByteSize;
use std::num::{NonZeroU64, NonZeroUsize};

/// Sizes and counts, each counted when it bites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client connections of the whole process, tunnels apart; further ones wait in the kernel's queue.
    pub connections: NonZeroUsize,
    /// A request head in bytes: request line and fields (431).
    pub head: ByteSize,
    /// Fields in one request head, cookie crumbs of HTTP/2 counted each (431).
    pub headers: NonZeroUsize,
    /// The request target in bytes (414).
    pub target: ByteSize,
    /// Concurrent HTTP/2 streams of one connection.
    pub streams: u32,
    /// Requests in flight of the whole process (503).
    pub requests: NonZeroUsize,
    /// Open tunnels of the whole process (503).
    pub tunnels: NonZeroUsize,
    /// A target's answer head in bytes (502).
    pub answer_head: ByteSize,
    /// Request bodies slower than this many bytes a second, over `timeouts.slow_body`, are cut off (408).
    pub min_upload_rate: NonZeroU64,
    /// Unread request bytes taken and dropped after an early answer, so that it reaches a client that still sends.
    pub linger: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: nonzero(16_384),
            head: ByteSize::kib(64),
            headers: nonzero(100),
            target: ByteSize::kib(16),
            streams: 256,
            requests: nonzero(16_384),
            tunnels: nonzero(1_024),
            answer_head: ByteSize::kib(64),
            // The SDK itself gives up below 50 kB/s; this only ends connections that trickle on purpose.
            min_upload_rate: NonZeroU64::new(1_024).unwrap_or(NonZeroU64::MIN),
            // Python's TLS cannot read an answer once its own writing failed, so a refused upload is taken to its end.
            linger: ByteSize::gib(32),
        }
    }
}

fn nonzero(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}
