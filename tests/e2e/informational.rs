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

/// What a target says before its answer, and the answer.
const HINTED: &str = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
     HTTP/1.1 103 Early Hints\r\nLink: </a.js>; rel=preload\r\nLink: </b.css>\r\nConnection: x-hop\r\nX-Hop: 1\r\n\
     Content-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

fn assert_hinted(answer: &Answer) {
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    // A 100 is for whoever asked for it, and comes from us.
    assert_eq!(answer.interim.iter().map(Head::status).collect::<Vec<_>>(), [102, 103]);
    let fields = &answer.interim[1].fields;
    assert_eq!((fields.names().join(" "), fields.all("link").join(", ")), {
        (String::from("link link"), String::from("</a.js>; rel=preload, </b.css>"))
    });
    assert!(answer.interim[0].fields.names().is_empty());
}

#[test]
fn informational_answers_of_a_target_pass_before_its_answer() {
    let origin = Origin::answering(HINTED);
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    assert_hinted(&client.get(APP, "/"));
    client.assert_open();
    let http2 = Http2::connect(&proxy);
    assert_hinted(&http2.send(empty("GET", APP, "/")));
    assert_hinted(&http2.send(body_of("POST", FILES, "/", pattern(100_000))));
    for request in origin.requests() {
        assert!(!request.has("clearway-stream"), "{}", request.head.fields);
    }
}

#[test]
fn hints_do_not_wait_for_the_answer() {
    let gate = Gate::default();
    let held = gate.clone();
    let origin = Origin::script(move |visit| {
        visit.request()?;
        visit.write("HTTP/1.1 103 Early Hints\r\nLink: </a.js>\r\n\r\n")?;
        held.wait();
        visit.write(ok("late"))
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    assert_eq!(client.send(get(APP, "/")).head().status(), 103);
    let mut frames = FrameClient::connect(&proxy);
    assert_eq!(frames.get(1), Outcome::Status(103));
    gate.open();
    assert_eq!(client.answer().text(), "late");
    assert_eq!(frames.outcome(1), Outcome::Status(200));
}

#[test]
fn hints_keep_the_order_of_pipelined_answers() {
    let origin = Origin::script(|visit| {
        let asked = visit.request()?.asked().to_owned();
        visit.write(format!("HTTP/1.1 103 Early Hints\r\nLink: <{asked}>\r\n\r\n"))?;
        let body = asked.repeat(100_000);
        visit.write(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send((0..5).map(|number| get(APP, &format!("/{number}"))).collect::<String>());
    for number in 0..5 {
        let answer = client.answer();
        let asked = format!("GET /{number}");
        assert_eq!(answer.interim[0].fields.one("link"), format!("<{asked}>"));
        assert!(answer.text() == asked.repeat(100_000), "{number}");
    }
}

#[test]
fn hints_reach_the_streams_that_they_are_for() {
    let origin = Origin::script(|visit| {
        let asked = visit.request()?.asked().to_owned();
        visit.write(format!("HTTP/1.1 103 Early Hints\r\nLink: <{asked}>\r\n\r\n"))?;
        visit.write(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{asked}", asked.len()))
    });
    let proxy = Proxy::to(&origin);
    let http2 = Http2::connect(&proxy);
    let answers = http2.send_all((0..40).map(|number| empty("GET", APP, &format!("/{number}"))).collect());
    for (number, answer) in answers.iter().enumerate() {
        let asked = format!("GET /{number}");
        assert_eq!(answer.text(), asked);
        assert_eq!(answer.interim[0].fields.one("link"), format!("<{asked}>"));
    }
}

#[test]
fn a_client_cannot_name_its_stream_and_a_smaller_table_takes_no_hints() {
    let origin = Origin::answering(HINTED);
    let proxy = Proxy::to(&origin);
    let mut forged = FrameClient::connect(&proxy);
    forged.send(&Frame::headers(1, &FrameClient::request("GET", &[("clearway-stream", "00000007")]), true));
    assert_eq!(forged.outcome(1), Outcome::Status(102));
    let mut small = FrameClient::with_settings(&proxy, &[0, 1, 0, 0, 0, 0]);
    assert_eq!(small.get(1), Outcome::Status(200));
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
