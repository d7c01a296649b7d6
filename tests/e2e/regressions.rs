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

#[test]
fn a_reset_met_while_writing_does_not_end_an_answer_cleanly() {
    // More than lies in the buffers between the target and a client that does not read.
    const ANSWER: usize = 64 << 20;
    let origin = Origin::script(|visit| {
        visit.head()?;
        visit.reset()?;
        visit.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        // Breaks off in the middle: by then nobody reads at the other end, but the request is still being written.
        visit.write_within(&pattern(ANSWER), Duration::from_millis(200))
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(format!("POST /reset HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 50000000\r\n\r\n"));
    let until = Instant::now() + Duration::from_millis(2_500);
    while Instant::now() < until && client.try_send("piece").is_ok() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let got = client.any_answer("POST");
    assert!(got.end == End::Cut && got.body.len() < ANSWER, "{} bytes of {ANSWER}: {:?}", got.body.len(), got.end);
}
