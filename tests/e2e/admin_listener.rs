//! The admin listener: what it shows, to whom, and how it comes and goes.

use crate::support::*;
use std::fs;
use std::net::{SocketAddr, TcpListener};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn shown(origin: &Origin) -> Run {
    Run::to(origin).conf("admin.listen: \"127.0.0.1:0\"\nreload { watch: false }")
}

fn ask(addr: SocketAddr, path: &str, fields: &str) -> Answer {
    Client::tcp(addr).send(format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n{fields}\r\n")).answer()
}

/// Sends its question until nobody takes it any more.
fn closes(addr: SocketAddr) -> bool {
    (0..3_000).any(|_| {
        std::net::TcpStream::connect(addr).is_err() || {
            std::thread::sleep(std::time::Duration::from_millis(10));
            false
        }
    })
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn health_and_readiness_are_told_with_strict_fields() {
    let origin = Origin::ok();
    let proxy = shown(&origin).start();
    let health = ask(proxy.admin(), "/healthz", "");
    assert_eq!((health.status, health.text().as_str()), (200, "ok\n"));
    let ready = ask(proxy.admin(), "/readyz", "");
    assert_eq!(ready.status, 200);
    let lines =
        ["workers: 1 of 1 accept", "app: 1 of 1 targets up", "api: 1 of 1 targets up", "files: 1 of 1 targets up"];
    assert_eq!(ready.text(), format!("ready\n{}\n", lines.join("\n")));
    let missing = ask(proxy.admin(), "/status", "");
    assert_eq!(missing.status, 404);
    let posted = Client::tcp(proxy.admin()).send("POST /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").answer();
    assert_eq!((posted.status, posted.field("allow").as_str()), (405, "GET"));
    for answer in [health, ready, missing, posted] {
        assert!(answer.field("content-security-policy").starts_with("default-src 'none'; frame-ancestors 'none'"));
        assert_eq!(answer.field("x-content-type-options"), "nosniff");
        assert_eq!(answer.field("x-frame-options"), "DENY");
        assert_eq!(answer.field("referrer-policy"), "no-referrer");
        assert_eq!(answer.field("cross-origin-resource-policy"), "same-origin");
        assert_eq!(answer.field("cache-control"), "no-store");
        assert!(!answer.has("access-control-allow-origin"));
    }
}

#[test]
fn a_service_in_maintenance_is_told_and_changes_no_readiness() {
    let origin = Origin::ok();
    let proxy = shown(&origin).start();
    assert_eq!(proxy.command(&["maintenance", "on", "api"]).0, 0);
    assert_eq!(proxy.command(&["drain", "files"]).0, 0);
    let ready = ask(proxy.admin(), "/readyz", "");
    assert_eq!(ready.status, 200);
    assert!(
        ready.text().contains("api: 1 of 1 targets up; maintenance\nfiles: 0 of 1 targets up\n"),
        "{}",
        ready.text()
    );
}

#[test]
fn names_that_others_can_lead_here_are_refused() {
    let origin = Origin::ok();
    let proxy = shown(&origin).conf("admin.names: \"clearway.internal\"").start();
    let mut client = Client::tcp(proxy.admin());
    for (host, status) in [
        ("127.0.0.1", 200),
        ("localhost:9180", 200),
        ("clearway.internal:9180", 200),
        ("evil.example", 421),
        ("evil.example:9180", 421),
        (APP, 421),
    ] {
        let answer = client.send(format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n")).answer();
        assert_eq!(answer.status, status, "{host}");
    }
    let absolute = client.send("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").answer();
    assert_eq!(absolute.status, 421);
}

#[test]
fn the_token_is_demanded_and_may_be_changed() {
    let origin = Origin::ok();
    let proxy = shown(&origin).conf("admin.token_file: \"token\"");
    // The folder is made by the start, and the token must be there before.
    let output = proxy.fail();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot read the admin token") && said.contains("admin.token_file"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, TOKEN).unwrap();
    let proxy = shown(&origin).conf(&format!("admin.token_file: \"{}\"", file.display())).start();
    let refused = ask(proxy.admin(), "/", "");
    assert_eq!(refused.status, 401);
    assert_eq!(refused.fields.all("www-authenticate").len(), 2);
    assert_eq!(ask(proxy.admin(), "/", &format!("Authorization: Bearer {TOKEN}\r\n")).status, 200);
    assert_eq!(ask(proxy.admin(), "/", &format!("Authorization: Bearer {TOKEN}0\r\n")).status, 401);
    // "any:" and the token.
    let basic = "Authorization: Basic YW55OjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm\r\n";
    assert_eq!(ask(proxy.admin(), "/", basic).status, 200);
    assert_eq!(ask(proxy.admin(), "/readyz", "").text(), "ready\n", "without the token it is one word");
    assert!(ask(proxy.admin(), "/readyz", basic).text().contains("api: "));
    fs::write(&file, "fedcba9876543210").unwrap();
    assert!(proxy.reload(1));
    assert_eq!(ask(proxy.admin(), "/", basic).status, 401);
    assert_eq!(ask(proxy.admin(), "/", "Authorization: Bearer fedcba9876543210\r\n").status, 200);
    fs::write(&file, "short").unwrap();
    assert!(!proxy.reload(2), "a token that is none is refused");
    assert_eq!(ask(proxy.admin(), "/", "Authorization: Bearer fedcba9876543210\r\n").status, 200);
    let (code, _, said) = proxy.command(&["check"]);
    assert_eq!(code, 1);
    assert!(said.contains("holds no admin token"), "{said}");
}

#[test]
fn it_appears_moves_and_goes_with_a_reload() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("reload { watch: false }").start();
    let (first, second) = (free_port(), free_port());
    proxy.edit(|conf| format!("{conf}admin.listen: \"{first}\"\n"));
    assert!(proxy.reload(1));
    assert_eq!(ask(first, "/healthz", "").status, 200);
    let mut kept = Client::tcp(first);
    assert_eq!(kept.get("localhost", "/healthz").status, 200);
    proxy.edit(|conf| conf.replace(&first.to_string(), &second.to_string()));
    assert!(proxy.reload(2));
    assert_eq!(ask(second, "/healthz", "").status, 200);
    kept.end();
    assert!(closes(first));
    proxy.edit(|conf| conf.replace(&format!("admin.listen: \"{second}\"\n"), ""));
    assert!(proxy.reload(3));
    assert!(closes(second));
    assert_eq!(Client::https(&proxy).get(API, "/").status, 200);
}

#[test]
fn while_it_stops_it_is_not_ready_and_says_so() {
    let release = Gate::default();
    let gate = release.clone();
    let origin = Origin::script(move |visit| {
        visit.request()?;
        gate.wait();
        visit.write(ok("finished"))
    });
    let mut proxy = shown(&origin).start();
    let mut client = Client::https(&proxy);
    client.send(get(API, "/"));
    origin.wait_requests(1);
    assert_eq!(ask(proxy.admin(), "/readyz", "").status, 200);
    proxy.terminate();
    proxy.event("stopping");
    let ready = ask(proxy.admin(), "/readyz", "");
    assert_eq!((ready.status, ready.text().lines().next().unwrap()), (503, "not ready: stopping"));
    assert_eq!(ask(proxy.admin(), "/healthz", "").status, 200, "it lives, and finishes what runs");
    release.open();
    assert_eq!(client.answer().text(), "finished");
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn a_new_process_takes_it_over() {
    let origin = Origin::ok();
    // Sockets are known by the address that they were asked for, so it must be one.
    let mut proxy = Run::to(&origin).conf(&format!("admin.listen: \"{}\"", free_port())).start();
    let (code, out, err) = proxy.command(&["upgrade", "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    let pid = serde_json::from_str::<serde_json::Value>(&out).unwrap()["pid"].as_u64().unwrap();
    let _successor = Successor::of(u32::try_from(pid).unwrap());
    assert_eq!(proxy.left().code(), Some(0));
    assert_eq!(ask(proxy.admin(), "/readyz", "").status, 200);
}

#[test]
fn more_connections_than_allowed_are_closed() {
    let origin = Origin::ok();
    let proxy = shown(&origin).conf("admin.connections: 2").start();
    let mut open = [Client::tcp(proxy.admin()), Client::tcp(proxy.admin())];
    for client in &mut open {
        assert_eq!(client.get("localhost", "/healthz").status, 200);
    }
    Client::tcp(proxy.admin()).end();
    assert_eq!(open[0].get("localhost", "/healthz").status, 200, "those that are there stay");
}

#[test]
fn heads_are_bounded() {
    let origin = Origin::ok();
    let proxy = shown(&origin).start();
    let long = format!("X-Long: {}\r\n", "x".repeat(64 * 1024));
    let mut client = Client::tcp(proxy.admin());
    // It may be cut off before all of it is sent.
    let _ = client.try_send(format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{long}\r\n"));
    let rest = client.rest();
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", rest.escape_ascii());
    assert_eq!(ask(proxy.admin(), "/healthz", "").status, 200);
}
