//! Handing over to a new process: no connection is lost, and one that cannot start changes nothing.

use crate::support::*;
use serde_json::Value;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;

fn upgrade(proxy: &Proxy) -> Successor {
    let (code, out, err) = proxy.command(&["upgrade", "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    let view = serde_json::from_str::<Value>(&out).unwrap();
    assert_eq!(view["version"], env!("CARGO_PKG_VERSION"));
    Successor::of(u32::try_from(view["pid"].as_u64().unwrap()).unwrap())
}

#[test]
fn a_new_process_takes_the_sockets_and_the_old_one_finishes() {
    let origin = Origin::ok();
    let mut proxy = Run::to(&origin).conf("timeouts.leave: 1s").start();
    let body = pattern(1 << 20);
    let mut upload = Client::https(&proxy);
    upload.send(format!("POST / HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: {}\r\n\r\n", body.len()));
    upload.send(&body[..1 << 19]);
    origin.wait_bytes(1_000);
    let mut kept = Client::https(&proxy);
    assert_eq!(kept.get(API, "/").status, 200);
    assert_eq!(proxy.command(&["maintenance", "on", "app", "--for", "10m"]).0, 0);
    let old = proxy.pid();
    let successor = upgrade(&proxy);
    assert_ne!(successor.pid(), old);
    let (code, out, _) = proxy.command(&["status", "--json"]);
    assert_eq!(code, 0, "the new process has the admin socket");
    let view = serde_json::from_str::<Value>(&out).unwrap();
    assert_eq!(view["pid"], successor.pid());
    assert!(view["services"][0]["maintenance"].is_object(), "what an operator said goes along: {view}");
    assert_eq!(Client::https(&proxy).get(API, "/").status, 200, "on the same port");
    let last = kept.get(API, "/");
    assert_eq!((last.status, last.field("connection")), (200, "close".into()), "the old one's last answer");
    upload.send(&body[1 << 19..]);
    assert_eq!(upload.answer().status, 200);
    assert!(origin.requests().iter().any(|request| request.body == body));
    assert_eq!(proxy.left().code(), Some(0));
    assert_eq!(Client::https(&proxy).get(API, "/").status, 200);
    // And once more, from the one that was started so.
    let third = upgrade(&proxy);
    assert_ne!(third.pid(), successor.pid());
    assert_eq!(Client::https(&proxy).get(API, "/").status, 200);
}

#[test]
fn every_listener_keeps_its_port_where_all_asked_for_any() {
    let origins = ["app", "api", "files"].map(|name| Origin::answering(ok(name)));
    let any = "listeners.legacy { app: [\"127.0.0.1:0\"], api: [\"127.0.0.1:0\"], files: [\"127.0.0.1:0\"] }\n\
               admin.listen: \"127.0.0.1:0\"\nworkers: 2";
    let mut proxy = Run::at([origins[0].addr(), origins[1].addr(), origins[2].addr()]).conf(any).start();
    let check = |proxy: &Proxy| {
        assert_eq!(Client::https(proxy).get(API, "/").text(), "api");
        assert_eq!(Client::http(proxy).get(APP, "/").status, 308);
        for service in ["app", "api", "files"] {
            assert_eq!(Client::tcp(proxy.legacy(service)).get("old-host", "/").text(), service);
        }
        assert_eq!(Client::tcp(proxy.admin()).get("localhost", "/healthz").text(), "ok\n");
    };
    check(&proxy);
    let successor = upgrade(&proxy);
    assert_eq!(proxy.left().code(), Some(0));
    check(&proxy);
    let _third = upgrade(&proxy);
    drop(successor);
    check(&proxy);
}

#[test]
fn a_process_that_cannot_start_changes_nothing() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("reload { watch: false }").start();
    proxy.edit(|conf| conf + "workerz: 3\n");
    let (code, out, _) = proxy.command(&["upgrade"]);
    assert_eq!(code, 1);
    assert!(out.contains("workerz"), "{out}");
    assert_eq!(Client::https(&proxy).get(API, "/").status, 200);
    let view = serde_json::from_str::<Value>(&proxy.command(&["status", "--json"]).1).unwrap();
    assert_eq!(view["pid"], proxy.pid());
    proxy.edit(|conf| conf.replace("workerz: 3\n", ""));
    let _successor = upgrade(&proxy);
}

#[test]
fn no_request_fails_over_three_upgrades() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("workers: 2\ntimeouts.leave: 2s").start();
    let uploaders = Uploaders::start(&proxy);
    let mut successors = Vec::new();
    for _ in 0..3 {
        successors.push(upgrade(&proxy));
        uploaders.wait(12);
    }
    uploaders.end();
}

#[test]
fn the_service_manager_is_told() {
    let origin = Origin::ok();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let next = || loop {
        let mut bytes = [0; 1_024];
        let count = socket.recv(&mut bytes).unwrap();
        let text = String::from_utf8(bytes[..count].to_vec()).unwrap();
        if text != "WATCHDOG=1" {
            break text;
        }
    };
    let mut proxy = Run::to(&origin)
        .conf("reload { watch: false }\ntimeouts.leave: 100ms")
        .environment("NOTIFY_SOCKET", path.to_str().unwrap())
        .environment("WATCHDOG_USEC", "4000000")
        .start();
    assert_eq!(next(), "READY=1\nSTATUS=serving");
    assert!(proxy.reload(1));
    let text = next();
    let (first, second) = text.split_once('\n').unwrap();
    assert_eq!(first, "RELOADING=1");
    let micros = second.strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().unwrap();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime = uptime.split('.').next().unwrap().parse::<u64>().unwrap();
    assert!((micros / 1_000_000).abs_diff(uptime) < 30, "{micros} at an uptime of {uptime} s");
    assert_eq!(next(), "READY=1\nSTATUS=serving");
    let mut bytes = [0; 64];
    let count = socket.recv(&mut bytes).unwrap();
    assert_eq!(&bytes[..count], b"WATCHDOG=1", "a sign of life in each period");
    let successor = upgrade(&proxy);
    assert_eq!(next(), format!("MAINPID={}", successor.pid()));
    assert_eq!(next(), "READY=1\nSTATUS=serving", "from the new process");
    assert_eq!(proxy.left().code(), Some(0));
    successor.terminate();
    assert!(next().starts_with("STOPPING=1\n"));
}

#[test]
fn sockets_that_systemd_opened_are_used() {
    let origin = Origin::ok();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    // A client that comes before the proxy waits in the queue.
    let early = std::net::TcpStream::connect(addr).unwrap();
    let proxy = Run::to(&origin).conf("workers: 2").bind(addr).activated(listener);
    assert_eq!(proxy.https(), addr);
    for _ in 0..10 {
        assert_eq!(Client::https(&proxy).get(API, "/").status, 200);
    }
    drop(early);
    // Both went into one queue: nothing else listens there.
    let _successor = upgrade(&proxy);
    assert_eq!(Client::https(&proxy).get(API, "/").status, 200);
}
