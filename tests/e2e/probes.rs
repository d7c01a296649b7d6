//! Probes: what targets are asked, and what follows from their answers.

use crate::support::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const OFTEN: &str = "health { enabled: true, interval: \"100ms\", slow_start: \"0s\" }";

fn is_probe(request: &Received) -> bool {
    request.head.fields.all("user-agent") == ["clearway"]
}

/// A target that gives `probed` to probes while `sick`, and serves everything else.
fn sometimes(probed: &'static str, sick: &Arc<AtomicBool>, name: &'static str) -> Origin {
    let sick = Arc::clone(sick);
    Origin::script(move |visit| {
        loop {
            let request = visit.request()?;
            match is_probe(&request) && sick.load(Ordering::Relaxed) {
                true if probed.is_empty() => visit.drain()?,
                true => visit.write(probed)?,
                false => visit.write(ok(name))?,
            }
        }
    })
}

fn two(first: &Origin, second: &Origin, more: &str) -> Proxy {
    let list = format!("[\"{}\", \"{}\"]", first.addr(), second.addr());
    Run::to(second).conf(&format!("services {{ api {{ targets: {list} }} }}")).conf(more).start()
}

fn probes(origin: &Origin) -> Vec<Received> {
    origin.requests().into_iter().filter(is_probe).collect()
}

fn wait_probes(origin: &Origin, count: usize) {
    let begun = Instant::now();
    while probes(origin).len() < count {
        assert!(begun.elapsed() < DEADLINE, "{} probes", probes(origin).len());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn each_service_is_asked_what_clearml_answers_without_credentials() {
    let origins = [Origin::ok(), Origin::ok(), Origin::ok()];
    let _proxy = Run::at([0, 1, 2].map(|place: usize| origins[place].addr())).conf(OFTEN).start();
    for (origin, path) in origins.iter().zip(["/version.json", "/debug.ping", "/"]) {
        wait_probes(origin, 1);
        let probe = &probes(origin)[0];
        assert_eq!(probe.asked(), format!("GET {path}"));
        let expected = ["accept", "connection", "host", "user-agent"];
        assert_eq!(probe.head.fields.names(), expected, "no credentials");
        assert_eq!(probe.field("host"), origin.addr().to_string());
    }
}

#[test]
fn bad_probes_move_requests_to_the_other_target_until_good_ones_come() {
    let sick = Arc::new(AtomicBool::new(true));
    for (probed, reason) in [
        ("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "status 500 to GET /debug.ping"),
        ("HTTP/1.1 302 No\r\nContent-Length: 0\r\n\r\n", "status 302 to GET /debug.ping"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "in the answer to GET /debug.ping"),
        ("", "no answer to GET /debug.ping within 300ms"),
    ] {
        sick.store(true, Ordering::Relaxed);
        let (bad, good) = (sometimes(probed, &sick, "bad"), Origin::answering(ok("good")));
        let proxy = two(&bad, &good, &format!("{OFTEN}\nhealth.timeout: \"300ms\""));
        let event = proxy.event("target is not well");
        assert_eq!((event["service"].as_str(), event["state"].as_str()), (Some("api"), Some("down")), "{event}");
        assert!(event["reason"].as_str().unwrap().contains(reason), "{event}");
        assert_eq!(event["address"], bad.addr().to_string());
        let mut client = Client::https(&proxy);
        for _ in 0..12 {
            assert_eq!(client.get(API, "/").text(), "good");
        }
        sick.store(false, Ordering::Relaxed);
        proxy.event("target is back");
        let names = (0..40).map(|_| client.get(API, "/").text()).collect::<Vec<_>>();
        assert!(names.iter().any(|name| name == "bad"), "it is used again");
        let lines = proxy.events().json().iter().filter(|event| event["message"] == "target is not well").count();
        assert_eq!(lines, 1, "said once");
    }
}

#[test]
fn the_only_target_is_used_whatever_its_probes_say() {
    let sick = Arc::new(AtomicBool::new(true));
    let origin = sometimes("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", &sick, "served");
    let proxy = Run::to(&origin).conf(OFTEN).start();
    proxy.event("target is not well");
    let mut client = Client::https(&proxy);
    for host in [APP, API, FILES] {
        assert_eq!(client.get(host, "/").text(), "served");
    }
}

#[test]
fn other_statuses_can_be_expected_and_other_paths_asked() {
    let sick = Arc::new(AtomicBool::new(true));
    let origin = sometimes("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", &sick, "served");
    let expected = "probe: \"/own?a=1\", probe_status: [200, \"401-403\"]";
    let services = ["app", "api", "files"].map(|name| format!("services {{ {name} {{ {expected} }} }}"));
    let proxy = Run::to(&origin).conf(OFTEN).conf(&services.join("\n")).start();
    wait_probes(&origin, 15);
    assert!(probes(&origin).iter().all(|probe| probe.asked() == "GET /own?a=1"));
    assert!(!proxy.events().text().contains("not well"), "{}", proxy.events().text());
}

#[test]
fn errors_of_the_application_do_not_count_against_a_target() {
    let failing = Origin::script(|visit| {
        loop {
            let request = visit.request()?;
            let answer = if is_probe(&request) { ok("ok") } else { ok("bad").replace("200 OK", "500 Error") };
            visit.write(answer)?;
        }
    });
    let good = Origin::answering(ok("good"));
    let proxy = two(&failing, &good, &format!("{OFTEN}\nhealth.eject_after: 1"));
    let mut client = Client::https(&proxy);
    let statuses = (0..60).map(|_| client.get(API, "/").status).collect::<Vec<_>>();
    assert!(statuses[40..].contains(&500) && statuses[40..].contains(&200), "{statuses:?}");
    assert!(!proxy.events().text().contains("not well"));
}

#[test]
fn requests_broken_off_in_a_row_take_a_target_out_though_its_probes_are_good() {
    let breaking = Origin::script(|visit| {
        let request = visit.request()?;
        if is_probe(&request) { visit.write(ok("ok")) } else { Ok(()) }
    });
    let good = Origin::answering(ok("good"));
    let proxy = two(&breaking, &good, &format!("{OFTEN}\nhealth {{ eject_after: 3, eject_for: \"1m\" }}"));
    let mut client = Client::https(&proxy);
    let mut broken = 0;
    for _ in 0..60 {
        match client.get(API, "/").status {
            200 => {}
            502 => broken += 1,
            other => panic!("status {other}"),
        }
    }
    assert_eq!(broken, 3);
    let event = proxy.event("target is not well");
    assert_eq!(event["state"], "ejected", "{event}");
}

#[test]
fn a_target_has_one_watcher_whatever_the_number_of_workers() {
    let origin = Origin::ok();
    let port = Port::closed();
    let targets = [port.addr(), origin.addr(), port.addr()];
    let conf = "workers: 4\nhealth { enabled: true, interval: \"400ms\" }";
    let proxy = Run::at(targets).conf(conf).start();
    wait_probes(&origin, 1);
    let begun = Instant::now();
    wait_probes(&origin, 6);
    assert!(begun.elapsed() > Duration::from_millis(5 * 360), "five pauses took {:?}", begun.elapsed());
    assert_eq!(Client::https(&proxy).get(API, "/").status, 200);
}

#[test]
fn a_stop_does_not_wait_for_a_probe() {
    let origin = Origin::script(|visit| visit.drain());
    let mut proxy = Run::to(&origin).conf("health { enabled: true, timeout: \"1h\" }").start();
    origin.wait_connections(3);
    let begun = Instant::now();
    assert_eq!(proxy.stop().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
