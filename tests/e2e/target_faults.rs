//! What targets can do wrong: what the client sees, what each target sees, and that nothing is left behind.

use crate::support::*;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const QUICK: &str = "timeouts { first_byte: \"2s\", target_idle: \"2s\", hold: \"300ms\" }\nlog { filter: debug }";

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n\
                        5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n";

/// The end of the answer's head.
const HEAD: usize = 73;

fn upload(path: &str) -> String {
    post(FILES, path, "0123456789")
}

/// What a target does up to a point where it stands still: bytes of the request that it reads, and of its answer that it
/// gives.
const STALLS: [(usize, usize); 20] = [
    (0, 0),
    (1, 0),
    (20, 0),
    (100, 0),
    (usize::MAX, 0),
    (usize::MAX, 1),
    (usize::MAX, 8),
    (usize::MAX, 12),
    (usize::MAX, 16),
    (usize::MAX, 30),
    (usize::MAX, HEAD - 2),
    (usize::MAX, HEAD - 1),
    (usize::MAX, HEAD),
    (usize::MAX, HEAD + 1),
    (usize::MAX, HEAD + 3),
    (usize::MAX, HEAD + 5),
    (usize::MAX, HEAD + 10),
    (usize::MAX, HEAD + 20),
    (usize::MAX, HEAD + 24),
    (usize::MAX, ANSWER.len() - 2),
];

#[test]
fn a_target_that_stands_still_anywhere_costs_one_request_and_leaves_nothing() {
    assert_eq!(&ANSWER[HEAD - 4..HEAD], b"\r\n\r\n");
    let origin = Origin::script(|visit| {
        let (read, write) = STALLS[visit.number];
        if read == usize::MAX {
            visit.request()?;
        } else {
            visit.bytes(read)?;
        }
        visit.write(&ANSWER[..write])?;
        visit.drain()
    });
    let mut proxy = Run::to(&origin).conf(QUICK).start();
    let files = proxy.open_files();
    // One after another, so that the target knows them by their number; their waits are over at the same time.
    let clients = (0..STALLS.len()).map(|number| {
        let mut client = Client::https(&proxy);
        client.send(upload(&format!("/stall/{number}")));
        origin.wait_connections(number + 1);
        client
    });
    let clients = clients.collect::<Vec<_>>();
    for (number, (mut client, (_, written))) in clients.into_iter().zip(STALLS).enumerate() {
        let answer = client.any_answer("POST");
        if written < HEAD {
            answer.assert_fault(504, "target; no_answer");
        } else {
            assert_eq!((answer.status, answer.end), (200, End::Cut), "point {number}");
            assert!(b"hello world".starts_with(&answer.body), "point {number}");
            assert_eq!(proxy.record(&answer)["fault"], "truncated_answer");
        }
    }
    origin.wait_ended(STALLS.len());
    assert_eq!(origin.connections(), STALLS.len(), "one connection for one request");
    proxy.wait_files(files);
    assert_eq!(proxy.stop().code(), Some(0));
    assert_nothing_left(&proxy);
}

fn assert_nothing_left(proxy: &Proxy) {
    for gauge in ["connections", "requests_in_flight", "tunnels", "pooled_connections", "held_requests"] {
        assert_eq!(proxy.counted(&format!("clearway_{gauge}")), 0, "{gauge}");
    }
    let left = proxy.events().json().into_iter().filter(|event| event["message"] == "stopped").collect::<Vec<_>>();
    assert_eq!(left[0]["cut"], 0, "no task is left: {left:?}");
}

#[test]
fn endings_in_every_place_are_seen_for_what_they_are() {
    // What the target gives before it ends, and how it ends: closed, half closed, reset.
    for (given, end, expected) in [
        ("", "close", Err("target; target_broke_off")),
        ("", "half", Err("target; target_broke_off")),
        ("", "reset", Err("target; target_broke_off")),
        ("HTTP/1.1 200 OK\r\nContent-", "close", Err("target; target_broke_off")),
        ("HTTP/1.1 200 OK\r\nContent-", "reset", Err("target; target_broke_off")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", "close", Ok(End::Cut)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", "half", Ok(End::Cut)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", "reset", Ok(End::Cut)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", "half", Ok(End::Whole)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n", "half", Ok(End::Cut)),
    ] {
        let origin = Origin::script(move |visit| {
            visit.request()?;
            visit.write(given)?;
            match end {
                "half" => {
                    visit.finish_sending()?;
                    visit.drain()
                }
                "reset" => {
                    // What was given has arrived by the time of the next byte from the other side, which never comes.
                    std::thread::sleep(Duration::from_millis(50));
                    visit.reset()
                }
                _ => Ok(()),
            }
        });
        let mut proxy = Run::to(&origin).conf(QUICK).start();
        let files = proxy.open_files();
        let mut client = Client::https(&proxy);
        client.send(upload("/ends"));
        let answer = client.any_answer("POST");
        match expected {
            Err(fault) => answer.assert_fault(502, fault),
            Ok(whole) => assert_eq!((answer.status, answer.end), (200, whole), "{given:?} {end}"),
        }
        assert_eq!(origin.requests().len(), 1, "{given:?} {end}");
        drop(client);
        proxy.wait_files(files);
        assert_eq!(proxy.stop().code(), Some(0));
        assert_nothing_left(&proxy);
    }
}

#[test]
fn a_reset_in_the_middle_of_an_upload_is_told_and_not_repeated() {
    let origin = Origin::script(|visit| {
        visit.bytes(1_000_000)?;
        visit.reset()
    });
    let mut proxy = Run::to(&origin).conf(QUICK).start();
    let files = proxy.open_files();
    let mut client = Client::https(&proxy);
    client.send(format!("POST /reset HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 8000000\r\n\r\n"));
    client.send(pattern(8_000_000));
    client.answer().assert_fault(502, "target; target_broke_off");
    drop(client);
    assert_eq!(origin.connections(), 1);
    proxy.wait_files(files);
    assert_eq!(proxy.stop().code(), Some(0));
    assert_nothing_left(&proxy);
}

/// A target that says which one it is, on a connection for each request.
fn named(name: &'static str) -> Origin {
    Origin::script(move |visit| {
        visit.request()?;
        visit.write(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n{name}"))
    })
}

fn of_api(targets: &[SocketAddr], more: &str) -> Run {
    let list = targets.iter().map(|addr| format!("\"{addr}\"")).collect::<Vec<_>>().join(", ");
    Run::at([targets[0]; 3]).conf(&format!("services {{ api {{ targets: [{list}] }} }}\n{more}"))
}

#[test]
fn one_of_three_may_die_and_come_back() {
    let [a, b, c] = ["a", "b", "c"].map(named);
    let dead = c.addr();
    let targets = [a.addr(), b.addr(), dead];
    let conf = "health { enabled: true, interval: \"200ms\", slow_start: \"0s\" }";
    let proxy = of_api(&targets, conf).start();
    let load = Load::start(&proxy, 8);
    load.wait(200);
    assert!(c.posts() > 10, "all three are used");
    drop(c);
    proxy.event("target is not well");
    load.wait(200);
    let back = Origin::on(Port::again(dead).listen(128), |visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nc")
    });
    proxy.event("target is back");
    load.wait(200);
    let outcome = load.end();
    assert_eq!(outcome.failed, [0_u16; 0], "{outcome:?}");
    assert!(outcome.retried.iter().all(|status| *status == 502) && outcome.retried.len() <= 8, "{outcome:?}");
    assert!(back.posts() > 10, "{} of 200 went to the one that came back", back.posts());
}

#[test]
fn all_may_die_and_requests_wait_for_the_first_to_come_back() {
    let origins = ["a", "b", "c"].map(named);
    let targets = [0, 1, 2].map(|place: usize| origins[place].addr());
    let mut proxy = of_api(&targets, "health { enabled: true }").start();
    let load = Load::start(&proxy, 8);
    load.wait(100);
    drop(origins);
    for _ in 0..3 {
        proxy.event("target is not well");
    }
    let back = Origin::on(Port::again(targets[1]).listen(128), |visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nb")
    });
    load.wait(100);
    let outcome = load.end();
    assert_eq!(outcome.failed, [0_u16; 0], "{outcome:?}");
    assert!(outcome.retried.iter().all(|status| *status == 502) && outcome.retried.len() <= 8, "{outcome:?}");
    assert!(back.posts() >= 90);
    assert_eq!(proxy.stop().code(), Some(0));
    assert_nothing_left(&proxy);
}

#[test]
fn a_flapping_target_costs_waiting_and_a_few_lines() {
    let refusing = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&refusing);
    // Closed at once or served, in turns, as a container that starts again and again.
    let origin = Origin::script(move |visit| {
        if flag.load(Ordering::Relaxed) {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
    });
    let proxy = Run::to(&origin).conf("health { enabled: true, interval: \"100ms\" }").start();
    let load = Load::start(&proxy, 8);
    for _ in 0..5 {
        load.wait(40);
        refusing.store(true, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(300));
        refusing.store(false, Ordering::Relaxed);
    }
    load.wait(40);
    let outcome = load.end();
    assert_eq!(outcome.failed, [0_u16; 0], "{outcome:?}");
    assert!(outcome.retried.iter().all(|status| matches!(status, 502 | 503)), "{outcome:?}");
    let lines = proxy.events().json().iter().filter(|event| event["level"] == "WARN").count();
    // One for each time and each service.
    assert!(lines <= 15, "{lines} lines");
}

#[test]
fn a_target_that_came_back_gets_its_share_slowly() {
    let good = named("a");
    let port = Port::closed();
    let addr = port.addr();
    // By turns: few requests at a time would all go to the one with the larger weight.
    let conf = "health { enabled: true, interval: \"100ms\", slow_start: \"5s\" }\n\
                services { api { balance: round_robin } }";
    let proxy = of_api(&[good.addr(), addr], conf).start();
    let load = Load::start(&proxy, 4);
    proxy.event("target is not well");
    // Long enough for it to be down, and not only unreachable.
    std::thread::sleep(Duration::from_millis(2_500));
    let back = Origin::on(port.listen(128), |visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nb")
    });
    proxy.event("target is back");
    let (before, begun) = (good.posts(), Instant::now());
    while begun.elapsed() < Duration::from_millis(700) {
        load.wait(5);
    }
    let (new, old) = (back.posts(), good.posts() - before);
    load.end();
    assert!(new > 0, "it is used");
    assert!(new * 2 < old, "{new} went to the new one, {old} to the other");
}

#[test]
fn targets_get_their_share_by_weight_and_backups_nothing() {
    let [a, b, c] = ["a", "b", "c"].map(named);
    let list = format!(
        "[{{ address: \"{}\", weight: 3 }}, \"{}\", {{ address: \"{}\", backup: true }}]",
        a.addr(),
        b.addr(),
        c.addr()
    );
    let conf = format!("services {{ api {{ targets: {list}, balance: round_robin }} }}");
    let proxy = Run::to(&a).conf(&conf).start();
    let mut client = Client::https(&proxy);
    for _ in 0..40 {
        assert_eq!(client.send(post(API, "/", "{}")).answer().status, 200);
    }
    assert_eq!([a.posts(), b.posts(), c.posts()], [30, 10, 0]);
}

/// Names and the addresses they lead to, for a proxy with a hosts file of its own.
#[test]
fn a_container_that_comes_back_with_another_address_is_found() {
    let port = Port::closed().addr().port();
    let listen = |ip: &str| Port::take(format!("{ip}:{port}").parse().unwrap()).unwrap().listen(128);
    let serve = |name: &'static str| {
        move |visit: &mut Visit| {
            visit.request()?;
            visit.write(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n{name}"))
        }
    };
    let old = Origin::on(listen("127.0.0.31"), serve("a"));
    let conf = format!("services {{ api {{ targets: [\"container.test:{port}\"] }} }}");
    let proxy = Run::to(&old).conf(&conf).hosts("127.0.0.31 container.test\n").start();
    let mut client = Client::https(&proxy);
    assert_eq!(client.get(API, "/").text(), "a");
    let addr = old.addr();
    drop(old);
    drop(Port::again(addr));
    let _new = Origin::on(listen("127.0.0.32"), serve("b"));
    proxy.set_hosts("127.0.0.32 container.test\n");
    let begun = Instant::now();
    assert_eq!(client.get(API, "/").text(), "b");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    // A name that leads nowhere for a while: the last good answer is used.
    proxy.set_hosts("127.0.0.1 localhost\n");
    for _ in 0..3 {
        assert_eq!(client.get(API, "/").text(), "b");
    }
}

#[test]
fn one_dead_address_of_a_name_costs_no_call() {
    let origin = named("b");
    let port = origin.addr().port();
    let conf = format!("services {{ api {{ targets: [\"both.test:{port}\"] }} }}");
    // The first refuses, the second serves.
    let hosts = "127.0.0.31 both.test\n127.0.0.1 both.test\n";
    let proxy = Run::to(&origin).conf(&conf).hosts(hosts).start();
    let mut client = Client::https(&proxy);
    for _ in 0..10 {
        assert_eq!(client.get(API, "/").text(), "b");
    }
}
