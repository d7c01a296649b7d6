//! Token gate: files only for those whose token the API server accepts.

use crate::support::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const ON: &str = "protection.token_gate.enabled: true";
const SIZE: usize = 8 << 20;

/// An API server that knows the tokens `good.*.*`; how often it was asked.
fn api() -> (Origin, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let origin = Origin::script(move |visit| {
        let request = visit.request()?;
        assert_eq!(request.asked(), "GET /v2.1/users.get_current_user");
        count.fetch_add(1, Ordering::Relaxed);
        let (status, json) = match request.field("authorization").starts_with("Bearer good.") {
            true => ("200 OK", r#"{"meta":{"result_code":200},"data":{"user":{"id":"u"}}}"#),
            false => ("401 UNAUTHORIZED", r#"{"meta":{"result_code":401,"result_subcode":30},"data":{}}"#),
        };
        visit.write(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{json}", json.len()))
    });
    (origin, asked)
}

fn asked(method: &str, path: &str, lines: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 0\r\n{lines}\r\n")
}

#[test]
fn only_tokens_that_the_api_accepts_open_the_files() {
    let (files, (api, asked_api)) = (Origin::ok(), api());
    let proxy = Run::at([files.addr(), api.addr(), files.addr()]).conf(ON).start();
    let mut client = Client::https(&proxy);
    for (method, path, lines, status) in [
        ("GET", "/a", "Authorization: Bearer good.b.c\r\n", 200),
        ("GET", "/a", "Cookie: x=y; clearml_token_basic=good.b.c\r\n", 200),
        ("GET", "/a", "Cookie: clearml_token_basic=old.b.c; clearml_token_basic=good.b.c\r\n", 200),
        ("POST", "/", "Authorization: Bearer good.b.c\r\n", 200),
        ("OPTIONS", "/a", "", 200),
        ("GET", "/", "", 200),
        ("GET", "/a", "", 401),
        ("POST", "/", "", 401),
        ("DELETE", "/a", "", 401),
        ("GET", "/a", "Authorization: Bearer bad.b.c\r\n", 401),
        ("GET", "/", "Authorization: Bearer bad.b.c\r\n", 401),
        ("GET", "/a", "Authorization: Bearer no token\r\n", 401),
        ("GET", "/a", "Authorization: Basic Z29vZA==\r\nCookie: clearml_token_basic=good.b.c\r\n", 401),
    ] {
        let answer = client.send(asked(method, path, lines)).answer();
        assert_eq!(answer.status, status, "{method} {path} {lines}");
        if status == 401 {
            answer.assert_fault(401, "client; token_required");
            assert!(answer.text().contains("api.files_server"), "{}", answer.text());
        }
    }
    assert_eq!(files.requests().len(), 6);
    assert_eq!(asked_api.load(Ordering::Relaxed), 3, "once for each of the three tokens");
}

#[test]
fn it_is_off_unless_turned_on() {
    let files = Origin::ok();
    assert_eq!(Client::https(&Proxy::to(&files)).get(FILES, "/a").status, 200);
}

#[test]
fn a_refused_upload_reaches_no_target_and_its_sender_gets_the_answer() {
    let (files, (api, _)) = (Origin::ok(), api());
    let proxy = Run::at([files.addr(), api.addr(), files.addr()]).conf(ON).start();
    for lines in ["", "Authorization: Bearer bad.b.c\r\n"] {
        let mut client = Client::https(&proxy);
        client.send(format!("POST / HTTP/1.1\r\nHost: {FILES}\r\n{lines}Content-Length: {SIZE}\r\n\r\n"));
        // As the SDK does: all is sent before the answer is looked at.
        let _closed = client.try_send(pattern(SIZE));
        client.answer().assert_fault(401, "client; token_required");
    }
    let answer = Http2::connect(&proxy).send(body_of("POST", FILES, "/", pattern(SIZE)));
    answer.assert_fault(401, "client; token_required");
    assert_eq!(files.connections(), 0);
}

#[test]
fn many_uploads_at_once_make_one_inquiry() {
    let (files, (api, asked_api)) = (Origin::ok(), api());
    let proxy = Run::at([files.addr(), api.addr(), files.addr()]).conf(ON).start();
    let uploads = (0..100).map(|_| {
        let mut request = body_of("POST", FILES, "/", "x");
        request.headers_mut().insert("authorization", "Bearer good.b.c".parse().unwrap());
        request
    });
    let answers = Http2::connect(&proxy).send_all(uploads.collect());
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!((asked_api.load(Ordering::Relaxed), files.requests().len()), (1, 100));
}

#[test]
fn without_an_api_server_it_stays_shut_and_asks_to_come_back() {
    let (files, port) = (Origin::ok(), Port::closed());
    let conf = "protection.token_gate { enabled: true, timeout: \"200ms\" }";
    let proxy = Run::at([files.addr(), port.addr(), files.addr()]).conf(conf).start();
    let mut client = Client::https(&proxy);
    let answer = client.send(asked("GET", "/a", "Authorization: Bearer good.b.c\r\n")).answer();
    answer.assert_fault(503, "target; token_unchecked");
    assert_eq!(answer.field("retry-after"), "5");
    assert!(!answer.text().contains(&port.addr().port().to_string()));
    assert_eq!(files.connections(), 0);
}

#[test]
fn what_is_no_api_server_opens_nothing() {
    let files = Origin::ok();
    for body in ["<!doctype html>", r#"{"meta":{"result_code":200},"data":{}}"#] {
        let web = Origin::answering(ok(body));
        let conf = "protection.token_gate { enabled: true, timeout: \"700ms\" }";
        let proxy = Run::at([files.addr(), web.addr(), files.addr()]).conf(conf).start();
        let answer = Client::https(&proxy).send(asked("GET", "/a", "Authorization: Bearer good.b.c\r\n")).answer();
        answer.assert_fault(503, "target; token_unchecked");
    }
    assert_eq!(files.connections(), 0);
}

#[test]
fn a_request_waits_for_an_api_server_that_is_starting() {
    let (files, port) = (Origin::ok(), Port::closed());
    let proxy = Run::at([files.addr(), port.addr(), files.addr()]).conf(ON).start();
    let mut client = Client::https(&proxy);
    client.send(asked("GET", "/a", "Authorization: Bearer good.b.c\r\n"));
    assert!(!client.poll(std::time::Duration::from_millis(300)), "it waits");
    let answer = r#"{"meta":{"result_code":200},"data":{"user":{"id":"u"}}}"#;
    let _api = Origin::on(port.listen(16), move |visit| {
        visit.request()?;
        visit.write(ok(answer))
    });
    assert_eq!(client.answer().status, 200);
}

#[test]
fn requests_that_wait_for_the_gate_have_their_place_among_all() {
    let gate = Gate::default();
    let behind = gate.clone();
    let api = Origin::script(move |visit| {
        visit.request()?;
        behind.wait();
        let json = r#"{"meta":{"result_code":401,"result_subcode":30},"data":{}}"#;
        let head = format!("HTTP/1.1 401 UNAUTHORIZED\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", json.len());
        visit.write(head + json)
    });
    let files = Origin::ok();
    let proxy = Run::at([files.addr(), api.addr(), files.addr()]).conf(ON).conf("limits { requests: 1 }").start();
    let mut waits = Client::https(&proxy);
    waits.send(asked("GET", "/a", "Authorization: Bearer a.b.c\r\n"));
    api.wait_requests(1);
    let mut other = Client::https(&proxy);
    other.send(asked("GET", "/b", "Authorization: Bearer d.e.f\r\n")).answer().assert_fault(503, "proxy; overloaded");
    gate.open();
    assert_eq!(waits.answer().status, 401);
}
