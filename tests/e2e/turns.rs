//! Turns: slots of targets, who waits for them and who goes first, bodies gathered before.

use crate::support::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// One slot, and all that is said about waiting.
pub(crate) const ONE: &str = "log { filter: \"debug\" }\nservices { api { concurrency: 1, queue_time: \"15s\" } }";

pub(crate) fn call(id: &str, path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {API}\r\nX-Request-Id: {id}\r\n{fields}\r\n")
}

pub(crate) fn by_worker(id: &str, worker: &str) -> String {
    call(id, "/tasks.get_all", &format!("X-ClearML-Client: clearml-2.1.12\r\nX-ClearML-Worker: {worker}\r\n"))
}

/// A connection that has sent `request` and waits for a slot by now.
pub(crate) fn waiting(proxy: &Proxy, request: &str, id: &str) -> Client {
    let mut client = Client::https(proxy);
    client.send(request);
    proxy
        .events()
        .wait(&format!("{id} waits"), |event| event["message"] == "waits for a slot" && event["request_id"] == id);
    client
}

/// A target that answers nothing until the gate opens.
pub(crate) fn gated() -> (Origin, Gate) {
    let gate = Gate::default();
    let behind = gate.clone();
    let origin = Origin::script(move |visit| {
        loop {
            visit.request()?;
            behind.wait();
            visit.write(ok("ok"))?;
        }
    });
    (origin, gate)
}

pub(crate) fn ids(origin: &Origin) -> Vec<String> {
    origin.requests().iter().map(|request| request.head.fields.one("x-request-id")).collect()
}

/// A request that holds the only slot, until the gate opens.
pub(crate) fn holding(proxy: &Proxy, origin: &Origin) -> Client {
    let mut client = Client::https(proxy);
    client.send(call("holds", "/tasks.get_all", ""));
    origin.wait_requests(1);
    client
}

#[test]
fn a_target_works_on_as_many_requests_as_it_has_slots() {
    let (running, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let top = Arc::clone(&most);
    let origin = Origin::script(move |visit| {
        loop {
            visit.request()?;
            top.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(5));
            running.fetch_sub(1, Ordering::SeqCst);
            visit.write(ok("ok"))?;
        }
    });
    let mut proxy = Run::to(&origin)
        .conf("workers: 2\nlog { filter: \"debug\" }\nservices { api { concurrency: 3, queue_time: \"15s\" } }")
        .start();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = Client::https(&proxy);
                for _ in 0..10 {
                    assert_eq!(client.get(API, "/tasks.get_all").status, 200);
                }
            });
        }
    });
    proxy.stop();
    assert_eq!((origin.requests().len(), most.load(Ordering::SeqCst)), (160, 3));
    assert!(proxy.counted("clearway_queued_total") > 0);
    let queued = proxy.output().json().iter().filter(|line| line["queue_ms"].as_f64() > Some(1.0)).count();
    assert!(queued > 0, "the wait shows in the log");
}

#[test]
fn people_go_before_programs_and_those_before_bulk() {
    let (origin, gate) = gated();
    let proxy = Run::to(&origin).conf(ONE).start();
    let mut held = vec![holding(&proxy, &origin)];
    let sdk = "X-ClearML-Client: clearml-2.1.12\r\nX-ClearML-Worker: w\r\n";
    for (id, path, fields) in [
        ("bulk", "/organization.download_for_get_all", sdk),
        ("program", "/events.add_batch", sdk),
        ("person", "/tasks.get_all_ex", "X-Allegro-Client: Webapp-2.3.0\r\n"),
    ] {
        held.push(waiting(&proxy, &call(id, path, fields), id));
    }
    gate.open();
    held.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
    assert_eq!(ids(&origin), ["holds", "person", "program", "bulk"]);
}

#[test]
fn one_worker_that_floods_keeps_nobody_waiting_for_all_of_it() {
    let (origin, gate) = gated();
    let proxy = Run::to(&origin).conf(ONE).start();
    let mut held = vec![holding(&proxy, &origin)];
    for number in 0..10 {
        let id = format!("flood-{number}");
        held.push(waiting(&proxy, &by_worker(&id, "runaway"), &id));
    }
    held.push(waiting(&proxy, &by_worker("other", "gpu-1"), "other"));
    gate.open();
    held.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
    assert_eq!(ids(&origin)[..4], ["holds", "flood-0", "other", "flood-1"]);
}

#[test]
fn in_a_full_queue_the_one_who_fills_it_makes_room() {
    let (origin, gate) = gated();
    let mut proxy = Run::to(&origin).conf(ONE).conf("services { api { queue: 3 } }").start();
    let mut first = holding(&proxy, &origin);
    let [mut a, mut b, mut c] = ["a", "b", "c"].map(|id| waiting(&proxy, &by_worker(id, "runaway"), id));
    let refused = Client::https(&proxy).send(by_worker("d", "runaway")).answer();
    refused.assert_fault(503, "target; queue_full");
    assert_eq!(refused.field("retry-after"), "5");
    let mut other = waiting(&proxy, &by_worker("other", "gpu-1"), "other");
    c.answer().assert_fault(503, "target; queue_full");
    gate.open();
    for client in [&mut first, &mut a, &mut b, &mut other] {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(ids(&origin), ["holds", "a", "other", "b"]);
    proxy.stop();
    assert_eq!(proxy.counted("clearway_limit_queue_total"), 2);
}

#[test]
fn who_waits_too_long_is_told_so_and_reaches_no_target() {
    let (origin, gate) = gated();
    let mut proxy = Run::to(&origin).conf(ONE).conf("services { api { queue_time: \"100ms\" } }").start();
    let mut first = holding(&proxy, &origin);
    let late = Client::https(&proxy).get(API, "/late");
    late.assert_fault(503, "target; queue_timeout");
    assert!(late.field("retry-after").parse::<u32>().unwrap() > 0);
    let record = proxy.record(&late);
    assert!(record["queue_ms"].as_f64() >= Some(100.0), "{record}");
    gate.open();
    assert_eq!(first.answer().status, 200);
    assert_eq!(Client::https(&proxy).get(API, "/next").status, 200, "the slot is free again");
    proxy.stop();
    assert_eq!((origin.requests().len(), proxy.counted("clearway_timeout_queue_total")), (2, 1));
}

#[test]
fn who_leaves_while_waiting_reaches_no_target() {
    let (origin, gate) = gated();
    let proxy = Run::to(&origin).conf(ONE).start();
    let mut first = holding(&proxy, &origin);
    let leaves = waiting(&proxy, &call("leaves", "/leaves", ""), "leaves");
    let mut stays = waiting(&proxy, &call("stays", "/stays", ""), "stays");
    leaves.reset();
    assert_eq!(proxy.record_of("/leaves")["fault"], "client_gone");
    gate.open();
    assert_eq!((first.answer().status, stays.answer().status), (200, 200));
    assert_eq!(ids(&origin), ["holds", "stays"]);
}

#[test]
fn a_slot_comes_back_however_a_request_ends() {
    let origin = Origin::script(|visit| {
        let line = visit.request()?.head.line;
        if line.contains("/breaks") {
            return Ok(());
        }
        if line.contains("/truncated") {
            return visit.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        }
        if line.contains("/silent") {
            return visit.drain();
        }
        visit.write(ok("ok"))
    });
    let proxy = Run::to(&origin).conf(ONE).conf("timeouts { first_byte: \"100ms\" }").start();
    for (path, status) in [("/breaks", 502), ("/fine", 200), ("/silent", 504), ("/fine", 200)] {
        assert_eq!(Client::https(&proxy).get(API, path).status, status, "{path}");
    }
    let mut client = Client::https(&proxy);
    client.send(get(API, "/truncated")).any_answer("GET");
    assert_eq!(Client::https(&proxy).get(API, "/fine").status, 200);
}

#[test]
fn another_target_with_a_free_slot_is_used_before_anybody_waits() {
    let ((one, gate), (two, other_gate)) = (gated(), gated());
    let targets = format!("services {{ api {{ targets: [\"{}\", \"{}\"] }} }}", one.addr(), two.addr());
    let proxy = Run::to(&one).conf(ONE).conf(&targets).start();
    let mut clients = [Client::https(&proxy), Client::https(&proxy)];
    for client in &mut clients {
        client.send(get(API, "/"));
    }
    one.wait_requests(1);
    two.wait_requests(1);
    let mut third = waiting(&proxy, &call("third", "/", ""), "third");
    gate.open();
    other_gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
    assert_eq!(third.answer().status, 200);
}

#[test]
fn a_slow_sender_of_a_small_body_keeps_no_slot() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(ONE).start();
    let mut slow = Client::https(&proxy);
    slow.send(format!("GET /events.add_batch HTTP/1.1\r\nHost: {API}\r\nContent-Length: 6\r\n\r\nabc"));
    assert_eq!(Client::https(&proxy).get(API, "/quick").status, 200);
    assert_eq!(origin.requests().len(), 1);
    slow.send("def");
    assert_eq!(slow.answer().status, 200);
    assert_eq!(
        (origin.last().body, origin.last().head.fields.one("content-length")),
        (b"abcdef".to_vec(), "6".to_owned())
    );
    let http2 = Http2::connect(&proxy);
    assert_eq!(http2.send(body_of("GET", API, "/tasks.create", "over two")).status, 200);
    assert_eq!(origin.last().body, b"over two");
}

#[test]
fn who_leaves_in_the_middle_of_a_small_body_reaches_no_target() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(format!("GET /left HTTP/1.1\r\nHost: {API}\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n"));
    assert_eq!(client.head().status(), 100, "the body is asked for");
    client.send("abc");
    client.reset();
    assert_eq!(proxy.record_of("/left")["fault"], "client_gone");
    let mut client = Client::https(&proxy);
    client.send(format!("GET /ended HTTP/1.1\r\nHost: {API}\r\nContent-Length: 6\r\n\r\nabc"));
    client.finish_sending();
    proxy.record_of("/ended");
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_small_body_has_to_come_in_time() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("timeouts { slow_body: \"100ms\" }").start();
    let mut client = Client::https(&proxy);
    client.send(format!("GET /slow HTTP/1.1\r\nHost: {API}\r\nContent-Length: 6\r\n\r\na"));
    client.answer().assert_fault(408, "client; slow_body");
    assert_eq!(origin.connections(), 0);
}

#[test]
fn streaming_bodies_have_slots_of_their_own() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(ONE).conf("services { api { uploads: 1 } }").start();
    let large = 64 * 1024 + 1;
    let upload = |id: &str| {
        format!(
            "POST /events.add_batch HTTP/1.1\r\nHost: {API}\r\nX-Request-Id: {id}\r\nContent-Length: {large}\r\n\r\n"
        )
    };
    let mut first = Client::https(&proxy);
    first.send(upload("first")).send("x");
    origin.wait_connections(1);
    let mut second = waiting(&proxy, &upload("second"), "second");
    assert_eq!(Client::https(&proxy).get(API, "/quick").status, 200);
    let body = pattern(large);
    first.send(&body[1..]);
    assert_eq!(first.answer().status, 200);
    second.send(&body);
    assert_eq!(second.answer().status, 200);
    assert_eq!(origin.last().body, body);
}

#[test]
fn bodies_that_find_no_room_stream() {
    let origin = Origin::ok();
    let mut proxy = Run::to(&origin).conf("log { filter: \"debug\" }\nlimits { gathered: 4 }").start();
    let mut client = Client::https(&proxy);
    client.send(format!("POST /streams HTTP/1.1\r\nHost: {API}\r\nContent-Length: 6\r\n\r\nabc"));
    origin.wait_connections(1);
    client.send("def");
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.send(post(API, "/kept", "abcd")).answer().status, 200);
    proxy.stop();
    assert_eq!(proxy.counted("clearway_limit_gathered_total"), 1);
}

#[test]
fn a_backup_does_not_help_out_where_the_others_are_only_busy() {
    let (origin, gate) = gated();
    let backup = Origin::ok();
    let list = format!("[\"{}\", {{ address: \"{}\", backup: true }}]", origin.addr(), backup.addr());
    let proxy = Run::to(&origin).conf(ONE).conf(&format!("services {{ api {{ targets: {list} }} }}")).start();
    let mut first = holding(&proxy, &origin);
    let mut second = waiting(&proxy, &call("waits", "/tasks.get_all", ""), "waits");
    gate.open();
    assert_eq!((first.answer().status, second.answer().status), (200, 200));
    assert_eq!((origin.requests().len(), backup.requests().len()), (2, 0));
}
