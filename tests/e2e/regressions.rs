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

const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn framing_is_still_checked_behind_an_upgrade_that_is_none() {
    let origin = Origin::ok();
    let down = Port::closed();
    let proxy = Run::at([origin.addr(), down.addr(), origin.addr()]).conf("timeouts { hold: \"50ms\" }").start();
    let twice = WEBSOCKET.replace("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: websocket");
    let unread = WEBSOCKET.replace("Connection: Upgrade", "Connection: Upgrade, \u{e9}");
    for (open, host, fields) in [
        (Client::https as fn(&Proxy) -> Client, COVERED, WEBSOCKET),
        (Client::https, "api.elsewhere.test", WEBSOCKET),
        (Client::https, API, WEBSOCKET),
        (Client::https, APP, &twice),
        (Client::https, APP, &unread),
        (Client::http, APP, WEBSOCKET),
    ] {
        let mut client = open(&proxy);
        client.send(format!("GET /socket HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
        let _first = client.answer();
        let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        let _closed = client.try_send(format!("POST /smuggled HTTP/1.1\r\nHost: {APP}\r\n{both}"));
        let rest = String::from_utf8_lossy(&client.rest()).into_owned();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400"), "{host} {fields:?}: {rest}");
    }
    assert!(origin.requests().iter().all(|request| !request.head.line.contains("/smuggled")));
}

#[test]
fn a_targets_half_close_in_a_tunnel_loses_nothing_of_the_client() {
    let release = Gate::default();
    let gate = release.clone();
    let data = pattern(4 << 20);
    let length = data.len();
    let origin = Origin::script(move |visit| {
        visit.head()?;
        visit.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbye")?;
        visit.finish_sending()?;
        // Not read for a while, so that the client's bytes wait in the proxy.
        gate.wait();
        visit.bytes(length).map(drop)
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(format!("GET /socket HTTP/1.1\r\nHost: {APP}\r\n{WEBSOCKET}\r\n"));
    assert_eq!(client.any_answer("GET").status, 101);
    assert_eq!(client.bytes(3), b"bye");
    client.end();
    let opener = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        release.open();
    });
    client.send(&data);
    client.finish_sending();
    opener.join().unwrap();
    origin.wait_ended(1);
    let came = origin.bytes().remove(0);
    assert!(came.ends_with(&data), "{} bytes came of {length}", came.len());
}

#[test]
fn an_upload_goes_on_behind_an_early_answer() {
    let origin = Origin::script(|visit| {
        let head = visit.head()?;
        visit.write("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok")?;
        visit.request_after(head).map(drop)
    });
    let proxy = Run::to(&origin).conf("timeouts { keep_alive: \"300ms\", linger: \"60s\" }").start();
    let mut client = Client::https(&proxy);
    client.send(format!("POST /early HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 75000\r\n\r\n"));
    assert_eq!(client.answer().text(), "ok");
    for _ in 0..75 {
        std::thread::sleep(Duration::from_millis(100));
        client.send([b'x'; 1000]);
    }
    assert_eq!(origin.wait_requests(1)[0].body.len(), 75_000);
}

#[test]
fn a_slow_reader_gets_the_rest_of_its_answer_while_the_proxy_drains() {
    let origin = Origin::answering(ok(&"x".repeat(100_000)));
    let proxy = Proxy::to(&origin);
    let mut frames = FrameClient::connect(&proxy);
    assert_eq!(frames.get(1), Outcome::Status(200));
    let mut came = 0;
    while came < 65_535 {
        came += frames.wait("data", |frame| frame.kind == kind::DATA).payload.len();
    }
    proxy.terminate();
    proxy.event("stopping");
    std::thread::sleep(Duration::from_secs(7));
    for stream in [0, 1] {
        frames.send(&Frame::new(kind::WINDOW_UPDATE, 0, stream, &1_000_000_u32.to_be_bytes()));
    }
    while came < 100_000 {
        came += frames.wait("data", |frame| frame.kind == kind::DATA).payload.len();
    }
}

/// A target that answers `ok` a while after it was asked.
fn slow(wait: Duration) -> Origin {
    Origin::script(move |visit| {
        loop {
            visit.request()?;
            // The wait under test is the client's: what it did meanwhile must have reached the proxy.
            std::thread::sleep(wait);
            visit.write(ok("late"))?;
        }
    })
}

#[test]
fn half_a_head_and_the_end_behind_a_request_do_not_keep_the_connection() {
    let origin = slow(Duration::from_millis(400));
    let proxy = Run::to(&origin).conf("timeouts { head: \"300ms\", keep_alive: \"300ms\" }").start();
    let mut client = Client::https(&proxy);
    client.send(format!("{}GET /next HTTP/1.1\r\nHo", get(FILES, "/half-closed")));
    client.finish_sending();
    assert_eq!(client.answer().text(), "late");
    let _any = client.rest();
}

#[test]
fn without_a_hold_a_target_is_still_dialled() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("timeouts { hold: \"0s\" }").start();
    assert_eq!(Client::https(&proxy).get(API, "/").text(), "ok");
}

#[test]
fn a_connection_made_before_the_stop_still_gets_its_first_answer() {
    let origin = Origin::ok();
    let mut proxy = Proxy::to(&origin);
    let [mut client, mut used] = [Client::https(&proxy), Client::https(&proxy)];
    assert_eq!(used.get(API, "/").status, 200);
    proxy.terminate();
    proxy.event("stopping");
    // One that has had a request is closed at once; by then the new one has heard of the stop too.
    used.end();
    let answer = client.get(API, "/first");
    assert_eq!((answer.status, answer.field("connection").as_str()), (200, "close"));
    client.end();
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn a_pipelined_half_head_waits_for_the_answers_before_it() {
    let origin = slow(Duration::from_millis(700));
    let proxy = Run::to(&origin).conf("timeouts { head: \"300ms\" }").start();
    let mut client = Client::https(&proxy);
    client.send(format!("{}{}GET /third HTTP/1.1\r\nHo", get(API, "/first"), get(API, "/second")));
    assert_eq!(client.answer().text(), "late");
    assert_eq!(client.answer().text(), "late");
    client.answer().assert_fault(408, "client; head_timeout");
    client.end();
}

#[test]
fn both_ends_may_send_much_before_they_read() {
    let data = pattern(24 << 20);
    let expected = data.clone();
    let origin = Origin::script(move |visit| {
        let head = visit.head()?;
        visit.write("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n")?;
        visit.write(pattern(2_000_000))?;
        visit.request_after(head).map(drop)
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(format!("POST /both HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: {}\r\n\r\n", data.len()));
    client.send(&data);
    assert_eq!(client.answer().body.len(), 2_000_000);
    assert!(origin.wait_requests(1)[0].body == expected);
}

/// Reads the rest of an answer in pieces, slower than a target sends.
fn take_slowly(client: &mut Client, length: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < length {
        let piece = client.bytes((length - body.len()).min(64 << 10));
        if piece.is_empty() {
            break;
        }
        body.extend(piece);
        std::thread::sleep(Duration::from_millis(1));
    }
    body
}

#[test]
fn a_client_that_closed_its_sending_side_gets_the_whole_of_a_large_answer() {
    let body = pattern(4 << 20);
    let origin = Origin::answering(
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into(), body.clone()].concat(),
    );
    let proxy = Run::to(&origin).conf("listeners.legacy { files: [\"127.0.0.1:0\"] }").start();
    for round in 0..4 {
        for mut client in [Client::https(&proxy), Client::tcp(proxy.legacy("files"))] {
            client.send(get(FILES, "/large")).finish_sending();
            assert_eq!(client.head().status(), 200);
            let came = take_slowly(&mut client, body.len());
            assert!(came == body, "round {round}: {} bytes came of {}", came.len(), body.len());
            assert_eq!(client.end(), End::Closed);
        }
    }
}

#[test]
fn an_upload_over_http2_goes_on_behind_an_early_answer() {
    let origin = Origin::script(|visit| {
        let head = visit.head()?;
        visit.write("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok")?;
        visit.request_after(head).map(drop)
    });
    let proxy = Run::to(&origin).conf("timeouts { keep_alive: \"300ms\", linger: \"60s\" }").start();
    let mut frames = FrameClient::connect(&proxy);
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", FILES),
        (":path", "/early"),
        ("content-length", "75000"),
    ];
    frames.send(&Frame::headers(1, &fields, false));
    assert_eq!(frames.outcome(1), Outcome::Status(202));
    // Longer than a connection without requests is kept, and than one that was asked to end is left alone.
    for number in 1..=75 {
        std::thread::sleep(Duration::from_millis(100));
        frames.send(&Frame::data(1, &[b'x'; 1000], number == 75));
    }
    assert_eq!(origin.wait_requests(1)[0].body.len(), 75_000);
}

#[test]
fn uploads_that_wait_for_a_slot_leave_room_for_other_bodies_of_their_connection() {
    const WINDOW: usize = 1 << 20;
    let gate = Gate::default();
    let behind = gate.clone();
    let files = Origin::script(move |visit| {
        visit.request()?;
        behind.wait();
        visit.write(ok("stored"))
    });
    let api = Origin::ok();
    let proxy = Run::at([api.addr(), api.addr(), files.addr()])
        .conf("services { files { uploads: 1, queue_time: \"20s\" } }")
        .start();
    let mut holding = Client::https(&proxy);
    holding.send(post(FILES, "/holds", "x"));
    files.wait_requests(1);
    let mut frames = FrameClient::connect(&proxy);
    frames.wait("the connection's window", |frame| frame.kind == kind::WINDOW_UPDATE && frame.stream == 0);
    let ask = |host| [(":method", "POST"), (":scheme", "https"), (":authority", host), (":path", "/waits")];
    for stream in [1, 3, 5, 7, 9, 11] {
        frames.send(&Frame::headers(stream, &ask(FILES), false));
        for _ in 0..WINDOW / (16 << 10) {
            frames.send(&Frame::data(stream, &[0; 16 << 10], false));
        }
    }
    frames.send_all(&[Frame::headers(13, &ask(API), false), Frame::data(13, b"{}", true)]);
    assert_eq!(frames.outcome(13), Outcome::Status(200));
    gate.open();
    assert_eq!(holding.answer().text(), "stored");
}
