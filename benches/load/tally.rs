//! What was done, and how long each answer took.

use rustls::HandshakeKind;
use serde_json::json;
use std::time::{Duration, Instant};

/// The counts of one lane, or of all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    waits_us: Vec<u32>,
    handshakes: u64,
    resumed: u64,
    suite: Option<String>,
    wall: Duration,
}

impl Tally {
    /// One answer, which was waited for since `begin`.
    pub(crate) fn answer(&mut self, begin: Instant) {
        self.waits_us.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
    }

    /// One TLS connection.
    pub(crate) fn handshake(&mut self, connection: &rustls::ClientConnection) {
        self.handshakes += 1;
        self.resumed += u64::from(connection.handshake_kind() == Some(HandshakeKind::Resumed));
        let suite = connection.negotiated_cipher_suite();
        self.suite = suite.map(|suite| format!("{:?}", suite.suite()));
    }

    /// The wall time of all of it.
    pub(crate) fn ended(&mut self, begin: Instant) {
        self.wall = begin.elapsed();
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.waits_us.extend(other.waits_us);
        self.handshakes += other.handshakes;
        self.resumed += other.resumed;
        self.suite = self.suite.take().or(other.suite);
    }

    pub(crate) fn into_json(mut self) -> String {
        self.waits_us.sort_unstable();
        let count = self.waits_us.len();
        let at = |percent: usize| self.waits_us.get((count * percent / 100).min(count.saturating_sub(1)));
        json!({
            "answers": count,
            "seconds": self.wall.as_secs_f64(),
            "p50_us": at(50),
            "p99_us": at(99),
            "max_us": at(100),
            "handshakes": self.handshakes,
            "resumed": self.resumed,
            "suite": self.suite,
        })
        .to_string()
    }
}
