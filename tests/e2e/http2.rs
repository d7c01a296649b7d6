//! HTTP/2: what may not be said there at all is a stream error, whatever it would become in HTTP/1.

use crate::support::*;

const PROTOCOL_ERROR: u32 = 1;

/// Sends a head on a connection of its own: the stream or the connection ends with `PROTOCOL_ERROR`, with no answer.
fn assert_refused(proxy: &Proxy, fields: &[(&str, &str)], shown: &str) {
    let mut frames = FrameClient::connect(proxy);
    frames.send(&Frame::headers(1, fields, true));
    let outcome = frames.outcome(1);
    let refused = matches!(outcome, Outcome::Reset(PROTOCOL_ERROR) | Outcome::GoAway(PROTOCOL_ERROR));
    assert!(refused, "{shown}: {outcome:?}");
}

#[test]
fn malformed_fields_are_stream_errors() {
    let refusing = Refusing::start();
    for field in [
        ("Upper", "x"),
        ("uPper", "x"),
        ("connection", "close"),
        ("connection", "x-a"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "websocket"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "gzip"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("x-a", "a\0b"),
        ("x-a", "a\rb"),
        ("x-a", "a\nb"),
        ("x-a", "a\r\nevil: 1"),
        ("x\0a", "b"),
        ("x\ra", "b"),
        ("x\r\nevil", "b"),
        ("x a", "b"),
        ("x:a", "b"),
        ("x(a)", "b"),
        ("x\x7fa", "b"),
        ("x\u{e4}", "b"),
        ("", "b"),
        (":status", "200"),
        (":unknown", "x"),
        (":method", "GET"),
        (":path", "/again"),
        (":scheme", "https"),
        (":authority", API),
    ] {
        assert_refused(
            &refusing.proxy,
            &FrameClient::request("GET", &[("x-before", "1"), field]),
            &format!("{field:?}"),
        );
    }
    refusing.nothing_passed();
}

#[test]
fn malformed_pseudo_headers_are_stream_errors() {
    let refusing = Refusing::start();
    let usual = [(":method", "GET"), (":scheme", "https"), (":authority", API), (":path", "/")];
    for left_out in [":method", ":scheme", ":path"] {
        let fields = usual.iter().filter(|(name, _)| *name != left_out).copied().collect::<Vec<_>>();
        assert_refused(&refusing.proxy, &fields, left_out);
    }
    for (name, value) in [
        (":path", ""),
        (":path", "relative"),
        (":path", "/a b"),
        (":path", "/a\tb"),
        (":path", "/a\0b"),
        (":path", "/a\r\nevil: 1"),
        (":path", "https://api.clearml.test/"),
        (":method", ""),
        (":method", "GE T"),
        (":method", "GET / HTTP/1.1"),
        (":method", "GET\r\nevil"),
        (":authority", "a\r\nevil: 1"),
        (":authority", "a\0b"),
    ] {
        let fields = usual.iter().map(|field| if field.0 == name { (name, value) } else { *field }).collect::<Vec<_>>();
        assert_refused(&refusing.proxy, &fields, &format!("{name}: {value:?}"));
    }
    for doubled in usual {
        let mut fields = usual.to_vec();
        fields.insert(1, doubled);
        assert_refused(&refusing.proxy, &fields, &format!("{doubled:?} twice"));
    }
    refusing.nothing_passed();
}

#[test]
fn what_http_2_allows_and_we_do_not_gets_an_answer_or_an_error() {
    let refusing = Refusing::start();
    for fields in [
        &[(":method", "GET"), (":scheme", "ftp"), (":authority", API), (":path", "/")][..],
        &[(":method", "GET"), (":scheme", "https"), (":authority", API), (":path", "*")],
        &[(":method", "GET"), (":scheme", ""), (":authority", API), (":path", "/")],
        &[
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", API),
            (":path", "/"),
            ("content-length", "0"),
            ("content-length", "0"),
        ],
        &[(":method", "POST"), (":scheme", "https"), (":authority", API), (":path", "/"), ("content-length", "+0")],
        &[(":method", "POST"), (":scheme", "https"), (":authority", API), (":path", "/"), ("content-length", "0, 0")],
        &[(":method", "POST"), (":scheme", "https"), (":authority", API), (":path", "/"), ("content_length", "0")],
        &[
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", API),
            (":path", "/"),
            ("transfer_encoding", "chunked"),
        ],
        &[(":method", "GET"), (":scheme", "https"), (":authority", API), (":path", "/"), ("x-a", "a\x01b")],
    ] {
        let mut frames = FrameClient::connect(&refusing.proxy);
        frames.send(&Frame::headers(1, fields, true));
        let outcome = frames.outcome(1);
        let refused = matches!(outcome, Outcome::Status(400) | Outcome::Reset(1) | Outcome::GoAway(1));
        assert!(refused, "{fields:?}: {outcome:?}");
    }
    refusing.nothing_passed();
}

#[test]
fn a_fragment_does_not_reach_the_target() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut frames = FrameClient::connect(&proxy);
    let fields = [(":method", "GET"), (":scheme", "https"), (":authority", API), (":path", "/a#b")];
    frames.send(&Frame::headers(1, &fields, true));
    match frames.outcome(1) {
        Outcome::Status(200) => assert_eq!(origin.request().asked(), "GET /a"),
        outcome => assert!(matches!(outcome, Outcome::Status(400) | Outcome::Reset(1)), "{outcome:?}"),
    }
}

#[test]
fn white_space_around_a_value_does_not_reach_the_target() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    for value in [" x", "x ", "\tx\t"] {
        let mut frames = FrameClient::connect(&proxy);
        frames.send(&Frame::headers(1, &FrameClient::request("GET", &[("x-a", value)]), true));
        match frames.outcome(1) {
            Outcome::Status(200) => {
                let all = origin.bytes().concat();
                assert!(!all.windows(9).any(|window| window.ends_with(b" \r\n") || window.ends_with(b"\t\r\n")));
            }
            outcome => assert!(matches!(outcome, Outcome::Reset(1) | Outcome::Status(400)), "{value:?}: {outcome:?}"),
        }
    }
}

#[test]
fn a_length_that_does_not_fit_the_data_is_a_stream_error_and_never_completed() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::to(&origin);
    for (length, data) in [("5", &b"hell"[..]), ("5", b"hello!"), ("0", b"x"), ("1", b""), ("5", b"")] {
        let mut frames = FrameClient::connect(&proxy);
        // In one write: with a length of 0 the head alone is a whole request, and its answer may come before the data.
        let head = Frame::headers(1, &FrameClient::request("POST", &[("content-length", length)]), false);
        frames.send_all(&[head, Frame::data(1, data, true)]);
        let outcome = frames.outcome(1);
        let refused = matches!(outcome, Outcome::Reset(PROTOCOL_ERROR) | Outcome::GoAway(PROTOCOL_ERROR));
        assert!(refused, "length {length}, data {data:?}: {outcome:?}");
    }
    assert_refused(&proxy, &FrameClient::request("POST", &[("content-length", "5")]), "a length and no data at all");
    assert_eq!(Http2::connect(&proxy).send(empty("GET", API, "/behind-all")).status, 200);
    let asked = origin.requests().iter().map(|request| request.asked().to_owned()).collect::<Vec<_>>();
    assert_eq!(asked, ["GET /behind-all"]);
}

#[test]
fn a_body_that_is_said_to_be_empty_is_one_once_it_ends() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    for (host, count) in [(API, 1), (FILES, 2)] {
        let mut frames = FrameClient::connect(&proxy);
        let fields = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", host),
            (":path", "/h2"),
            ("content-length", "0"),
        ];
        frames.send(&Frame::headers(1, &fields, false));
        frames.send(&Frame::data(1, b"", false));
        frames.send(&Frame::data(1, b"", true));
        let outcome = frames.outcome(1);
        assert!(matches!(outcome, Outcome::Status(200)), "{host}: {outcome:?}");
        let requests = origin.requests();
        assert_eq!(requests.len(), count);
        assert!(requests.iter().all(|request| request.asked() == "POST /h2" && request.body.is_empty()));
    }
}

#[test]
fn pseudo_headers_in_trailers_are_a_stream_error() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::to(&origin);
    let mut frames = FrameClient::connect(&proxy);
    frames.send(&Frame::headers(1, &FrameClient::request("POST", &[]), false));
    frames.send(&Frame::data(1, b"hello", false));
    frames.send(&Frame::headers(1, &[("x-a", "b"), (":path", "/evil")], true));
    let outcome = frames.outcome(1);
    assert!(matches!(outcome, Outcome::Reset(PROTOCOL_ERROR) | Outcome::GoAway(PROTOCOL_ERROR)), "{outcome:?}");
    origin.wait_ended(origin.connections());
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn fields_are_counted_with_every_cookie_crumb() {
    let refusing = Refusing::start();
    for name in ["cookie", "x-many"] {
        let many = vec![(name, "a=b"); 300];
        let mut frames = FrameClient::connect(&refusing.proxy);
        frames.send(&Frame::headers(1, &FrameClient::request("GET", &many), true));
        let outcome = frames.outcome(1);
        assert!(matches!(outcome, Outcome::Status(431) | Outcome::Reset(_)), "{name}: {outcome:?}");
    }
    refusing.nothing_passed();
}

#[test]
fn a_header_list_too_large_is_refused() {
    let refusing = Refusing::start();
    let large = "x".repeat(8_000);
    let fields = vec![("x-large", large.as_str()); 12];
    let mut frames = FrameClient::connect(&refusing.proxy);
    send_in_pieces(&mut frames, 1, &block(&FrameClient::request("GET", &fields)));
    let outcome = frames.outcome(1);
    assert!(matches!(outcome, Outcome::Status(431) | Outcome::Reset(_) | Outcome::GoAway(_)), "{outcome:?}");
    refusing.nothing_passed();
}

/// One header block as `HEADERS` and as many `CONTINUATION`s as it takes.
fn send_in_pieces(frames: &mut FrameClient, stream: u32, block: &[u8]) {
    let mut pieces = block.chunks(16_000).peekable();
    let mut first = true;
    while let Some(piece) = pieces.next() {
        let end = if pieces.peek().is_none() { 4 } else { 0 };
        let (kind, flags) = if first { (kind::HEADERS, 1 | end) } else { (kind::CONTINUATION, end) };
        first = false;
        if frames.try_send(&Frame::new(kind, flags, stream, piece)).is_err() {
            return;
        }
    }
}

#[test]
fn many_streams_are_served_at_once() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let http2 = Http2::connect(&proxy);
    let requests = (0..200).map(|number| empty("GET", APP, &format!("/{number}"))).collect();
    let answers = http2.send_all(requests);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 200);
    assert_eq!(origin.requests().len(), 200);
}

#[test]
fn the_number_of_streams_is_announced_and_held() {
    let held = Gate::default();
    let gate = held.clone();
    let origin = Origin::script(move |visit| {
        visit.request()?;
        gate.wait();
        visit.write(ok("ok"))
    });
    let proxy = Run::to(&origin).conf("limits { streams: 4 }").start();
    let mut frames = FrameClient::connect(&proxy);
    let settings = frames.wait("the settings", |frame| frame.kind == kind::SETTINGS && frame.flags == 0);
    assert!(settings.payload.chunks(6).any(|entry| entry == [0, 3, 0, 0, 0, 4]), "{:?}", settings.payload);
    frames.wait("their acknowledgement", |frame| frame.kind == kind::SETTINGS && frame.flags == 1);
    for stream in [1, 3, 5, 7, 9] {
        frames.send(&Frame::headers(stream, &FrameClient::request("GET", &[]), true));
    }
    let outcome = frames.outcome(9);
    assert!(matches!(outcome, Outcome::Reset(7 | 1) | Outcome::GoAway(_)), "one too many: {outcome:?}");
    held.open();
    assert!(origin.connections() <= 4);
}

#[test]
fn a_stream_cancelled_by_its_client_ends_at_the_target() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.drain()
    });
    let proxy = Proxy::to(&origin);
    let mut frames = FrameClient::connect(&proxy);
    frames.send(&Frame::headers(1, &FrameClient::request("GET", &[]), true));
    origin.wait_requests(1);
    frames.send(&Frame::cancel(1));
    origin.wait_ended(1);
    assert_eq!(proxy.record_of("/h2")["fault"], "client_gone");
}

#[test]
fn an_upload_cancelled_on_http2_is_never_completed() {
    let origin = Origin::script(|visit| visit.request().map(drop));
    let proxy = Proxy::to(&origin);
    let mut frames = FrameClient::connect(&proxy);
    frames.send(&Frame::headers(1, &FrameClient::request("POST", &[]), false));
    frames.send(&Frame::data(1, b"hello", false));
    origin.wait_connections(1);
    frames.send(&Frame::cancel(1));
    origin.wait_ended(1);
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn an_http2_preface_on_an_http_1_connection_is_refused() {
    let refusing = Refusing::start();
    let mut client = Client::https(&refusing.proxy);
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    let rest = client.rest();
    let refused = rest.is_empty() || rest.starts_with(b"HTTP/1.1 400") || rest.starts_with(b"HTTP/1.1 505");
    assert!(refused, "{}", rest.escape_ascii());
    refusing.nothing_passed();
}

#[test]
fn http_1_on_an_http2_connection_is_refused() {
    let refusing = Refusing::start();
    let mut client = Client::tls(refusing.proxy.https(), API, Pki::shared().client(&["h2"])).unwrap();
    client.send(get(API, "/not-h2"));
    let rest = client.rest();
    assert!(!rest.windows(9).any(|window| window == b"HTTP/1.1 "), "{}", rest.escape_ascii());
    refusing.nothing_passed();
}
