//! Parking: a quiet connection gives its buffers back; its client never notices.

use crate::support::*;
use std::time::Duration;

/// A proxy that parks connections after a moment, in front of `origin`.
fn parking(origin: &Origin, timeouts: &str) -> Proxy {
    Run::to(origin)
        .conf(&format!("timeouts {{ park: \"50ms\", {timeouts} }}"))
        .conf("log { filter: \"info,clearway::connection=debug\" }")
        .start()
}

/// How often a connection was parked so far.
fn count(proxy: &Proxy) -> usize {
    proxy.events().json().iter().filter(|event| event["message"] == "connection parked").count()
}

/// Waits until connections were parked `times` times.
fn parked(proxy: &Proxy, times: usize) {
    let mut seen = 0;
    proxy.events().wait_line(&format!("parking for the {times}th time"), |line| {
        // Called for each line from the first one on, each time a line comes.
        if line.contains("\"listening\"") {
            seen = 0;
        }
        seen += usize::from(line.contains("connection parked"));
        seen >= times
    });
}

#[test]
fn a_parked_connection_serves_on() {
    let origin = Origin::script(|visit| {
        loop {
            let request = visit.request()?;
            visit.write(ok(&request.body.len().to_string()))?;
        }
    });
    let proxy = parking(&origin, "");
    let mut client = Client::https(&proxy);
    for round in 0..4 {
        let body = "x".repeat(round * 70_000);
        let answer = client.send(post(API, &format!("/{round}"), &body)).answer();
        assert_eq!((answer.status, answer.text()), (200, body.len().to_string()));
        assert!(!answer.fields.to_string().to_ascii_lowercase().contains("connection: close"), "{}", answer.fields);
        parked(&proxy, round + 1);
    }
}

#[test]
fn the_http_listener_and_unused_connections_park_too() {
    let origin = Origin::ok();
    let proxy = parking(&origin, "");
    let (mut plain, mut unused) = (Client::http(&proxy), Client::https(&proxy));
    assert_eq!(plain.get(APP, "/").status, 308);
    parked(&proxy, 2);
    assert_eq!(plain.get(APP, "/").status, 308);
    assert_eq!(unused.get(API, "/").status, 200);
}

#[test]
fn requests_that_come_while_it_parks_are_served_once() {
    let origin = Origin::script(|visit| {
        loop {
            let request = visit.request()?;
            visit.write(ok(&request.head.line))?;
        }
    });
    let proxy = Run::to(&origin).conf("timeouts { park: \"10ms\" }").start();
    let mut client = Client::https(&proxy);
    for round in 0..200_u32 {
        let path = format!("/{round}");
        let answer = client.get(API, &path);
        assert_eq!((answer.status, answer.text()), (200, format!("GET {path} HTTP/1.1")));
        // From well before the moment to well behind it.
        assert!(!client.poll(Duration::from_micros(6_000 + u64::from(round) * 40)), "nothing comes by itself");
    }
    assert_eq!(origin.requests().len(), 200);
}

#[test]
fn pipelined_requests_wake_it_and_keep_their_order() {
    let origin = Origin::script(|visit| {
        loop {
            let request = visit.request()?;
            visit.write(ok(&request.head.line))?;
        }
    });
    let proxy = parking(&origin, "");
    let mut client = Client::https(&proxy);
    assert_eq!(client.get(API, "/first").status, 200);
    parked(&proxy, 1);
    // More than is read at once while it wakes.
    let paths = (0..20).map(|number| format!("/{number}-{}", "p".repeat(40))).collect::<Vec<_>>();
    client.send(paths.iter().map(|path| get(API, path)).collect::<String>());
    for path in paths {
        assert_eq!(client.answer().text(), format!("GET {path} HTTP/1.1"));
    }
}

#[test]
fn half_a_head_keeps_it_awake_and_under_its_deadline() {
    let origin = Origin::ok();
    let proxy = parking(&origin, "head: \"400ms\"");
    for start in ["G", "GET /half HTTP/1.1\r\n"] {
        let mut client = Client::https(&proxy);
        let before = count(&proxy);
        assert_eq!(client.get(API, "/whole").status, 200);
        parked(&proxy, before + 1);
        client.send(start);
        assert!(!client.poll(Duration::from_millis(150)), "three times as long as a quiet connection may be");
        assert_eq!(count(&proxy), before + 1, "half a head is not quiet");
        client.send(&get(API, "/half")[start.len()..]);
        assert_eq!(client.answer().status, 200);
        client.send(start);
        client.answer().assert_fault(408, "client; head_timeout");
        client.end();
    }
}

#[test]
fn a_running_request_is_not_parked() {
    let release = Gate::default();
    let gate = release.clone();
    let origin = Origin::script(move |visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")?;
        gate.wait();
        visit.write("lf")
    });
    let proxy = parking(&origin, "");
    let mut client = Client::https(&proxy);
    client.send(get(API, "/slow"));
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.bytes(2), b"ha");
    assert!(!client.poll(Duration::from_millis(200)));
    assert_eq!(count(&proxy), 0);
    release.open();
    assert_eq!(client.bytes(2), b"lf");
    parked(&proxy, 1);
}

#[test]
fn a_body_behind_an_early_answer_is_not_parked() {
    let origin = Origin::script(|visit| {
        visit.head()?;
        visit.write("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
    });
    let proxy = parking(&origin, "");
    let mut client = Client::https(&proxy);
    // What looks like a request inside the body must stay body.
    let body = format!("{}{}", "x".repeat(60_000), get(API, "/smuggled"));
    let head = format!("POST /early HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: {}\r\n\r\n", body.len());
    client.send(head).send(&body[..60_000]);
    assert_eq!(client.answer().status, 401);
    assert!(!client.poll(Duration::from_millis(200)), "the connection waits for the rest");
    assert_eq!(count(&proxy), 0, "a body is still arriving");
    assert_eq!(client.send(&body[60_000..]).get(FILES, "/next").status, 401);
    parked(&proxy, 1);
    assert!(!proxy.output().text().contains("/smuggled"));
}

#[test]
fn a_parked_connection_is_closed_when_it_was_idle_for_too_long() {
    let origin = Origin::ok();
    let proxy = parking(&origin, "keep_alive: \"400ms\"");
    for mut client in [Client::https(&proxy), Client::http(&proxy)] {
        client.get(APP, "/");
        assert_eq!(client.end(), End::Closed, "with a closing alert, without a word");
    }
    parked(&proxy, 2);
}

#[test]
fn a_stop_closes_parked_connections_at_once() {
    let origin = Origin::ok();
    let mut proxy = parking(&origin, "");
    let mut clients = [Client::https(&proxy), Client::http(&proxy)];
    for client in &mut clients {
        client.get(APP, "/");
    }
    parked(&proxy, 2);
    proxy.terminate();
    for mut client in clients {
        assert_eq!(client.end(), End::Closed);
    }
    assert_eq!(proxy.wait().code(), Some(0));
    assert_eq!(proxy.event("stopped")["cut"], 0);
}

#[test]
fn a_client_that_leaves_a_parked_connection_gives_its_place_back() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin)
        .conf("timeouts { park: \"50ms\" }\nlimits { connections: 1 }")
        .conf("log { filter: \"info,clearway::connection=debug\" }")
        .start();
    for (times, leave) in [|mut client: Client| client.finish_sending(), drop, Client::reset].into_iter().enumerate() {
        let mut client = Client::https(&proxy);
        assert_eq!(client.get(API, "/").status, 200);
        parked(&proxy, times + 1);
        leave(client);
    }
    Client::https(&proxy).assert_open();
}

#[test]
fn a_parked_connection_can_still_become_a_tunnel() {
    let origin = Origin::script(|visit| {
        let request = visit.request()?;
        if !request.head.line.contains("/socket") {
            return visit.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }
        visit.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")?;
        loop {
            let piece = visit.some()?;
            visit.write(piece)?;
        }
    });
    let proxy = parking(&origin, "");
    let mut client = Client::https(&proxy);
    assert_eq!(client.get(APP, "/").status, 200);
    parked(&proxy, 1);
    client.send(format!(
        "GET /socket HTTP/1.1\r\nHost: {APP}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nearly"
    ));
    assert_eq!(client.any_answer("GET").status, 101);
    assert_eq!(client.bytes(5), b"early");
    assert!(!client.poll(Duration::from_millis(200)));
    assert_eq!(client.send("late").bytes(4), b"late");
    assert_eq!(count(&proxy), 1, "a tunnel is not parked");
}
