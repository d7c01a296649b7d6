//! Timeouts: every wait ends, with an answer where one can still be given.

use crate::support::*;
use std::time::{Duration, Instant};

/// A proxy with short waits, in front of `origin`.
fn hasty(origin: &Origin, timeouts: &str) -> Proxy {
    Run::to(origin).conf(&format!("timeouts {{ {timeouts} }}")).start()
}

#[test]
fn a_silent_peer_is_closed_before_its_handshake() {
    let origin = Origin::ok();
    let proxy = hasty(&origin, "handshake: \"300ms\"");
    Client::tcp(proxy.https()).end();
    let mut client = Client::tcp(proxy.https());
    // The start of a ClientHello that never ends.
    client.send([0x16, 3, 1, 1, 0, 1, 0, 0]);
    client.end();
    Client::https(&proxy).assert_open();
}

#[test]
fn a_slow_head_gets_408() {
    let origin = Origin::ok();
    let proxy = hasty(&origin, "head: \"300ms\"");
    for start in ["GET /slow HTTP/1.1\r\nHost: api.clearml.test\r\nX-", "G", "GET /slow HTTP/1.1\r\n"] {
        for (name, connect) in [("https", Client::https as fn(&Proxy) -> Client), ("http", Client::http)] {
            let mut client = connect(&proxy);
            client.send(start);
            assert!(client.poll(DEADLINE) && !client.ended(), "{name} was closed without a word behind {start:?}");
            let answer = client.answer();
            answer.assert_fault(408, "client; head_timeout");
            assert_eq!(answer.field("connection").to_ascii_lowercase(), "close");
            client.end();
        }
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_trickled_head_gets_408() {
    let origin = Origin::ok();
    let proxy = hasty(&origin, "head: \"500ms\"");
    let mut client = Client::https(&proxy);
    client.send("GET /trickle HTTP/1.1\r\nHost: api.clearml.test\r\nX-Slow: ");
    while !client.poll(Duration::from_millis(20)) && client.try_send("x").is_ok() {}
    client.answer().assert_fault(408, "client; head_timeout");
    client.end();
}

#[test]
fn a_slow_second_head_gets_408() {
    let origin = Origin::ok();
    let proxy = hasty(&origin, "head: \"300ms\"");
    let mut client = Client::https(&proxy);
    assert_eq!(client.get(API, "/first").status, 200);
    client.send("GET /second HTTP/1.1\r\n");
    client.answer().assert_fault(408, "client; head_timeout");
    client.end();
}

#[test]
fn a_peer_that_says_nothing_behind_its_handshake_is_closed() {
    let origin = Origin::ok();
    let proxy = hasty(&origin, "head: \"300ms\", keep_alive: \"300ms\"");
    for mut client in [Client::https(&proxy), Client::http(&proxy)] {
        let rest = client.rest();
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", rest.escape_ascii());
    }
}

#[test]
fn a_header_block_on_http2_that_does_not_end_is_cut() {
    let origin = Origin::ok();
    let proxy = hasty(&origin, "head: \"300ms\"");
    let mut frames = FrameClient::connect(&proxy);
    frames.send(&Frame::new(kind::HEADERS, 1, 1, &block(&FrameClient::request("GET", &[]))));
    frames.end();
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_preface_on_http2_that_does_not_come_is_not_waited_for() {
    let origin = Origin::ok();
    let proxy = hasty(&origin, "head: \"300ms\", keep_alive: \"300ms\"");
    let mut client = Client::tls(proxy.https(), API, Pki::shared().client(&["h2"])).unwrap();
    client.send("PRI * HT");
    let _settings = client.rest();
}

#[test]
fn idle_connections_are_closed() {
    let origin = Origin::ok();
    let proxy = hasty(&origin, "keep_alive: \"300ms\"");
    let mut client = Client::https(&proxy);
    assert_eq!(client.get(API, "/").status, 200);
    assert_eq!(client.end(), End::Closed, "with a closing alert, without a word");
    let mut frames = FrameClient::connect(&proxy);
    assert_eq!(frames.get(1), Outcome::Status(200));
    assert_eq!(frames.goaway(), Some(0));
    let mut client = Client::http(&proxy);
    assert_eq!(client.get(APP, "/").status, 308);
    client.end();
}

#[test]
fn pings_do_not_keep_an_idle_connection() {
    let origin = Origin::ok();
    let proxy = hasty(&origin, "keep_alive: \"400ms\"");
    let mut frames = FrameClient::connect(&proxy);
    assert_eq!(frames.get(1), Outcome::Status(200));
    let ping = Frame::new(kind::PING, 0, 0, b"keepkeep").encode();
    let start = Instant::now();
    while frames.client().try_send(&ping).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(10), "ten seconds of pings kept it open");
        // Takes the acknowledgement, then waits a little for the end.
        while !frames.client().ended() && frames.client().poll(Duration::from_millis(20)) {}
        if frames.client().ended() {
            break;
        }
    }
}

#[test]
fn a_request_in_flight_is_not_idle() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        // Longer than every wait for the client below; the wait under test is that of the proxy.
        std::thread::sleep(Duration::from_millis(900));
        visit.write(ok("late"))
    });
    let proxy = hasty(&origin, "keep_alive: \"200ms\", head: \"200ms\", slow_body: \"200ms\"");
    assert_eq!(Client::https(&proxy).get(API, "/").text(), "late");
    assert_eq!(Http2::connect(&proxy).send(empty("GET", API, "/")).text(), "late");
}

#[test]
fn a_trickled_body_gets_408_and_is_cut_at_the_target() {
    let origin = Origin::script(|visit| visit.request().map(drop));
    let proxy = Run::to(&origin).conf("timeouts { slow_body: \"600ms\" }\nlimits { min_upload_rate: 10000 }").start();
    let mut client = Client::https(&proxy);
    client.send(format!("POST /trickle HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 1000000\r\n\r\n"));
    while !client.poll(Duration::from_millis(20)) && client.try_send("x").is_ok() {}
    client.answer().assert_fault(408, "client; slow_body");
    origin.wait_ended(1);
    assert_eq!(origin.requests().len(), 0);
    assert_eq!(proxy.record_of("/trickle")["fault"], "slow_body");
}

#[test]
fn a_body_that_stops_gets_408() {
    let origin = Origin::script(|visit| visit.request().map(drop));
    let proxy = Run::to(&origin).conf("timeouts { slow_body: \"400ms\" }").start();
    let mut client = Client::https(&proxy);
    client.send(format!("POST /stops HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 10\r\n\r\nhalf"));
    client.answer().assert_fault(408, "client; slow_body");
    let http2 = FrameClient::connect(&proxy);
    let mut frames = http2;
    frames.send(&Frame::headers(1, &FrameClient::request("POST", &[]), false));
    frames.send(&Frame::data(1, b"half", false));
    let outcome = frames.outcome(1);
    assert!(matches!(outcome, Outcome::Status(408) | Outcome::Reset(_)), "{outcome:?}");
    origin.wait_ended(2);
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn a_target_that_does_not_read_is_not_a_slow_client() {
    let release = Gate::default();
    let gate = release.clone();
    let origin = Origin::script(move |visit| {
        let head = visit.head()?;
        gate.wait();
        visit.request_after(head)?;
        visit.write(ok("done"))
    });
    let proxy = Run::to(&origin).conf("timeouts { slow_body: \"300ms\" }").start();
    let mut client = Client::https(&proxy);
    let body = pattern(32 << 20);
    client.send(format!("POST / HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: {}\r\n\r\n", body.len()));
    let opener = std::thread::spawn(move || {
        // Several windows long: the client is held back all that time by us, not by itself.
        std::thread::sleep(Duration::from_millis(1_500));
        release.open();
    });
    assert_eq!(client.send(&body).answer().text(), "done");
    opener.join().unwrap();
}

#[test]
fn a_client_that_takes_nothing_of_its_answer_is_cut() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")?;
        let piece = vec![7; 1 << 16];
        loop {
            visit.write(&piece)?;
        }
    });
    let proxy = hasty(&origin, "stalled_answer: \"500ms\"");
    let mut client = Client::https(&proxy);
    client.send(get(FILES, "/stalled"));
    origin.wait_ended(1);
    assert_eq!(proxy.record_of("/stalled")["fault"], "stalled_client");
    let mut frames = FrameClient::connect(&proxy);
    frames.send(&Frame::headers(1, &FrameClient::request("GET", &[]), true));
    origin.wait_ended(2);
    assert_eq!(proxy.record_of("/h2")["fault"], "stalled_client");
}

#[test]
fn a_target_that_stops_in_its_answer_is_cut() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")?;
        visit.drain()
    });
    let proxy = hasty(&origin, "target_idle: \"300ms\"");
    let mut client = Client::https(&proxy);
    let answer = client.send(get(API, "/half")).any_answer("GET");
    assert_eq!((answer.status, answer.end, answer.text().as_str()), (200, End::Cut, "half"));
    assert_eq!(proxy.record_of("/half")["fault_side"], "target");
    origin.wait_ended(1);
}

#[test]
fn an_idle_tunnel_is_closed() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi")?;
        visit.drain()
    });
    let proxy = hasty(&origin, "tunnel_idle: \"400ms\"");
    let mut client = Client::https(&proxy);
    client.send(format!("GET /ws HTTP/1.1\r\nHost: {APP}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
    assert_eq!(client.any_answer("GET").status, 101);
    assert_eq!(client.bytes(2), b"hi");
    client.end();
    origin.wait_ended(1);
}

#[test]
fn a_client_that_takes_nothing_of_the_last_piece_over_http2_is_cut() {
    // Read by the proxy in 4 KiB, 16 KiB and then all that is left, which the library takes for one byte of window.
    let origin = Origin::answering(ok(&"x".repeat(200_000)));
    let proxy = hasty(&origin, "stalled_answer: \"500ms\"");
    for window in [1_u32, 4_000, 21_000, 65_535] {
        // SETTINGS_INITIAL_WINDOW_SIZE
        let settings = [&[0, 4], window.to_be_bytes().as_slice()].concat();
        let mut frames = FrameClient::with_settings(&proxy, &settings);
        frames.send(&Frame::headers(1, &FrameClient::request("GET", &[]), true));
        frames.wait("the end of the stream", |frame| frame.kind == kind::RESET && frame.stream == 1);
        assert_eq!(proxy.record_of("/h2")["fault"], "stalled_client", "{window}");
    }
}
