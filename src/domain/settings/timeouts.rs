//! Waits of a proxy, and their defaults.

use std::time::Duration;

/// Waits; none is a total time for a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Each step before the first request: the PROXY header, the first byte, leave to shake hands, the TLS handshake.
    pub handshake: Duration,
    /// From a head's first byte (or accept) to its last (408).
    pub head: Duration,
    /// A client connection without a request.
    pub keep_alive: Duration,
    /// One connection attempt to one address.
    pub connect: Duration,
    /// A request may wait this long for a target that accepts, before 503. Must stay below the SDK's 10 s.
    pub hold: Duration,
    /// From the last byte of the request to the first of the answer (504).
    pub first_byte: Duration,
    /// Silence of the target inside an answer.
    pub target_idle: Duration,
    /// The window over which `limits.min_upload_rate` is measured.
    pub slow_body: Duration,
    /// A client that takes no byte of its answer.
    pub stalled_answer: Duration,
    /// A tunnel without a byte in either direction.
    pub tunnel_idle: Duration,
    /// How long unread request bytes are taken and dropped after an early answer.
    pub linger: Duration,
    /// How long an idle connection is kept whose listener is gone: its next answer tells the client to leave.
    pub leave: Duration,
    /// How long running requests may take to finish after a stop signal.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            // ClearML's AWS page asks for 300 s; agents poll every 5 s and keep their connections.
            keep_alive: Duration::from_secs(300),
            connect: Duration::from_secs(3),
            hold: Duration::from_secs(5),
            // The SDK waits 300 s for an answer; the file server is silent while it copies a large upload.
            first_byte: Duration::from_secs(600),
            target_idle: Duration::from_secs(600),
            slow_body: Duration::from_secs(60),
            stalled_answer: Duration::from_secs(300),
            tunnel_idle: Duration::from_secs(3_600),
            linger: Duration::from_secs(600),
            // Agents poll every 5 s, and urllib3 notices a closed connection only when it is used.
            leave: Duration::from_secs(60),
            drain: Duration::from_secs(300),
        }
    }
}
