//! Hold: requests wait while no target accepts, and go on when one does.

use crate::support::*;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

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

/// The same port once nobody has it any more.
fn again(addr: SocketAddr) -> Port {
    let begun = Instant::now();
    loop {
        match Port::take(addr) {
            Ok(port) => return port,
            Err(error) => assert!(begun.elapsed() < DEADLINE, "{error}"),
        }
        thread::yield_now();
    }
}

/// Clients as the SDK is: one connection each, one request after another, tried again on 429, 502 and 503.
struct Load {
    calls: Arc<AtomicUsize>,
    stop: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<Outcome>>,
}

#[derive(Default, Debug)]
struct Outcome {
    good: usize,
    retried: Vec<u16>,
    failed: Vec<u16>,
}

impl Load {
    fn start(proxy: &Proxy, clients: usize) -> Self {
        let (calls, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads = (0..clients).map(|number| {
            let mut client = Client::https(proxy);
            let (calls, stop) = (Arc::clone(&calls), Arc::clone(&stop));
            thread::spawn(move || {
                let mut outcome = Outcome::default();
                for call in 0.. {
                    if stop.load(Ordering::Relaxed) > 0 {
                        break;
                    }
                    let path = format!("/v2.23/events.add_batch?{number}-{call}");
                    loop {
                        let answer = client.send(post(API, &path, "{}")).answer();
                        match answer.status {
                            200 => break outcome.good += 1,
                            status @ (429 | 502 | 503) => outcome.retried.push(status),
                            status => break outcome.failed.push(status),
                        }
                    }
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                outcome
            })
        });
        Self { threads: threads.collect(), calls, stop }
    }

    /// Waits for so many more finished calls.
    fn wait(&self, more: usize) {
        let (begun, before) = (Instant::now(), self.calls.load(Ordering::Relaxed));
        while self.calls.load(Ordering::Relaxed) < before + more {
            assert!(begun.elapsed() < DEADLINE, "the load stands still");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(self) -> Outcome {
        self.stop.store(1, Ordering::Relaxed);
        let outcomes = self.threads.into_iter().map(|thread| thread.join().unwrap());
        outcomes.fold(Outcome::default(), |mut all, one| {
            all.good += one.good;
            all.retried.extend(one.retried);
            all.failed.extend(one.failed);
            all
        })
    }
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
    let load = Load::start(&proxy, 16);
    load.wait(100);
    let seen = first.requests().len();
    gone(first);
    // Refused for a while, then accepted and closed, then served.
    proxy.event("target is not well");
    let starting = closing(again(addr));
    starting.wait_connections(4);
    gone(starting);
    let second = serving(again(addr));
    load.wait(200);
    let outcome = load.end();
    assert_eq!(outcome.failed, [0_u16; 0], "{outcome:?}");
    assert!(outcome.retried.len() <= 16, "only what ran when it went away: {outcome:?}");
    assert!(outcome.good >= 300 && seen >= 100, "{outcome:?}");
    let mut paths = second.requests().iter().map(|request| request.asked().to_owned()).collect::<Vec<_>>();
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
    let origin = closing(port);
    // A look at most every 50 ms, and not one for each of the 40.
    assert!(!clients[0].poll(Duration::from_millis(1_000)));
    let looks = origin.connections();
    assert!((2..=25).contains(&looks), "{looks} connections in a second");
    gone(origin);
    let origin = serving(again(addr));
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
