//! Answer: what a client got, and how it ended.

use super::message::{Fields, Head};
use serde_json::Value;

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By its own framing: the length, the last chunk, the end of the stream.
    Whole,
    /// With the connection, closed in order (TLS: with its closing alert).
    Closed,
    /// With the connection, before the framing said so.
    Cut,
}

/// An answer with its body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its header fields.
    pub(crate) fields: Fields,
    /// Its body without chunk framing.
    pub(crate) body: Vec<u8>,
    /// What followed the last chunk.
    pub(crate) trailers: Fields,
    /// The informational answers before it.
    pub(crate) interim: Vec<Head>,
    /// How it ended.
    pub(crate) end: End,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// The only value of a header field.
    pub(crate) fn field(&self, name: &str) -> String {
        self.fields.one(name)
    }

    /// Whether there is such a header field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.has(name)
    }

    /// Checks that this is an answer of our own: its status, and what all of them carry.
    pub(crate) fn assert_fault(&self, status: u16, fault: &str) {
        let got = (self.status, self.fields.all("x-fault").join(","));
        assert_eq!(got, (status, fault.to_owned()), "{}\n{}", self.fields, self.text());
        for name in ["date", "content-length", "x-request-id", "x-content-type-options"] {
            assert!(self.fields.all(name).len() == 1, "{name} in {status}:\n{}", self.fields);
        }
    }
}
