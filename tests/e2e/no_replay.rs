//! No replay: a request is sent again only when not one byte of it can have reached a target.

use crate::support::*;
use std::time::{Duration, Instant};

fn requests() -> [String; 4] {
    [
        get(API, "/v2.23/queues.get_next_task"),
        post(API, "/v2.23/tasks.create", "{}"),
        format!("GET /v2.23/events.add_batch HTTP/1.1\r\nHost: {API}\r\nContent-Length: 2\r\n\r\n{{}}"),
        format!("PUT / HTTP/1.1\r\nHost: {API}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"),
    ]
}

#[test]
fn a_target_that_reads_and_closes_sees_each_request_once() {
    let origin = Origin::script(|visit| visit.request().map(drop));
    let proxy = Proxy::to(&origin);
    for (number, request) in requests().iter().enumerate() {
        let mut client = Client::https(&proxy);
        client.send(request).answer().assert_fault(502, "target; target_broke_off");
        assert_eq!(origin.requests().len(), number + 1, "{request:?}");
    }
    let http2 = Http2::connect(&proxy);
    http2.send(body_of("GET", API, "/", "{}")).assert_fault(502, "target; target_broke_off");
    assert_eq!((origin.requests().len(), origin.connections()), (5, 5));
}

#[test]
fn a_target_that_reads_and_resets_sees_each_request_once() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.reset()
    });
    let proxy = Proxy::to(&origin);
    for request in requests() {
        let answer = Client::https(&proxy).send(request).answer();
        assert_eq!((answer.status, answer.has("retry-after")), (502, false));
    }
    assert_eq!((origin.requests().len(), origin.connections()), (4, 4));
}

#[test]
fn a_pooled_connection_that_dies_with_the_request_is_not_replaced() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write(ok("first"))?;
        visit.request().map(drop)
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    assert_eq!(client.get(API, "/first").text(), "first");
    client.get(API, "/second").assert_fault(502, "target; target_broke_off");
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn a_pooled_connection_closed_while_idle_costs_nothing() {
    // Closes behind each answer without having said so.
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write(ok("ok"))
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for round in 1..=30 {
        let answer = client.send(post(API, "/round", "{}")).answer();
        assert_eq!(answer.status, 200, "round {round}: {}", answer.text());
        origin.wait_ended(round);
    }
    assert_eq!(origin.requests().len(), 30);
}

#[test]
fn connections_are_used_again_where_the_target_keeps_them() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for _ in 0..10 {
        assert_eq!(client.get(API, "/").status, 200);
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_target_that_closes_each_time_is_dialled_each_time() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for _ in 0..20 {
        let answer = client.get(API, "/");
        assert_eq!((answer.status, answer.has("connection")), (200, false), "the client's connection is kept");
    }
    assert_eq!(origin.connections(), 20);
}

#[test]
fn nothing_listening_is_503_within_the_hold() {
    let port = Port::closed();
    let proxy = Run::at([port.addr(); 3]).conf("timeouts { hold: \"500ms\" }").start();
    for request in requests() {
        let start = Instant::now();
        let answer = Client::https(&proxy).send(request).answer();
        answer.assert_fault(503, "target; target_unreachable");
        assert!(answer.field("retry-after").parse::<u32>().unwrap() > 0);
        assert!(start.elapsed() < Duration::from_secs(9), "the SDK's first call waits 10 s");
    }
    let http2 = Http2::connect(&proxy);
    http2.send(empty("GET", API, "/")).assert_fault(503, "target; target_unreachable");
}

#[test]
fn nothing_listening_is_503_in_time_by_default() {
    let port = Port::closed();
    let proxy = Run::at([port.addr(); 3]).start();
    let start = Instant::now();
    Client::https(&proxy).get(API, "/auth.login").assert_fault(503, "target; target_unreachable");
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
}

#[test]
fn a_target_that_does_not_answer_the_dial_is_503_and_not_504() {
    // A queue of one, filled by ourselves: further dials are neither taken nor refused.
    let port = Port::closed();
    let addr = port.addr();
    let _listener = port.listen(0);
    let filled = (0..4).map(|_| nonblocking_dial(addr)).collect::<Vec<_>>();
    let proxy = Run::at([addr; 3]).conf("timeouts { connect: \"200ms\", hold: \"600ms\" }").start();
    Client::https(&proxy).get(API, "/").assert_fault(503, "target; target_unreachable");
    drop(filled);
}

fn nonblocking_dial(addr: std::net::SocketAddr) -> socket2::Socket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let _in_progress = socket.connect(&addr.into());
    socket
}

#[test]
fn a_target_that_starts_within_the_hold_is_waited_for() {
    let port = Port::closed();
    let proxy = Run::at([port.addr(); 3]).conf("timeouts { hold: \"9s\" }").start();
    let mut client = Client::https(&proxy);
    client.send(post(API, "/waits", "{}"));
    // Served on the same connection, so the first request has been dialled for by now.
    assert!(!client.poll(Duration::from_millis(300)), "nothing can have answered yet");
    let origin = Origin::on(port.listen(128), |visit| {
        visit.request()?;
        visit.write(ok("up"))
    });
    assert_eq!(client.answer().text(), "up");
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_target_that_comes_back_is_used_again() {
    let port = Port::closed();
    let proxy = Run::at([port.addr(); 3]).conf("timeouts { hold: \"100ms\" }").start();
    let mut client = Client::https(&proxy);
    assert_eq!(client.get(API, "/down").status, 503);
    let _origin = Origin::on(port.listen(128), |visit| {
        visit.request()?;
        visit.write(ok("up"))
    });
    assert_eq!(client.get(API, "/up").status, 200);
}

#[test]
fn one_dead_target_of_two_is_not_noticed() {
    let dead = Port::closed();
    let origin = Origin::ok();
    let targets = format!("targets: [\"{}\", \"{}\"]", dead.addr(), origin.addr());
    let proxy = Run::to(&origin).conf(&format!("services {{ api {{ {targets} }} }}")).start();
    let mut client = Client::https(&proxy);
    for _ in 0..10 {
        assert_eq!(client.send(post(API, "/", "{}")).answer().status, 200);
    }
    assert_eq!(origin.requests().len(), 10);
}

#[test]
fn a_silent_target_is_504_after_the_first_byte_limit() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.drain()
    });
    let proxy = Run::to(&origin).conf("timeouts { first_byte: \"300ms\" }").start();
    for request in requests() {
        let answer = Client::https(&proxy).send(request).answer();
        answer.assert_fault(504, "target; no_answer");
    }
    origin.wait_ended(4);
    assert_eq!(origin.requests().len(), 4);
}

#[test]
fn the_first_byte_limit_starts_behind_the_upload() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("timeouts { first_byte: \"700ms\" }").start();
    let mut client = Client::https(&proxy);
    client.send(format!("POST / HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 5\r\n\r\n"));
    for byte in b"hello" {
        // The upload takes longer than the limit, each byte on its own less.
        assert!(!client.poll(Duration::from_millis(250)), "answered before the upload was done");
        client.send([*byte]);
    }
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_client_that_gives_up_ends_its_request_at_the_target() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.drain()
    });
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(get(API, "/given-up"));
    origin.wait_requests(1);
    client.reset();
    origin.wait_ended(1);
    let record = proxy.record_of("/given-up");
    assert_eq!((record["status"].as_u64(), record["fault"].as_str()), (Some(499), Some("client_gone")), "{record}");
}
