//! Defects that were found once, each with the test that showed it.

use crate::support::*;
use std::time::{Duration, Instant};

#[test]
fn empty_lines_without_end_cost_little() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let begun = Instant::now();
    for _ in 0..20 {
        let mut client = Client::https(&proxy);
        let _closed = client.try_send("\n".repeat(16_000));
        drop(client);
    }
    Client::https(&proxy).assert_open();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_refused_head_request_on_http2_has_no_body() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut frames = FrameClient::connect(&proxy);
    let fields = [(":method", "HEAD"), (":scheme", "https"), (":authority", COVERED), (":path", "/")];
    frames.send(&Frame::headers(1, &fields, true));
    assert_eq!(frames.outcome(1), Outcome::Status(404));
    frames.send(&Frame::new(kind::PING, 0, 0, b"afterall"));
    frames.wait("the pong", |frame| {
        assert!(frame.kind != kind::DATA || frame.payload.is_empty(), "a body in an answer to HEAD");
        frame.kind == kind::PING
    });
}
