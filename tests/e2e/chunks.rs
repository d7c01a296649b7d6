//! Chunked request bodies: good ones arrive, bad ones are cut and never completed.

use crate::support::*;

const HEAD: &str = "POST /chunks HTTP/1.1\r\nHost: files.clearml.test\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Answers once the request is whole, and closes: the end of a script is the end of its one request.
fn closing() -> Origin {
    Origin::answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
}

#[test]
fn good_chunks_arrive_without_extensions() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for (body, expected) in [
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("3\r\nhel\r\n02\r\nlo\r\n0\r\n\r\n", "hello"),
        ("A\r\n0123456789\r\n00\r\n\r\n", "0123456789"),
        ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("5;name=value\r\nhello\r\n0;last\r\n\r\n", "hello"),
        ("5;quoted=\"a b\"\r\nhello\r\n0\r\n\r\n", "hello"),
        ("0000000000000005\r\nhello\r\n0\r\n\r\n", "hello"),
        ("0\r\n\r\n", ""),
    ] {
        assert_eq!(client.send(format!("{HEAD}{body}")).answer().status, 200, "{body:?}");
        let request = origin.last();
        assert_eq!(request.body, expected.as_bytes(), "{body:?}");
        assert_eq!((request.field("transfer-encoding").as_str(), request.has("content-length")), ("chunked", false));
    }
    let all = origin.bytes().concat();
    assert!(!all.windows(4).any(|window| window == b"name" || window == b"last"), "extensions are dropped");
}

#[test]
fn chunked_is_recognised_in_any_case() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for value in ["CHUNKED", "  Chunked", "chunked\t", "\tchunked  "] {
        let head = HEAD.replace(" chunked", value);
        assert_eq!(client.send(format!("{head}2\r\nhi\r\n0\r\n\r\n")).answer().status, 200, "{value:?}");
        assert_eq!(origin.last().field("transfer-encoding"), "chunked");
    }
}

#[test]
fn bad_chunks_cut_the_request() {
    let origin = closing();
    let proxy = Proxy::to(&origin);
    let bad = [
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "\t5\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "5g\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";ext\r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\n0\n\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Trailer\r\n\r\n",
        "5\r\nhello\r\n0\r\nX Trailer: 1\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Trailer: a\0b\r\n\r\n",
    ];
    for body in bad {
        let mut client = Client::https(&proxy);
        client.send(format!("{HEAD}{body}"));
        let answer = client.any_answer("POST");
        assert_eq!(answer.status, 400, "{body:?}: {}", answer.text());
        client.end();
    }
    // A good request behind all others: whatever reached the target before has ended by now.
    assert_eq!(Client::https(&proxy).get(API, "/behind-all").status, 200);
    let asked = origin.requests().iter().map(|request| request.asked().to_owned()).collect::<Vec<_>>();
    assert_eq!(asked, ["GET /behind-all"], "no bad request was completed");
    origin.wait_ended(origin.connections());
}

#[test]
fn trailers_reach_the_target_without_framing_and_routing_fields() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let trailers = "X-Checksum: abc\r\nHost: evil.example\r\nContent-Length: 7\r\nTransfer-Encoding: gzip\r\n\
                    Connection: close\r\nAuthorization: Basic eA==\r\nCookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\n";
    let head = HEAD.replace("\r\n\r\n", "\r\nTrailer: X-Checksum\r\n\r\n");
    assert_eq!(client.send(format!("{head}2\r\nhi\r\n0\r\n{trailers}\r\n")).answer().status, 200);
    let request = origin.request();
    assert_eq!(request.body, b"hi");
    let all = origin.bytes().concat();
    let text = String::from_utf8_lossy(&all);
    let behind = text.split_once("\r\n0\r\n").expect("a last chunk").1.to_ascii_lowercase();
    for name in ["host", "content-length", "transfer-encoding", "connection", "authorization", "cookie", "forwarded"] {
        assert!(!behind.contains(name), "{name} in {behind:?}");
    }
    assert_eq!(request.trailers.all("x-checksum"), ["abc"]);
    client.assert_open();
}

#[test]
fn trailers_are_limited() {
    let origin = closing();
    let proxy = Proxy::to(&origin);
    let many = (0..2_000).map(|number| format!("X-{number}: x\r\n")).collect::<String>();
    let large = format!("X-Large: {}\r\n", "x".repeat(200_000));
    for trailers in [many, large] {
        let mut client = Client::https(&proxy);
        let _closed = client.try_send(format!("{HEAD}2\r\nhi\r\n0\r\n{trailers}\r\n"));
        let answer = client.any_answer("POST");
        assert!(matches!(answer.status, 400 | 431), "{}", answer.status);
        client.end();
    }
    assert_eq!(origin.requests().len(), 0, "a request with too many trailers is not completed");
}

#[test]
fn a_body_that_ends_early_is_never_completed() {
    let origin = closing();
    let proxy = Proxy::to(&origin);
    for start in [
        format!("{HEAD}5\r\nhel"),
        format!("{HEAD}5\r\nhello\r\n"),
        format!("{HEAD}5\r\nhello\r\n0\r\n"),
        format!("POST /short HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 10\r\n\r\nhello"),
    ] {
        let before = origin.connections();
        let mut client = Client::https(&proxy);
        client.send(&start);
        origin.wait_connections(before + 1);
        client.finish_sending();
        let rest = client.rest();
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400 "), "{}", rest.escape_ascii());
        origin.wait_ended(before + 1);
    }
    assert_eq!(origin.requests().len(), 0);
}
