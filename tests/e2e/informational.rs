//! Informational answers: `100 Continue`, `103 Early Hints`, and a `101` that nobody asked for.

use crate::support::*;

const EXPECTING: &str =
    "POST /expect HTTP/1.1\r\nHost: files.clearml.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

/// Answers `100` where asked to, and then the request.
fn continuing() -> Origin {
    Origin::script(|visit| {
        let head = visit.head()?;
        if head.fields.has("expect") {
            visit.write("HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        visit.request_after(head)?;
        visit.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
    })
}

#[test]
fn a_client_that_waits_for_100_gets_it_and_its_body_arrives() {
    let origin = continuing();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    assert_eq!(client.send(EXPECTING).head().status(), 100);
    let answer = client.send("hello").answer();
    assert_eq!((answer.status, answer.interim.len()), (200, 0), "one 100 is enough");
    assert_eq!(origin.request().body, b"hello");
    client.assert_open();
}

#[test]
fn a_client_that_does_not_wait_for_100_is_served_as_well() {
    let origin = continuing();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let answer = client.send(format!("{EXPECTING}hello")).answer();
    assert_eq!(answer.status, 200);
    assert_eq!(origin.request().body, b"hello");
}

#[test]
fn a_refusal_before_the_body_reaches_a_client_that_waits() {
    let origin = Origin::script(|visit| {
        visit.head()?;
        visit.write("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnope")
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let answer = client.send(EXPECTING).answer();
    assert_eq!((answer.status, answer.text().as_str()), (401, "nope"));
}

#[test]
fn http_1_0_never_gets_an_informational_answer() {
    let origin = Origin::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(EXPECTING.replace("HTTP/1.1", "HTTP/1.0") + "hello");
    let answer = client.answer();
    assert_eq!((answer.status, answer.interim.len()), (200, 0));
    assert_eq!(origin.request().body, b"hello");
}

#[test]
fn another_expectation_is_refused_or_passed_on() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let answer = client.send(format!("GET / HTTP/1.1\r\nHost: {API}\r\nExpect: the-impossible\r\n\r\n")).answer();
    match answer.status {
        417 => answer.assert_fault(417, "client; bad_expectation"),
        status => assert_eq!((status, origin.request().field("expect").as_str()), (200, "the-impossible")),
    }
}

#[test]
fn informational_answers_of_a_target_end_here_and_the_answer_passes() {
    let origin = Origin::answering(
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.js>; rel=preload\r\n\r\n\
         HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let answer = client.get(APP, "/");
    assert_eq!((answer.status, answer.text().as_str(), answer.interim.len()), (200, "ok", 0));
    client.assert_open();
    assert_eq!(FrameClient::connect(&proxy).get(1), Outcome::Status(200));
}

#[test]
fn hints_without_an_answer_are_no_answer() {
    let origin = Origin::answering("HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n");
    let proxy = Proxy::to(&origin);
    assert_eq!(Client::https(&proxy).get(APP, "/").status, 502);
}

#[test]
fn a_101_that_nobody_asked_for_is_a_bad_answer() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nsmuggled")?;
        visit.drain()
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.get(API, "/").assert_fault(502, "target; bad_answer");
    let http2 = Http2::connect(&proxy);
    http2.send(empty("GET", API, "/")).assert_fault(502, "target; bad_answer");
}
