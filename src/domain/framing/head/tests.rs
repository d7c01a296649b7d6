//! Tables of heads, good and bad.

use super::*;

const LIMITS: HeadLimits = HeadLimits { head: 1024, target: 64, headers: 8 };

fn check(head: &str) -> Result<Head, FaultKind> {
    assert_eq!(head_end(head.as_bytes(), 0), Some(head.len()), "{head:?} is one complete head");
    check_head(head.as_bytes(), &LIMITS).map_err(|refusal| refusal.fault.kind)
}

fn with(fields: &str) -> Result<Head, FaultKind> {
    check(&format!("POST / HTTP/1.1\r\nHost: a.b\r\n{fields}\r\n"))
}

#[test]
fn reads_the_body_framing() {
    for (fields, body) in [
        ("", Body::Length(0)),
        ("Content-Length: 0\r\n", Body::Length(0)),
        ("content-length:12\r\n", Body::Length(12)),
        ("Content-Length: \t 9223372036854775807 \r\n", Body::Length(i64::MAX as u64)),
        ("Transfer-Encoding: chunked\r\n", Body::Chunked),
        ("TRANSFER-ENCODING:  Chunked\t\r\n", Body::Chunked),
    ] {
        assert_eq!(with(fields), Ok(Head { body, websocket: false }), "{fields:?}");
    }
    assert_eq!(check("\r\nGET / HTTP/1.0\r\n\r\n"), Ok(Head { body: Body::Length(0), websocket: false }));
}

#[test]
fn refuses_ambiguous_lengths() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length:\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "Content-Length: 18446744073709551617\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding:\r\n",
    ] {
        assert_eq!(with(fields), Err(FaultKind::BadLength), "{fields:?}");
    }
    assert_eq!(check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(FaultKind::BadLength));
}

#[test]
fn takes_no_other_transfer_coding() {
    for coding in ["gzip, chunked", "identity", "xchunked", "chunked;q=1", "\"chunked\"", "gzip"] {
        assert_eq!(with(&format!("Transfer-Encoding: {coding}\r\n")), Err(FaultKind::BadTransferCoding), "{coding}");
    }
}

#[test]
fn refuses_what_is_no_field() {
    for fields in [
        "X\r\n",
        ": v\r\n",
        "X : v\r\n",
        " X: v\r\n",
        "X: a\r\n b\r\n",
        "X: a\0b\r\n",
        "X: a\rb\r\n",
        "X: a\x01b\r\n",
        "X: a\x7fb\r\n",
        "X: a\n",
        "X(y): a\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Content_Length: 5\r\n",
        "Transfer_Encoding: chunked\r\n",
        "Transfer---Encoding: chunked\r\n",
        "ContentLength: 5\r\n",
    ] {
        assert_eq!(with(fields), Err(FaultKind::Malformed), "{fields:?}");
    }
}

#[test]
fn refuses_what_is_no_request_line() {
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET /",
        "GET / HTTP/1.1x",
        "GET / http/1.1",
        "G(T / HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET /\x01 HTTP/1.1",
        "GET /\t HTTP/1.1",
        "",
    ] {
        assert_eq!(
            check_head(format!("{line}\r\nHost: a\r\n\r\n").as_bytes(), &LIMITS).unwrap_err().fault.kind,
            FaultKind::Malformed,
            "{line:?}"
        );
    }
    for line in ["GET / HTTP/1.2", "PRI * HTTP/2.0", "GET / HTTP/0.9"] {
        assert_eq!(check(&format!("{line}\r\n\r\n")), Err(FaultKind::BadVersion), "{line:?}");
    }
    assert_eq!(check("GET / HTTP/1.1\nHost: a\n\n"), Err(FaultKind::Malformed), "bare line feeds");
    assert_eq!(check("\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), Err(FaultKind::Malformed));
    assert_eq!(check("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), Err(FaultKind::Malformed), "two empty lines");
}

#[test]
fn keeps_the_limits() {
    assert_eq!(check(&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(64))), Err(FaultKind::TargetTooLong));
    assert!(check(&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(63))).is_ok());
    assert_eq!(with(&format!("X: {}\r\n", "a".repeat(1024))), Err(FaultKind::HeadTooLarge));
    assert_eq!(with(&"X: y\r\n".repeat(8)), Err(FaultKind::TooManyHeaders));
    assert!(with(&"X: y\r\n".repeat(7)).is_ok());
}

#[test]
fn knows_a_websocket_from_other_upgrades() {
    let get = |fields: &str| check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).unwrap().websocket;
    assert!(get("Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"));
    assert!(!get("Connection: Upgrade\r\nUpgrade: h2c\r\n"));
    // The first counts, as in `request::outgoing`.
    assert!(!get("Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n"));
    assert!(get("Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"));
    assert!(!get("Upgrade: websocket\r\n"));
    assert!(!get("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n"));
}

#[test]
fn a_refusal_keeps_what_can_be_named() {
    let refusal = |head: &str| String::from_utf8(check_head(head.as_bytes(), &LIMITS).unwrap_err().stand_in).unwrap();
    assert_eq!(
        refusal("PUT /v2.1/x HTTP/1.1\r\nHost: api.b\r\nContent-Length: x\r\n\r\n"),
        "PUT /v2.1/x HTTP/1.1\r\nhost: api.b\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(refusal("\x01\r\n\r\n"), "GET / HTTP/1.1\r\nhost: \r\nconnection: close\r\n\r\n");
    assert_eq!(
        refusal("CONNECT /x HTTP/1.1\r\nHost: a b\r\nX\r\n\r\n"),
        "GET / HTTP/1.1\r\nhost: \r\nconnection: close\r\n\r\n"
    );
}

#[test]
fn finds_the_end_of_a_head_wherever_it_was_cut() {
    let text = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nnext";
    let end = text.len() - 4;
    for cut in 0..text.len() {
        let early = head_end(&text[..cut], 0);
        assert_eq!(early, (cut >= end).then_some(end), "{cut}");
        if early.is_none() {
            assert_eq!(head_end(text, cut), Some(end), "continued at {cut}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_get_a_verdict_and_a_refused_head_a_valid_stand_in(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let head = [&bytes[..], b"\r\n\r\n"].concat();
        if let Err(refusal) = check_head(&head, &LIMITS) {
            proptest::prop_assert!(check_head(&refusal.stand_in, &LIMITS).is_ok());
            proptest::prop_assert_eq!(head_end(&refusal.stand_in, 0), Some(refusal.stand_in.len()));
        }
    }
}
