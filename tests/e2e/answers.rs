//! Answers: passed on byte for byte, and never made to look whole when they are not.

use crate::support::*;

fn asking(method: &str, path: &str, lines: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {FILES}\r\n{lines}\r\n")
}

#[test]
fn the_first_byte_is_passed_on_at_once() {
    let steps = [Gate::default(), Gate::default(), Gate::default()];
    let gates = steps.clone();
    let origin = Origin::script(move |visit| {
        visit.request()?;
        gates[0].wait();
        visit.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")?;
        gates[1].wait();
        visit.write("o")?;
        gates[2].wait();
        visit.write("k")
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(get(FILES, "/slow"));
    steps[0].open();
    assert_eq!(client.head().status(), 200);
    steps[1].open();
    assert_eq!(client.bytes(1), b"o");
    steps[2].open();
    assert_eq!(client.bytes(1), b"k");
}

#[test]
fn head_answers_have_a_length_and_no_body() {
    for head in ["Content-Length: 1234\r\n", "Transfer-Encoding: chunked\r\n", ""] {
        let origin = Origin::answering(format!("HTTP/1.1 200 OK\r\nETag: \"a\"\r\n{head}Connection: close\r\n\r\n"));
        let proxy = Proxy::to(&origin);
        let mut client = Client::https(&proxy);
        let answer = client.send(asking("HEAD", "/head", "")).any_answer("HEAD");
        assert_eq!((answer.status, answer.field("etag").as_str()), (200, "\"a\""));
        if head.starts_with("Content-Length") {
            assert_eq!(answer.field("content-length"), "1234");
        }
        assert!(!answer.has("content-length") || head.starts_with("Content-Length"), "{}", answer.fields);
        client.send(asking("HEAD", "/head", ""));
        assert_eq!(client.any_answer("HEAD").status, 200, "nothing of a body was left on the connection");
        assert_eq!(Http2::connect(&proxy).send(empty("HEAD", FILES, "/")).body, b"");
    }
}

#[test]
fn answers_without_body_have_none() {
    for (answer, status) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", 304),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 1234\r\n\r\n", 304),
    ] {
        let origin = Origin::answering(answer);
        let proxy = Proxy::to(&origin);
        let mut client = Client::https(&proxy);
        for _ in 0..2 {
            let answer = client.get(FILES, "/none");
            assert_eq!(answer.status, status);
            assert!(!answer.has("transfer-encoding"), "{}", answer.fields);
            assert!(status != 204 || !answer.has("content-length"), "{}", answer.fields);
        }
        let answer = Http2::connect(&proxy).send(empty("GET", FILES, "/"));
        assert_eq!((answer.status, answer.body.len()), (status, 0));
    }
}

#[test]
fn a_204_with_a_body_does_not_leak_it() {
    let origin = Origin::answering("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello");
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for _ in 0..3 {
        let answer = client.get(FILES, "/204");
        assert!(matches!(answer.status, 204 | 502), "{}", answer.status);
        assert!(answer.status != 204 || !answer.has("content-length"));
    }
}

#[test]
fn ranges_pass() {
    let origin = Origin::answering(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-5/10\r\nAccept-Ranges: bytes\r\nContent-Length: 4\r\n\r\n2345",
    );
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let answer = client.send(asking("GET", "/range", "Range: bytes=2-5\r\nIf-Range: \"a\"\r\n")).answer();
    assert_eq!((answer.status, answer.text().as_str()), (206, "2345"));
    assert_eq!(answer.field("content-range"), "bytes 2-5/10");
    assert_eq!(origin.request().field("range"), "bytes=2-5");
    assert_eq!(origin.request().field("if-range"), "\"a\"");
}

#[test]
fn lengths_chunks_and_endings_arrive_whole() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    let until_end = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello";
    let old = "HTTP/1.0 200 OK\r\n\r\nhello";
    for answer in [ok("hello").as_str(), chunked, until_end, old] {
        let origin = Origin::answering(answer);
        let proxy = Proxy::to(&origin);
        let mut client = Client::https(&proxy);
        for _ in 0..2 {
            let got = client.get(FILES, "/x");
            assert_eq!((got.status, got.text().as_str(), got.end), (200, "hello", End::Whole), "{answer:?}");
        }
        assert_eq!(Http2::connect(&proxy).send(empty("GET", FILES, "/")).text(), "hello", "{answer:?}");
    }
}

#[test]
fn large_answers_arrive_whole_on_both_versions() {
    let body = pattern(17 << 20);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let origin = Origin::answering([head.as_bytes(), &body].concat());
    let proxy = Proxy::to(&origin);
    let answer = Client::https(&proxy).get(FILES, "/large");
    assert_eq!(answer.field("content-length"), body.len().to_string());
    assert!(answer.body == body);
    let answer = Http2::connect(&proxy).send(empty("GET", FILES, "/large"));
    assert_eq!(answer.field("content-length"), body.len().to_string());
    assert!(answer.body == body);
}

#[test]
fn a_long_answer_in_many_chunks_arrives_whole_on_both_versions() {
    let body = pattern(4 << 20);
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for (number, chunk) in body.chunks(3_001).enumerate() {
        answer
            .extend_from_slice(format!("{:x}{}\r\n", chunk.len(), if number % 7 == 0 { ";x" } else { "" }).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    let origin = Origin::answering(answer);
    let proxy = Proxy::to(&origin);
    assert!(Client::https(&proxy).get(API, "/events.download_task_log").body == body);
    assert!(Http2::connect(&proxy).send(empty("GET", API, "/events.download_task_log")).body == body);
}

#[test]
fn http_1_0_clients_get_no_chunks_and_a_close() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(format!("GET / HTTP/1.0\r\nHost: {FILES}\r\n\r\n"));
    let answer = client.any_answer("GET");
    assert!(!answer.has("transfer-encoding"), "{}", answer.fields);
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(client.end(), End::Closed);
    assert!(origin.request().head.line.ends_with("HTTP/1.1"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::script(|visit| {
        loop {
            let request = visit.request()?;
            visit.write(ok(request.asked()))?;
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(format!("{}{}{}", get(API, "/one"), post(FILES, "/two", "body"), get(APP, "/three")));
    for expected in ["GET /one", "POST /two", "GET /three"] {
        assert_eq!(client.answer().text(), expected);
    }
}

#[test]
fn a_client_that_asks_for_the_end_gets_it() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let answer = client.send(asking("GET", "/last", "Connection: close\r\n")).answer();
    assert_eq!(answer.field("connection").to_ascii_lowercase(), "close");
    assert_eq!(client.end(), End::Closed, "with a closing alert");
}

#[test]
fn a_client_that_has_finished_sending_still_gets_its_answer() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(get(FILES, "/half-closed"));
    client.finish_sending();
    assert_eq!(client.answer().text(), "ok");
    client.end();
}

#[test]
fn trailers_reach_those_who_can_take_them() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n5\r\nhello\r\n0\r\n\
         X-Checksum: abc\r\nContent-Length: 7\r\nSet-Cookie: a=b\r\n\r\n",
    );
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let answer = client.send(asking("GET", "/t", "TE: trailers\r\nConnection: TE\r\n")).answer();
    assert_eq!((answer.text().as_str(), answer.trailers.names()), ("hello", vec!["x-checksum".to_owned()]));
    let answer = client.get(FILES, "/t");
    assert_eq!((answer.text().as_str(), answer.trailers.names().len()), ("hello", 0), "not asked for");
    let answer = Http2::connect(&proxy).send(empty("GET", FILES, "/t"));
    assert_eq!((answer.text().as_str(), answer.trailers.names()), ("hello", vec!["x-checksum".to_owned()]));
}
