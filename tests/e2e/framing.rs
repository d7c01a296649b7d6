//! Framing of HTTP/1 requests: what could be read in two ways is refused, closed, and never seen by a target.

use crate::support::*;

/// A request to api with these lines after `Host`, and a body that looks like another request.
fn with(lines: &str, body: &str) -> String {
    format!("POST /framing HTTP/1.1\r\nHost: {API}\r\n{lines}\r\n{body}")
}

const SMUGGLED: &str = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: api.clearml.test\r\n\r\n";

#[test]
fn refuses_a_length_beside_a_transfer_coding() {
    let refusing = Refusing::start();
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nX-Between: 1\r\nTransfer-Encoding: chunked\r\n",
        "transfer-encoding: Chunked\r\nX-Between: 1\r\ncontent-length: 66\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
    ] {
        refusing.check(&[400, 501], with(lines, SMUGGLED));
    }
    refusing.nothing_passed();
}

#[test]
fn refuses_repeated_and_invalid_lengths() {
    let refusing = Refusing::start();
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nX-Between: 1\r\ncontent-length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5,6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: \r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5;\r\n",
        "Content-Length: five\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 99999999999999999999999\r\n",
    ] {
        refusing.check(&[400], with(lines, "hello"));
    }
    refusing.nothing_passed();
}

#[test]
fn refuses_every_transfer_coding_but_one_chunked() {
    let refusing = Refusing::start();
    for lines in [
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nX-Between: 1\r\ntransfer-encoding: CHUNKED\r\n",
    ] {
        refusing.check(&[400], with(lines, SMUGGLED));
    }
    for lines in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunkedx\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: \r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding: \u{a0}chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        "Transfer-Encoding: chunked\r\n , gzip\r\n",
    ] {
        refusing.check(&[400, 501], with(lines, SMUGGLED));
    }
    let old = format!("POST / HTTP/1.0\r\nHost: {API}\r\nTransfer-Encoding: chunked\r\n\r\n{SMUGGLED}");
    refusing.check(&[400], old);
    refusing.nothing_passed();
}

#[test]
fn refuses_names_that_look_like_framing() {
    let refusing = Refusing::start();
    for name in [
        "Transfer_Encoding",
        "Transfer---Encoding",
        "TransferEncoding",
        "Transfer.Encoding",
        "transfer-encoding1",
        "_Transfer-Encoding",
        "Content_Length",
        "Content--Length",
        "ContentLength",
        "Content-Length1",
        "content-length_",
    ] {
        refusing.check(&[400], with(&format!("{name}: chunked\r\nContent-Length: 5\r\n"), "hello"));
    }
    refusing.nothing_passed();
}

#[test]
fn refuses_malformed_field_names() {
    let refusing = Refusing::start();
    for line in [
        "Foo Bar: x\r\n",
        "Foo : x\r\n",
        "Foo\t: x\r\n",
        ": x\r\n",
        " : x\r\n",
        "NoColon\r\n",
        "F(o)o: x\r\n",
        "F\u{e4}: x\r\n",
        "F\x01: x\r\n",
        "F\0: x\r\n",
        "F\x7f: x\r\n",
        "F[0]: x\r\n",
        "F{x}: x\r\n",
        "\"F\": x\r\n",
        "F@: x\r\n",
        "F/: x\r\n",
    ] {
        refusing.check(&[400], with(line, ""));
        refusing.check(&[400], format!("GET / HTTP/1.1\r\n{line}Host: {API}\r\n\r\n"));
    }
    refusing.check(&[400], format!("GET / HTTP/1.1\r\n X-First: x\r\nHost: {API}\r\n\r\n"));
    refusing.check(&[400], format!("GET / HTTP/1.1\r\n\tX-First: x\r\nHost: {API}\r\n\r\n"));
    refusing.nothing_passed();
}

#[test]
fn refuses_controls_and_folds_in_values() {
    let refusing = Refusing::start();
    for line in [
        "X-A: a\0b\r\n",
        "X-A: \0\r\n",
        "X-A: a\rb\r\n",
        "X-A: a\rX-B: b\r\n",
        "X-A: a\r\n b\r\n",
        "X-A: a\r\n\tb\r\n",
        "X-A:\r\n b\r\n",
        "X-A: a\x01b\r\n",
        "X-A: a\x08b\r\n",
        "X-A: a\x0bb\r\n",
        "X-A: a\x1bb\r\n",
        "X-A: a\x7fb\r\n",
    ] {
        refusing.check(&[400], with(line, ""));
    }
    refusing.nothing_passed();
}

#[test]
fn refuses_bare_line_feeds() {
    let refusing = Refusing::start();
    for request in [
        format!("GET / HTTP/1.1\nHost: {API}\n\n"),
        format!("GET / HTTP/1.1\nHost: {API}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {API}\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {API}\r\n\n"),
        format!("GET / HTTP/1.1\r\nX-A: b\nHost: {API}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {API}\r\nX-A: b\nX-C: d\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: {API}\r\nX-A: b\nTransfer-Encoding: chunked\r\n\r\n{SMUGGLED}"),
    ] {
        refusing.check(&[400], request);
    }
    refusing.nothing_passed();
}

#[test]
fn refuses_malformed_request_lines() {
    let refusing = Refusing::start();
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /a b HTTP/1.1",
        "GET /a\x01b HTTP/1.1",
        "GET /a\x7fb HTTP/1.1",
        "GET /a\0b HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET /# HTTP/1.1",
        "GET foo HTTP/1.1",
        "GET api.clearml.test:443 HTTP/1.1",
        "GET * HTTP/1.1",
        "GET ?a HTTP/1.1",
        "GET  HTTP/1.1",
        "GET HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.1x",
        "GET / HTTP/11",
        "GET / HTTP/01.1",
        "GET / HTTP/1.",
        "GET / XTTP/1.1",
        "GET /",
        "G@T / HTTP/1.1",
        "GE(T / HTTP/1.1",
        "G\u{c4}T / HTTP/1.1",
        "\0GET / HTTP/1.1",
    ] {
        refusing.check(&[400, 501], format!("{line}\r\nHost: {API}\r\n\r\n"));
    }
    for line in ["GET / HTTP/2.0", "GET / HTTP/3.0", "GET / HTTP/0.9", "GET / HTTP/9.1"] {
        refusing.check(&[400, 505], format!("{line}\r\nHost: {API}\r\n\r\n"));
    }
    refusing.nothing_passed();
}

#[test]
fn the_plain_listener_refuses_the_same() {
    let refusing = Refusing::start();
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "X-A: a\0b\r\n",
        "X-A: a\nX-B: b\r\n",
        "Foo : x\r\n",
    ] {
        refusing.check_plain(&[400, 501], with(lines, SMUGGLED));
    }
    refusing.check_plain(&[400], format!("GET  / HTTP/1.1\r\nHost: {APP}\r\n\r\n"));
    refusing.nothing_passed();
}

#[test]
fn a_refused_request_ends_the_pipeline_behind_good_ones() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let bad = with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", SMUGGLED);
    client.send(format!("{}{bad}{}", get(API, "/first"), get(API, "/behind")));
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.answer().status, 400);
    client.end();
    assert_eq!(origin.request().asked(), "GET /first");
}

#[test]
fn a_head_may_come_in_pieces_of_one_byte() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for byte in post(API, "/slowly", "hello").as_bytes() {
        client.send([*byte]);
    }
    assert_eq!(client.answer().status, 200);
    assert_eq!(origin.request().body, b"hello");
    let refusing = Refusing { origin: Origin::ok(), proxy };
    let mut client = Client::https(&refusing.proxy);
    for byte in with("X-A: b\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", "").as_bytes() {
        if client.try_send([*byte]).is_err() {
            break;
        }
    }
    assert_eq!(client.answer().status, 400);
    client.end();
}

#[test]
fn one_empty_line_before_the_request_is_ignored() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(format!("\r\n{}", get(API, "/after-empty-line")));
    assert_eq!(client.answer().status, 200);
    client.send(format!("{}\r\n{}", post(API, "/old-client", "x"), get(API, "/next")));
    assert_eq!((client.answer().status, client.answer().status), (200, 200));
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn a_later_minor_version_is_taken_as_ours_or_refused() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(format!("GET /minor HTTP/1.2\r\nHost: {API}\r\n\r\n"));
    let status = client.answer().status;
    assert!(matches!(status, 200 | 400 | 505), "{status}");
    for request in origin.requests() {
        assert_eq!(request.asked(), "GET /minor");
    }
}
