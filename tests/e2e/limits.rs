//! Limits: each has its own answer, and the process goes on.

use crate::support::*;

#[test]
fn a_target_too_long_gets_414() {
    let refusing = Refusing::with("limits { target: \"2KiB\" }");
    let long = format!("/{}", "x".repeat(4_000));
    refusing.check(&[414], get(API, &long));
    refusing.check(&[414], get(API, &format!("/?{long}")));
    assert_eq!(Http2::connect(&refusing.proxy).send(empty("GET", API, &long)).status, 414);
    refusing.nothing_passed();
}

#[test]
fn an_enormous_target_gets_414_by_default() {
    let refusing = Refusing::start();
    refusing.check(&[414], get(API, &format!("/{}", "x".repeat(17 * 1024))));
    refusing.check(&[414, 431], get(API, &format!("/{}", "x".repeat(1 << 20))));
    refusing.nothing_passed();
}

#[test]
fn a_head_too_large_gets_431() {
    let refusing = Refusing::with("limits { head: \"16KiB\" }");
    let large = format!("X-Large: {}\r\n", "x".repeat(17 * 1024));
    let many = (0..40).map(|number| format!("X-{number}: {}\r\n", "x".repeat(1_000))).collect::<String>();
    for lines in [large, many] {
        refusing.check(&[431], format!("GET / HTTP/1.1\r\nHost: {API}\r\n{lines}\r\n"));
        refusing.check_plain(&[431], format!("GET / HTTP/1.1\r\nHost: {APP}\r\n{lines}\r\n"));
    }
    refusing.nothing_passed();
}

#[test]
fn too_many_fields_get_431() {
    let refusing = Refusing::with("limits { headers: 50 }");
    let lines = (0..60).map(|number| format!("X-{number}: x\r\n")).collect::<String>();
    refusing.check(&[431], format!("GET / HTTP/1.1\r\nHost: {API}\r\n{lines}\r\n"));
    refusing.nothing_passed();
}

#[test]
fn what_is_just_below_the_limits_passes() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let cookie = format!("Cookie: {}\r\n", "x".repeat(48 * 1024));
    let lines = (0..90).map(|number| format!("X-{number}: x\r\n")).collect::<String>();
    let path = format!("/{}", "x".repeat(15 * 1024));
    for (path, lines) in [("/", cookie.as_str()), ("/", lines.as_str()), (path.as_str(), "")] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {API}\r\n{lines}\r\n"));
        assert_eq!(client.answer().status, 200);
    }
    let http2 = Http2::connect(&proxy);
    let mut request = empty("GET", API, "/");
    request.headers_mut().insert("cookie", "x".repeat(48 * 1024).parse().unwrap());
    assert_eq!(http2.send(request).status, 200);
}

#[test]
fn an_endless_head_ends() {
    let refusing = Refusing::with("limits { linger: \"1MiB\" }");
    let mut client = Client::https(&refusing.proxy);
    client.send(format!("GET / HTTP/1.1\r\nHost: {API}\r\n"));
    let line = format!("X-Endless: {}\r\n", "x".repeat(8_000));
    let mut sent = 0;
    while sent < 16 << 20 && client.try_send(&line).is_ok() {
        sent += line.len();
    }
    assert!(sent < 16 << 20, "16 MiB of head were taken");
    refusing.nothing_passed();
}

#[test]
fn a_method_too_long_is_refused() {
    let refusing = Refusing::start();
    refusing.check(&[400, 431, 501], format!("{} / HTTP/1.1\r\nHost: {API}\r\n\r\n", "M".repeat(10_000)));
    refusing.nothing_passed();
}

#[test]
fn a_body_over_the_services_limit_gets_413() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("services { api { max_body: \"64KiB\" } }").start();
    let mut client = Client::https(&proxy);
    let large = "x".repeat(100_000);
    // The body may still be on its way when the answer comes.
    let _closed = client.try_send(post(API, "/large", &large));
    let answer = client.answer();
    answer.assert_fault(413, "client; body_too_large");
    assert!(!answer.has("retry-after"), "the SDK would repeat it for ever");
    assert_eq!(origin.connections(), 0, "a length that is too large is seen before anything is sent");
    let mut client = Client::https(&proxy);
    assert_eq!(client.send(post(API, "/small", &large[..65_536])).answer().status, 200);
    assert_eq!(client.send(post(FILES, "/other-service", &large)).answer().status, 200);
    let http2 = Http2::connect(&proxy);
    http2.send(body_of("POST", API, "/large", large)).assert_fault(413, "client; body_too_large");
}

#[test]
fn a_chunked_body_over_the_limit_is_cut() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    let proxy = Run::to(&origin).conf("services { api { max_body: \"64KiB\" } }").start();
    let mut client = Client::https(&proxy);
    client.send(format!("POST / HTTP/1.1\r\nHost: {API}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let _closed = client.try_send(format!("{chunk}{chunk}{chunk}0\r\n\r\n"));
    client.answer().assert_fault(413, "client; body_too_large");
    assert_eq!(origin.requests().len(), 0, "never completed");
}

#[test]
fn requests_over_the_limit_of_the_process_get_503_to_try_again() {
    let held = Gate::default();
    let gate = held.clone();
    let origin = Origin::script(move |visit| {
        visit.request()?;
        gate.wait();
        visit.write(ok("late"))
    });
    let proxy = Run::to(&origin).conf("limits { requests: 2 }").start();
    let mut waiting = [Client::https(&proxy), Client::https(&proxy)];
    for client in &mut waiting {
        client.send(get(API, "/held"));
    }
    origin.wait_requests(2);
    let answer = Client::https(&proxy).get(API, "/third");
    answer.assert_fault(503, "proxy; overloaded");
    assert!(answer.has("retry-after"));
    held.open();
    for client in &mut waiting {
        assert_eq!(client.answer().text(), "late");
    }
}

#[test]
fn connections_over_the_limit_wait_and_are_served_later() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("limits { connections: 1 }").start();
    let mut first = Client::https(&proxy);
    assert_eq!(first.get(API, "/first").status, 200);
    let second = std::thread::spawn({
        let addr = proxy.https();
        move || Client::tls(addr, API, Pki::shared().client(&["http/1.1"])).unwrap().get(API, "/second").status
    });
    assert_eq!(first.get(API, "/first-again").status, 200);
    drop(first);
    assert_eq!(second.join().unwrap(), 200);
}

#[test]
fn a_targets_head_that_is_too_large_is_a_bad_answer() {
    let large = format!("HTTP/1.1 200 OK\r\nX-Large: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(100 * 1024));
    let origin = Origin::answering(large);
    let proxy = Proxy::to(&origin);
    Client::https(&proxy).get(API, "/").assert_fault(502, "target; bad_answer");
}
