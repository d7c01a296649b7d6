//! Floods of HTTP/2 frames: each is cut off or held back, memory stays small, and others are still served.

use crate::support::*;
use std::time::Duration;

const ENHANCE_YOUR_CALM: u32 = 11;
/// More frames than any client has a use for.
const FLOOD: u32 = 60_000;

struct Flooded {
    origin: Origin,
    proxy: Proxy,
    before: u64,
}

impl Flooded {
    fn start() -> Self {
        let origin = Origin::ok();
        let proxy = Proxy::to(&origin);
        assert_eq!(Http2::connect(&proxy).send(empty("GET", API, "/")).status, 200);
        let before = proxy.resident_kib();
        Self { origin, proxy, before }
    }

    /// Writes until everything is sent, the proxy closes, or it takes nothing more for a while: how many were sent.
    fn flood(&self, frames: &mut FrameClient, mut next: impl FnMut(u32) -> Vec<u8>) -> u32 {
        frames.client().socket().set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        (0..FLOOD).take_while(|number| frames.try_send_bytes(&next(*number)).is_ok()).count().try_into().unwrap()
    }

    /// Others are served as if nothing was, and little memory is held.
    fn assert_unharmed(&self) {
        assert_eq!(Http2::connect(&self.proxy).send(empty("GET", API, "/others")).status, 200);
        let grown = self.proxy.resident_kib().saturating_sub(self.before);
        assert!(grown < 32 << 10, "memory grew by {grown} KiB");
    }
}

fn assert_calmed(frames: &mut FrameClient) {
    let code = frames.goaway();
    assert!(matches!(code, Some(ENHANCE_YOUR_CALM | 1) | None), "{code:?}");
}

#[test]
fn streams_opened_and_cancelled_at_once() {
    let flooded = Flooded::start();
    let mut frames = FrameClient::connect(&flooded.proxy);
    let fields = FrameClient::request("GET", &[]);
    let sent = flooded.flood(&mut frames, |number| {
        let stream = number * 2 + 1;
        [Frame::headers(stream, &fields, true).encode(), Frame::cancel(stream).encode()].concat()
    });
    assert!(sent < FLOOD, "the flood was taken to its end");
    assert_calmed(&mut frames);
    flooded.assert_unharmed();
    assert!(flooded.origin.connections() < 1_000, "{} requests piled up", flooded.origin.connections());
}

#[test]
fn streams_that_make_the_server_reset_them() {
    let flooded = Flooded::start();
    let mut frames = FrameClient::connect(&flooded.proxy);
    let fields = FrameClient::request("GET", &[]);
    let sent = flooded.flood(&mut frames, |number| {
        let stream = number * 2 + 1;
        let nothing = Frame::new(kind::WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes());
        [Frame::headers(stream, &fields, true).encode(), nothing.encode()].concat()
    });
    assert!(sent < FLOOD, "the flood was taken to its end");
    flooded.assert_unharmed();
    assert!(flooded.origin.connections() < 2_500, "{} requests piled up", flooded.origin.connections());
}

#[test]
fn malformed_streams_without_end() {
    let flooded = Flooded::start();
    let mut frames = FrameClient::connect(&flooded.proxy);
    let fields = FrameClient::request("GET", &[("connection", "close")]);
    let sent = flooded.flood(&mut frames, |number| Frame::headers(number * 2 + 1, &fields, true).encode());
    assert!(sent < FLOOD, "the flood was taken to its end");
    flooded.assert_unharmed();
    assert_eq!(flooded.origin.requests().len(), 2);
}

#[test]
fn a_header_block_that_never_ends() {
    let flooded = Flooded::start();
    let mut frames = FrameClient::connect(&flooded.proxy);
    frames.send(&Frame::new(kind::HEADERS, 0, 1, &block(&FrameClient::request("GET", &[]))));
    let piece = Frame::new(kind::CONTINUATION, 0, 1, &block(&[("x-more", "x")])).encode();
    let sent = flooded.flood(&mut frames, |_| piece.clone());
    assert!(sent < FLOOD, "the flood was taken to its end");
    flooded.assert_unharmed();
}

#[test]
fn an_empty_header_block_that_never_ends() {
    let flooded = Flooded::start();
    let mut frames = FrameClient::connect(&flooded.proxy);
    frames.send(&Frame::new(kind::HEADERS, 0, 1, &block(&FrameClient::request("GET", &[]))));
    let piece = Frame::new(kind::CONTINUATION, 0, 1, &[]).encode();
    let sent = flooded.flood(&mut frames, |_| piece.clone());
    assert!(sent < FLOOD, "the flood was taken to its end");
    flooded.assert_unharmed();
}

#[test]
fn a_small_block_that_unpacks_into_a_large_one() {
    let flooded = Flooded::start();
    let mut frames = FrameClient::connect(&flooded.proxy);
    let mut bomb = block(&FrameClient::request("GET", &[]));
    // A literal with incremental indexing, then its entry of the dynamic table (index 62) again and again.
    bomb.extend([0x40, 6]);
    bomb.extend(b"x-bomb");
    bomb.extend([0x7F, 0xB9, 0x1E]);
    bomb.extend(std::iter::repeat_n(b'x', 127 + 0x39 + (0x1E << 7)));
    bomb.extend(std::iter::repeat_n(0xBE, 10_000));
    frames.send(&Frame::new(kind::HEADERS, 5, 1, &bomb));
    let outcome = frames.outcome(1);
    assert!(!matches!(outcome, Outcome::Status(200)), "{outcome:?}");
    flooded.assert_unharmed();
    assert_eq!(flooded.origin.requests().len(), 2);
}

#[test]
fn frames_that_cost_the_sender_nothing() {
    let setting = [0, 4, 0, 0, 0xFF, 0xFF];
    for (name, frame) in [
        ("PING", Frame::new(kind::PING, 0, 0, &[0; 8])),
        ("SETTINGS", Frame::new(kind::SETTINGS, 0, 0, &setting)),
        ("empty SETTINGS", Frame::new(kind::SETTINGS, 0, 0, &[])),
        ("PRIORITY", Frame::new(kind::PRIORITY, 0, 1, &[0, 0, 0, 3, 16])),
        ("WINDOW_UPDATE", Frame::new(kind::WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
        ("an unknown type", Frame::new(0xEE, 0, 0, b"x")),
    ] {
        let flooded = Flooded::start();
        let mut frames = FrameClient::connect(&flooded.proxy);
        let bytes = frame.encode();
        let sent = flooded.flood(&mut frames, |_| bytes.clone());
        eprintln!("{name}: {sent} frames were taken");
        flooded.assert_unharmed();
    }
}

#[test]
fn empty_data_without_end() {
    let flooded = Flooded::start();
    let mut frames = FrameClient::connect(&flooded.proxy);
    frames.send(&Frame::headers(1, &FrameClient::request("POST", &[]), false));
    let empty = Frame::data(1, b"", false).encode();
    let sent = flooded.flood(&mut frames, |_| empty.clone());
    eprintln!("{sent} empty DATA frames were taken");
    flooded.assert_unharmed();
}

#[test]
fn answers_that_are_asked_for_and_never_read() {
    let held = Origin::script(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n")?;
        let piece = vec![7; 1 << 16];
        (0..1_024).try_for_each(|_| visit.write(&piece))
    });
    let api = Origin::ok();
    let proxy = Run::at([api.addr(), api.addr(), held.addr()]).start();
    assert_eq!(Http2::connect(&proxy).send(empty("GET", API, "/")).status, 200);
    let before = proxy.resident_kib();
    // A window of nothing: every answer waits in the proxy.
    let mut frames = FrameClient::with_settings(&proxy, &[0, 4, 0, 0, 0, 0]);
    let fields = [(":method", "GET"), (":scheme", "https"), (":authority", FILES), (":path", "/large")];
    for number in 0..100 {
        frames.send(&Frame::headers(number * 2 + 1, &fields, true));
    }
    held.wait_requests(100);
    assert_eq!(Http2::connect(&proxy).send(empty("GET", API, "/others")).status, 200);
    let grown = proxy.resident_kib().saturating_sub(before);
    assert!(grown < 64 << 10, "memory grew by {grown} KiB");
    frames.reset();
    held.wait_ended(100);
}
