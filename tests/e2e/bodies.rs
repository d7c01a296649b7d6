//! Request bodies: every byte arrives, in the framing it was announced with, as it comes.

use crate::support::*;
use std::time::Duration;

#[test]
fn a_body_passes_with_any_method_and_keeps_its_length() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let http2 = Http2::connect(&proxy);
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
        client.send(format!("{method} /b HTTP/1.1\r\nHost: {API}\r\nContent-Length: 13\r\n\r\n{{\"id\": \"abc\"}}"));
        assert_eq!(client.answer().status, 200, "{method}");
        let request = origin.last();
        assert_eq!((request.field("content-length").as_str(), request.body.len()), ("13", 13), "{method}");
        assert!(!request.has("transfer-encoding"), "{method}");
        let mut request = body_of(method, API, "/b", "{\"id\": \"abc\"}");
        request.headers_mut().insert("content-length", "13".parse().unwrap());
        assert_eq!(http2.send(request).status, 200, "{method}");
        let request = origin.last();
        assert_eq!((request.field("content-length").as_str(), request.body.len()), ("13", 13), "{method} on HTTP/2");
        assert!(!request.has("transfer-encoding"), "{method}");
    }
}

#[test]
fn no_body_stays_no_body() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let http2 = Http2::connect(&proxy);
    for method in ["GET", "DELETE", "OPTIONS"] {
        client.send(format!("{method} / HTTP/1.1\r\nHost: {API}\r\n\r\n")).answer();
        let request = origin.last();
        assert!(!request.has("content-length") && !request.has("transfer-encoding"), "{:?}", request.head);
        http2.send(empty(method, API, "/"));
        assert!(!origin.last().has("transfer-encoding"), "{:?}", origin.last().head);
    }
    client.send(format!("DELETE / HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 0\r\n\r\n")).answer();
    assert_eq!(origin.last().field("content-length"), "0");
}

#[test]
fn an_http2_body_without_length_goes_out_in_chunks() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    Http2::connect(&proxy).send(body_of("POST", FILES, "/", "hello"));
    let request = origin.request();
    assert_eq!(request.body, b"hello");
    assert_eq!((request.field("transfer-encoding").as_str(), request.has("content-length")), ("chunked", false));
}

#[test]
fn http2_trailers_follow_the_body() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-checksum", "abc".parse().unwrap());
    trailers.insert("host", "evil.example".parse().unwrap());
    let mut request = body_of("POST", FILES, "/", "hello");
    request.headers_mut().insert("trailer", "x-checksum".parse().unwrap());
    let answer = Http2::connect(&proxy).send_with_trailers(request, trailers);
    assert_eq!(answer.status, 200);
    let request = origin.request();
    assert_eq!(request.body, b"hello");
    assert_eq!(request.trailers.names(), ["x-checksum"]);
}

#[test]
fn cookie_crumbs_are_joined() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut frames = FrameClient::connect(&proxy);
    let fields = FrameClient::request(
        "GET",
        &[("cookie", "a=1"), ("x-between", "x"), ("cookie", "b=2"), ("cookie", "c=3; d=4")],
    );
    frames.send(&Frame::headers(1, &fields, true));
    assert_eq!(frames.outcome(1), Outcome::Status(200));
    assert_eq!(origin.request().field("cookie"), "a=1; b=2; c=3; d=4");
}

#[test]
fn large_bodies_arrive_whole_on_both_versions() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let body = pattern(17 << 20);
    let mut client = Client::https(&proxy);
    client
        .send(format!("GET /v2.23/events.add_batch HTTP/1.1\r\nHost: {API}\r\nContent-Length: {}\r\n\r\n", body.len()));
    assert_eq!(client.send(&body).answer().status, 200);
    assert!(origin.last().body == body, "the body on HTTP/1.1");
    assert_eq!(Http2::connect(&proxy).send(body_of("POST", FILES, "/", body.clone())).status, 200);
    assert!(origin.last().body == body, "the body on HTTP/2");
}

#[test]
fn both_directions_flow_at_once() {
    let origin = Origin::script(|visit| {
        visit.head()?;
        visit.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for _ in 0..3 {
            let piece = visit.bytes(4)?;
            visit.write(format!("4\r\n{}\r\n", String::from_utf8_lossy(&piece)))?;
        }
        visit.write("0\r\n\r\n")
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    // Small bodies of API calls are gathered first, so a file's.
    client.send(format!("POST /duplex HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 12\r\n\r\n"));
    assert_eq!(client.head().status(), 200);
    for piece in ["ping", "pong", "pung"] {
        let echoed = client.send(piece).bytes(9);
        assert_eq!(echoed, format!("4\r\n{piece}\r\n").as_bytes());
    }
    assert_eq!(client.bytes(5), b"0\r\n\r\n");
}

#[test]
fn a_target_that_does_not_read_holds_the_client_back() {
    let release = Gate::default();
    let gate = release.clone();
    let origin = Origin::script(move |visit| {
        let head = visit.head()?;
        gate.wait();
        visit.request_after(head)?;
        visit.write(ok("done"))
    });
    let proxy = Proxy::to(&origin);
    let before = proxy.resident_kib();
    let mut client = Client::https(&proxy);
    let total = 128 << 20;
    client.send(format!("POST / HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: {total}\r\n\r\n"));
    client.socket().set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let piece = pattern(64 << 10);
    let mut taken = 0;
    // A write that waits this long has met the end of every buffer on the way.
    while taken < total && client.try_send(&piece).is_ok() {
        taken += piece.len();
    }
    assert!(taken < 64 << 20, "{taken} bytes were taken from the client");
    let grown = proxy.resident_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "memory grew by {grown} KiB");
    release.open();
}

/// Uploads and then downloads `length` bytes, without keeping them.
fn up_and_down(proxy: &Proxy, length: usize) {
    let mut client = Client::https(proxy);
    client.send(format!("POST / HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: {length}\r\n\r\n"));
    let piece = pattern(1 << 20);
    for _ in 0..length / piece.len() {
        client.send(&piece);
    }
    assert_eq!(client.head().status(), 200);
    let mut read = 0;
    while read < length {
        let count = client.bytes(1 << 20).len();
        assert!(count > 0, "cut after {read} bytes");
        read += count;
    }
}

#[test]
fn memory_stays_flat_under_a_large_upload_and_download() {
    let origin = Origin::script(move |visit| {
        let length = visit.head()?.content_length().unwrap_or(0);
        let mut left = length;
        while left > 0 {
            left -= visit.some()?.len();
        }
        visit.write(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"))?;
        let piece = vec![7; 1 << 20];
        (0..length / piece.len()).try_for_each(|_| visit.write(&piece))
    });
    let proxy = Proxy::to(&origin);
    // Code and buffers that are touched for the first time are not growth.
    up_and_down(&proxy, 8 << 20);
    let before = proxy.resident_kib();
    up_and_down(&proxy, 128 << 20);
    let grown = proxy.resident_kib().saturating_sub(before);
    assert!(grown < 8 << 10, "memory grew by {grown} KiB");
}
