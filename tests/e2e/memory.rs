//! Memory: the process refuses requests before it is killed, goes on when it has room again, and keeps nothing that it
//! does not need.

use crate::support::*;
use std::thread;
use std::time::{Duration, Instant};

/// Sends without end on `/flood`; answers everything else.
fn flooding() -> Origin {
    let flood = vec![b'x'; 1 << 20];
    Origin::script(move |visit| {
        loop {
            if !visit.request()?.head.line.contains("/flood") {
                visit.write(ok("ok"))?;
                continue;
            }
            visit.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")?;
            loop {
                visit.write(&flood)?;
            }
        }
    })
}

#[test]
fn over_its_memory_it_answers_503_and_below_it_serves_again() {
    let origin = flooding();
    let mut idle = Proxy::to(&origin);
    let idle_kib = idle.resident_kib();
    idle.stop();
    let proxy = Run::to(&origin).conf(&format!("limits {{ memory: {} }}", (idle_kib + 16 * 1024) * 1024)).start();
    let mut client = Client::https(&proxy);
    assert_eq!(client.get(API, "/").status, 200);
    // Each of them keeps the buffers of an answer that nobody takes.
    let mut floods = Vec::new();
    let refused = loop {
        assert!(floods.len() < 500, "{idle_kib} KiB at first, {} with 500 floods", proxy.resident_kib());
        let mut flood = Client::https(&proxy);
        match flood.send(get(FILES, "/flood")).head().status() {
            200 => floods.push(flood),
            status => break status,
        }
    };
    assert_eq!(refused, 503);
    proxy.event("limits.memory is reached");
    let answer = client.get(API, "/");
    answer.assert_fault(503, "proxy; overloaded");
    assert_eq!(answer.field("retry-after"), "5");
    // What runs is not cut.
    assert_eq!(floods[0].bytes(100_000).len(), 100_000);
    drop(floods);
    // Some ends of floods may not have been noticed yet.
    let mut served = || client.get(API, "/").status == 200 || client.poll(Duration::from_millis(100));
    assert!((0..200).any(|_| served()), "no request is taken though nothing runs");
}

#[test]
fn with_few_requests_nothing_is_refused_whatever_the_memory() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("limits { memory: \"1B\" }").start();
    proxy.event("limits.memory is reached");
    for _ in 0..20 {
        assert_eq!(Client::https(&proxy).get(API, "/").status, 200);
    }
}

/// Waits until there are `count` of the gauge `name`.
fn wait_gauge(proxy: &Proxy, name: &str, count: usize) {
    let begun = Instant::now();
    let line = format!("\n{name} {count}\n");
    while !Client::tcp(proxy.admin()).get("localhost", "/metrics").text().contains(&line) {
        assert!(begun.elapsed() < DEADLINE, "{name} does not become {count}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the process has no more than `kib` in memory.
fn wait_resident(proxy: &Proxy, kib: u64) {
    let begun = Instant::now();
    while proxy.resident_kib() > kib {
        assert!(begun.elapsed() < DEADLINE, "{} KiB are kept, more than {kib}", proxy.resident_kib());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_connections_need_no_longer_goes_back_to_the_system_though_nothing_happens() {
    const COUNT: usize = 400;
    let origin = Origin::ok();
    let proxy = Run::to(&origin)
        .conf("timeouts { park: \"50ms\", head: \"10m\" }\nworkers: 1")
        .conf("admin.listen: \"127.0.0.1:0\"")
        .start();
    let (begin, end) = ("GET / HTTP/1.1\r\n", format!("Host: {API}\r\n\r\n"));
    // Twice: a thread of the start that ends late could do the first time by chance.
    for _ in 0..2 {
        Client::https(&proxy).get(API, "/");
        wait_gauge(&proxy, "clearway_connections", 0);
        let before = proxy.resident_kib();
        // With half a head none of them is parked, however long it takes until all are there.
        let mut clients = (0..COUNT).map(|_| Client::https(&proxy)).collect::<Vec<_>>();
        for client in &mut clients {
            client.send(begin);
        }
        let mut peak = before;
        for client in &mut clients {
            peak = peak.max(proxy.resident_kib());
            assert_eq!(client.send(&end).answer().status, 200);
        }
        wait_gauge(&proxy, "clearway_parked_connections", COUNT);
        let grown = peak - before;
        wait_resident(&proxy, before + grown * 3 / 4);
        drop(clients);
        wait_resident(&proxy, before + grown / 3);
    }
}
