//! Hold: requests wait while no target accepts, and go on when one does.

use crate::support::*;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Each has one call under way at a time.
const CLIENTS: usize = 16;

/// A target that serves each request on a connection of its own, as ClearML's servers do.
fn serving(port: Port) -> Origin {
    Origin::on(port.listen(128), |visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
    })
}

/// A target that accepts and closes, as a port forwarder does for a container that starts.
fn closing(port: Port) -> Origin {
    Origin::on(port.listen(128), |_| Ok(()))
}

fn gone(origin: Origin) -> SocketAddr {
    let addr = origin.addr();
    drop(origin);
    addr
}

#[test]
fn a_restart_of_the_target_fails_no_call() {
    let first = serving(Port::closed());
    let addr = first.addr();
    let proxy = Run::at([addr; 3]).conf("health { enabled: true }").start();
    let load = Load::start(&proxy, CLIENTS);
    load.wait(100);
    let seen = first.requests().len();
    gone(first);
    // Refused for a while, then accepted and closed, then served.
    proxy.event("target is not well");
    let starting = closing(Port::again(addr));
    starting.wait_connections(4);
    let closed = starting.connections();
    gone(starting);
    let second = serving(Port::again(addr));
    load.wait(200);
    let outcome = load.end();
    assert_eq!(outcome.failed, [0_u16; 0], "{outcome:?}");
    // Of a call whose bytes were taken nobody knows what became: those that ran when the target went away, those that
    // were accepted and closed, and those that the kernel had accepted when that ended.
    assert!(outcome.retried.len() <= 2 * CLIENTS + closed, "{closed} were accepted and closed: {outcome:?}");
    assert!(outcome.good >= 300 && seen >= 100, "{outcome:?}");
    let calls = second.requests().into_iter().map(|request| request.asked().to_owned());
    let mut paths = calls.filter(|asked| asked.starts_with("POST ")).collect::<Vec<_>>();
    let count = paths.len();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), count, "no request twice");
    proxy.event("target is back");
}

#[test]
fn waiting_requests_dial_no_storm() {
    let port = Port::closed();
    let addr = port.addr();
    let proxy = Run::at([addr; 3]).conf("timeouts { hold: \"9s\" }").start();
    let mut clients = (0..40).map(|_| Client::https(&proxy)).collect::<Vec<_>>();
    for client in &mut clients {
        client.send(get(API, "/waits"));
    }
    // The last one has been dialled for by now: a request on a connection of its own is answered at once.
    assert!(!clients[39].poll(Duration::from_millis(400)));
    let begun = Instant::now();
    let origin = closing(port);
    // A look at most every 50 ms, and not one for each of the 40.
    assert!(!clients[0].poll(Duration::from_millis(1_000)));
    let looks = origin.connections();
    let most = begun.elapsed().as_millis() / 50 + 5;
    assert!(looks >= 2 && looks as u128 <= most, "{looks} connections, {most} at most");
    gone(origin);
    let origin = serving(Port::again(addr));
    for client in &mut clients {
        assert_eq!(client.answer().text(), "ok");
    }
    assert_eq!(origin.requests().len(), 40);
}

#[test]
fn more_than_may_wait_are_refused_at_once() {
    let port = Port::closed();
    let conf = "timeouts { hold: \"9s\" }\nlimits { held_requests: 2 }";
    let proxy = Run::at([port.addr(); 3]).conf(conf).start();
    let mut held = [Client::https(&proxy), Client::https(&proxy)];
    for client in &mut held {
        client.send(get(API, "/held"));
        assert!(!client.poll(Duration::from_millis(200)));
    }
    let begun = Instant::now();
    let answer = Client::https(&proxy).get(API, "/one-too-many");
    answer.assert_fault(503, "target; target_unreachable");
    assert!(answer.has("retry-after") && begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    // Another service has places of its own.
    let mut other = Client::https(&proxy);
    other.send(get(FILES, "/held-too"));
    assert!(!other.poll(Duration::from_millis(200)));
    let _origin = serving(port);
    for client in held.iter_mut().chain([&mut other]) {
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn what_waiting_requests_keep_is_limited() {
    let port = Port::closed();
    let conf = "timeouts { hold: \"9s\" }\nlimits { held_bytes: 10KiB }";
    let proxy = Run::at([port.addr(); 3]).conf(conf).start();
    let large = format!("GET /large HTTP/1.1\r\nHost: {API}\r\nX-Large: {}\r\n\r\n", "x".repeat(8_000));
    let mut held = Client::https(&proxy);
    held.send(&large);
    assert!(!held.poll(Duration::from_millis(200)));
    Client::https(&proxy).send(&large).answer().assert_fault(503, "target; target_unreachable");
    let _origin = serving(port);
    assert_eq!(held.answer().status, 200);
}

#[test]
fn a_client_that_leaves_while_it_waits_gives_its_place_back() {
    let port = Port::closed();
    let conf = "timeouts { hold: \"9s\" }\nlimits { held_requests: 1 }";
    let proxy = Run::at([port.addr(); 3]).conf(conf).start();
    let mut first = Client::https(&proxy);
    first.send(get(API, "/leaves"));
    assert!(!first.poll(Duration::from_millis(200)));
    first.reset();
    proxy.record_of("/leaves");
    let mut second = Client::https(&proxy);
    second.send(get(API, "/stays"));
    assert!(!second.poll(Duration::from_millis(200)));
    let origin = serving(port);
    assert_eq!(second.answer().status, 200);
    assert_eq!(origin.request().asked(), "GET /stays");
}

#[test]
fn a_target_that_closes_every_probe_but_serves_is_found_out_by_a_trial() {
    // Answers nothing but what is asked for by clients.
    let origin = Origin::script(|visit| {
        let head = visit.head()?;
        if head.fields.all("user-agent") == ["clearway"] {
            return Ok(());
        }
        visit.request_after(head)?;
        visit.write(ok("served"))
    });
    let conf = "health { enabled: true, interval: \"100ms\", down_after: 1 }\ntimeouts { hold: \"500ms\" }";
    let proxy = Run::to(&origin).conf(conf).start();
    proxy.event("target is not well");
    assert_eq!(Client::https(&proxy).get(API, "/trial").text(), "served");
}
