//! What the tests are written with: a proxy of our own, scripted targets, and clients that speak raw bytes.
//!
//! Every wait is for an event; `DEADLINE` only ends a test that has already failed.

mod answer;
mod client;
mod frames;
mod gate;
mod hpack;
mod http2;
mod lines;
mod load;
mod message;
mod origin;
mod pki;
mod proxy;
mod refusing;
mod tls_origin;

pub(crate) use answer::{Answer, End};
pub(crate) use client::Client;
pub(crate) use frames::{Frame, FrameClient, Outcome, kind};
pub(crate) use gate::Gate;
pub(crate) use hpack::block;
pub(crate) use http2::{Http2, body_of, empty};
pub(crate) use load::{Load, Uploaders};
pub(crate) use message::{Fields, Head, Received};
pub(crate) use origin::{Origin, Port, Visit};
pub(crate) use pki::{Leaf, Pki, provider};
pub(crate) use proxy::{Proxy, Run, Successor};
pub(crate) use refusing::Refusing;
pub(crate) use tls_origin::TlsOrigin;

use std::time::Duration;

/// How long a test waits for something that should happen at once. Reached only when the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The domain of most tests.
pub(crate) const DOMAIN: &str = "clearml.test";
/// The three names below it.
pub(crate) const APP: &str = "app.clearml.test";
pub(crate) const API: &str = "api.clearml.test";
pub(crate) const FILES: &str = "files.clearml.test";
/// A name that the certificate covers and no service has.
pub(crate) const COVERED: &str = "other.clearml.test";

/// The head of a `GET`.
pub(crate) fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// A `POST` with a body of known length.
pub(crate) fn post(host: &str, path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A plain answer that keeps the connection.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Bytes that are different at every place, so that a lost or doubled piece shows.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_u32;
    let next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}
