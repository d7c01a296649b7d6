//! Answers that break the protocol or break off: 502 before the head, a cut behind it, never a clean end.

use crate::support::*;

#[test]
fn malformed_answers_become_502() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20 Short\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 Long\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 abc\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "garbage\r\n\r\n",
        "\x16\x03\x01 not http at all\r\n\r\n",
        "hello, this is no HTTP",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        "HTTP/1.1 2",
        "",
    ] {
        let shown = answer.to_owned();
        let origin = Origin::script(move |visit| {
            visit.request()?;
            visit.write(answer)
        });
        let proxy = Proxy::to(&origin);
        let got = Client::https(&proxy).get(API, "/broken");
        assert_eq!(got.status, 502, "{shown:?}:\n{}{}", got.fields, got.text());
        assert!(got.field("x-fault").starts_with("target; "), "{shown:?}");
        assert_eq!(origin.requests().len(), 1, "sent once: {shown:?}");
    }
}

#[test]
fn a_length_given_twice_alike_is_sent_once_or_refused() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
    ] {
        let proxy_to = Origin::answering(answer);
        let proxy = Proxy::to(&proxy_to);
        let got = Client::https(&proxy).get(API, "/");
        match got.status {
            200 => assert_eq!((got.field("content-length").as_str(), got.text().as_str()), ("5", "hello")),
            status => assert_eq!(status, 502),
        }
    }
}

/// The answers that break off after their head, and what was sent of the body.
const CUT: [&str; 7] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nXYZ\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n-1\r\n\r\n",
];

/// Gives the connections of a target the answers of `CUT`, one after the other.
fn cutting() -> Origin {
    Origin::script(|visit| {
        visit.request()?;
        visit.write(CUT[visit.number])
    })
}

#[test]
fn an_answer_that_breaks_off_is_cut_on_http_1_1() {
    let origin = cutting();
    let mut proxy = Proxy::to(&origin);
    for answer in CUT {
        let mut client = Client::https(&proxy);
        client.send(get(FILES, "/cut"));
        let got = client.any_answer("GET");
        assert!(got.status == 502 || got.end == End::Cut, "{answer:?} became {got:?}");
        assert!(got.status == 502 || got.body.len() <= 5, "{answer:?} became {got:?}");
    }
    proxy.stop();
    for record in proxy.output().json() {
        assert_eq!(record["fault_side"], "target", "{record}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_reset_on_http_2() {
    let origin = cutting();
    let proxy = Proxy::to(&origin);
    let mut frames = FrameClient::connect(&proxy);
    for (stream, answer) in (1..).step_by(2).zip(CUT) {
        let outcome = frames.get(stream);
        if outcome == Outcome::Status(502) {
            continue;
        }
        assert_eq!(outcome, Outcome::Status(200), "{answer:?}");
        let last = frames.wait("the end of the stream", |frame| {
            frame.stream == stream && (frame.kind == kind::RESET || frame.ends_stream())
        });
        assert_eq!(last.kind, kind::RESET, "{answer:?}: and the connection goes on");
    }
}

#[test]
fn a_reset_in_an_answer_without_length_is_no_clean_end() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")?;
        // The bytes are on their way before the reset overtakes nothing: they were read as one piece or lost with it.
        visit.reset()
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(get(FILES, "/reset"));
    let got = client.any_answer("GET");
    assert!(got.status == 502 || got.end == End::Cut, "{got:?}");
}

#[test]
fn bytes_behind_an_answer_are_nobodys() {
    let origin = Origin::script(|visit| {
        loop {
            visit.request()?;
            visit.write(format!("{}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", ok("good")))?;
        }
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for _ in 0..10 {
        assert_eq!(client.get(API, "/").text(), "good");
    }
    assert_eq!(origin.connections(), 10, "such a connection is not used again");
}

#[test]
fn an_answer_before_any_request_is_nobodys() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        // Unasked, and there before the connection could carry another request.
        let more = if visit.number == 0 { "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil" } else { "" };
        visit.write([ok("good").as_ref(), more.as_bytes()].concat())?;
        visit.request()?;
        visit.write(ok("good"))
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for _ in 0..3 {
        let answer = client.get(API, "/");
        assert_eq!((answer.status, answer.text().as_str()), (200, "good"));
    }
}
