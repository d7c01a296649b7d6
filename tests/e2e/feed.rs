//! What is shown of single requests and of the last seconds: the feed, its stream, `clearway top` and `explain`.

use crate::support::*;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

fn shown(origin: &Origin) -> Run {
    Run::to(origin).conf("admin.listen: \"127.0.0.1:0\"\nreload { watch: false }")
}

fn ask(addr: SocketAddr, path: &str) -> Answer {
    Client::tcp(addr).send(format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n")).answer()
}

/// The feed as soon as it is as wanted.
fn feed(proxy: &Proxy, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let feed = ask(proxy.admin(), "/feed").json();
        if wanted(&feed) {
            return feed;
        }
        assert!(begun.elapsed() < DEADLINE, "{feed:#}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn call(path: &str, worker: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {API}\r\nX-ClearML-Worker: {worker}\r\nX-ClearML-Client: clearml-2.0.2\r\n\r\n"
    )
}

/// One event of a stream: its name and data.
fn event(client: &mut Client) -> (String, Value) {
    let mut text = Vec::new();
    // Each event is one chunk.
    while !text.ends_with(b"\r\n") {
        text.extend(client.bytes(1));
    }
    let size = usize::from_str_radix(std::str::from_utf8(&text).unwrap().trim_end(), 16).unwrap();
    let chunk = String::from_utf8(client.bytes(size + 2)).unwrap();
    let (name, data) = chunk.trim_end().split_once('\n').unwrap();
    let data = data.strip_prefix("data: ").unwrap();
    (name.strip_prefix("event: ").unwrap().to_owned(), serde_json::from_str(data).unwrap())
}

#[test]
fn explain_tells_the_way_of_a_request() {
    let origin = Origin::ok();
    let proxy = shown(&origin).start();
    let answer = Client::https(&proxy).send(call("/v2.30/tasks.get_all?token=secret", "gpu-7:0")).answer();
    let id = answer.field("x-request-id");
    // Written behind the ring, so it is kept by then.
    proxy.record(&answer);
    let (code, out, err) = proxy.command(&["explain", &id]);
    assert_eq!(code, 0, "{err}");
    let target = format!("target   {}: the only target of its service", origin.addr());
    for part in [
        &format!("GET {API}/v2.30/tasks.get_all?token=***"),
        "rule     api. below the domain clearml.test: the API server",
        "service  api (the API server), tasks.get_all",
        &target,
        "answer   200",
        "(clearml-2.0.2), worker gpu-7:0",
        "first byte",
        "in all",
    ] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    let view = ask(proxy.admin(), &format!("/requests/{id}")).json();
    assert_eq!((&view["request"]["status"], &view["request"]["side"]), (&200.into(), &Value::Null));
    let (code, out, err) = proxy.command(&["explain", "no-such-id"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("no request with this id is kept") && err.contains("access log"), "{err}");
    assert_eq!(ask(proxy.admin(), "/requests/no-such-id").status, 404);
}

#[test]
fn an_error_is_told_with_its_side_and_outlives_the_others() {
    let origin = Origin::script(|visit| {
        while !visit.request()?.head.line.contains("tasks.edit") {
            visit.write(ok("{}"))?;
        }
        Ok(())
    });
    let proxy = shown(&origin).conf("recent { requests: 2, errors: 4 }").start();
    let mut client = Client::https(&proxy);
    let broken = client.send(call("/v2.30/tasks.edit", "w")).answer();
    assert_eq!(broken.status, 502);
    let unknown = client.get(COVERED, "/");
    assert_eq!(unknown.status, 404);
    for _ in 0..5 {
        proxy.record(&client.get(API, "/v2.30/tasks.ping"));
    }
    let (code, out, _) = proxy.command(&["explain", &broken.field("x-request-id")]);
    assert_eq!(code, 0);
    assert!(out.contains("Fault of the target (target_broke_off)") && out.contains("closed the connection"), "{out}");
    let seen = feed(&proxy, |feed| feed["errors"]["ours"][0]["id"] == broken.field("x-request-id"));
    let [ours, clients] = ["ours", "clients"].map(|kind| seen["errors"][kind].as_array().unwrap().clone());
    assert_eq!((ours.len(), clients.len()), (1, 1));
    assert_eq!((&ours[0]["side"], &ours[0]["fault"]), (&"target".into(), &"target_broke_off".into()));
    assert_eq!(
        (&clients[0]["fault"], &clients[0]["id"]),
        (&"unknown_host".into(), &unknown.field("x-request-id").into())
    );
    proxy.edit(|conf| conf.replace("recent { requests: 2, errors: 4 }", "recent { requests: 0, errors: 0 }"));
    assert_eq!(proxy.command(&["reload"]).0, 0);
    assert_eq!(proxy.command(&["explain", &broken.field("x-request-id")]).0, 1, "nothing is kept any more");
}

#[test]
fn seconds_and_the_busiest_are_counted() {
    let origin = Origin::ok();
    let proxy = shown(&origin).start();
    let mut client = Client::https(&proxy);
    for _ in 0..7 {
        assert_eq!(client.send(call("/v2.30/tasks.get_all", "gpu-7:0")).answer().status, 200);
    }
    let api = |feed: &Value| {
        let seconds = feed["series"]["seconds"].as_array().unwrap();
        seconds.iter().map(|second| second["api"]["requests"].as_u64().unwrap()).sum::<u64>()
    };
    let seen = feed(&proxy, |feed| api(feed) == 7);
    assert_eq!((&seen["version"], &seen["headline"]["text"]), (&1.into(), &"ClearML is well".into()));
    assert_eq!(
        (&seen["busiest"]["actions"][0]["name"], &seen["busiest"]["actions"][0]["requests"]),
        (&"tasks.get_all".into(), &7.into())
    );
    assert_eq!(seen["busiest"]["workers"][0]["name"], "gpu-7:0");
    let next = seen["series"]["next"].as_u64().unwrap();
    let later = ask(proxy.admin(), &format!("/feed?after={next}")).json();
    assert!(later["series"]["seconds"].as_array().unwrap().iter().all(|second| second["n"].as_u64().unwrap() >= next));
    assert_eq!(ask(proxy.admin(), "/feed?after=x").status, 400);
}

#[test]
fn an_upload_is_shown_while_it_comes() {
    let origin = Origin::ok();
    let proxy = shown(&origin).start();
    let (length, half) = (1_000_000, 400_000);
    let mut client = Client::https(&proxy);
    client.send(format!("POST /model?token=secret HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: {length}\r\n\r\n"));
    client.send(vec![b'x'; half]);
    let seen = feed(&proxy, |feed| feed["uploads"]["list"][0]["bytes"] == half);
    let upload = &seen["uploads"]["list"][0];
    assert_eq!((&upload["length"], &upload["path"]), (&length.into(), &"/model?token=***".into()));
    assert_eq!((&upload["service"], &upload["action"]), (&"files".into(), &"files.upload".into()));
    assert_eq!((&upload["client"], &seen["uploads"]["count"]), (&"127.0.0.1".into(), &1.into()));
    let (_, out, _) = proxy.command(&["top", "--once"]);
    assert!(out.contains("40 %") && out.contains("/model?token=***"), "{out}");
    client.send(vec![b'x'; length - half]);
    assert_eq!(client.answer().status, 200);
    feed(&proxy, |feed| feed["uploads"]["count"] == 0);
}

#[test]
fn a_target_s_history_is_kept_and_the_headline_follows() {
    let (well, port) = (Origin::ok(), Port::closed());
    let targets = format!("services.files.targets: [\"{}\"]", port.addr());
    let often = "health { enabled: true, interval: \"100ms\", slow_start: \"0s\" }";
    let proxy = shown(&well).conf(&targets).conf(often).start();
    let down = feed(&proxy, |feed| feed["headline"]["mood"] == "down");
    assert_eq!(down["headline"]["text"], "The file server is down");
    let target = |feed: &Value| feed["status"]["services"][2]["targets"][0].clone();
    let change = &target(&down)["changes"][0];
    assert_eq!(change["state"], "unreachable");
    assert!(change["reason"].as_str().unwrap().contains("refused") && change["at"].as_str().unwrap().ends_with('Z'));
    let back = Origin::on(port.listen(16), |visit| {
        loop {
            visit.request()?;
            visit.write(ok(""))?;
        }
    });
    let up = feed(&proxy, |feed| feed["headline"]["mood"] == "well");
    let states =
        target(&up)["changes"].as_array().unwrap().iter().map(|change| change["state"].clone()).collect::<Vec<_>>();
    assert_eq!(states.first().unwrap(), "up");
    assert_eq!(states.last().unwrap(), "unreachable");
    drop(back);
}

#[test]
fn the_stream_begins_with_everything_and_ends_with_the_proxy() {
    let origin = Origin::ok();
    let mut proxy = shown(&origin).conf("recent.subscribers: 1").start();
    let follow = |client: &mut Client, addr: SocketAddr| {
        client.send(format!("GET /feed/events HTTP/1.1\r\nHost: {addr}\r\n\r\n"));
    };
    let addr = proxy.admin();
    let mut client = Client::tcp(addr);
    follow(&mut client, addr);
    let head = client.head();
    assert_eq!((head.status(), head.fields.one("content-type").as_str()), (200, "text/event-stream"));
    let (first, second) = (event(&mut client), event(&mut client));
    assert_eq!((first.0.as_str(), second.0.as_str()), ("snapshot", "news"));
    let seconds = second.1["series"]["seconds"].as_array().unwrap();
    assert!(seconds.iter().all(|one| one["n"].as_u64() >= first.1["series"]["next"].as_u64()), "{seconds:?}");
    let refused = ask(addr, "/feed/events");
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("recent.subscribers"), "{}", refused.text());
    proxy.edit(|conf| conf.replace("recent.subscribers: 1", "recent.subscribers: 2"));
    assert_eq!(proxy.command(&["reload"]).0, 0);
    let mut another = Client::tcp(addr);
    follow(&mut another, addr);
    assert_eq!(another.head().status(), 200);
    assert_eq!(proxy.stop().code(), Some(0));
    let rest = String::from_utf8(client.rest()).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the end is told: {rest}");
}

#[test]
fn the_stream_is_on_the_socket_too() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut socket = UnixStream::connect(proxy.folder().join("clearway/admin.sock")).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.write_all(b"GET /feed/events HTTP/1.1\r\nHost: clearway\r\n\r\n").unwrap();
    let mut told = Vec::new();
    while !String::from_utf8_lossy(&told).contains("event: news") {
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&told));
        told.extend_from_slice(&piece[..count]);
    }
    let told = String::from_utf8_lossy(&told);
    assert!(told.contains("text/event-stream") && told.contains("event: snapshot\ndata: {\"version\":1"), "{told}");
}

#[test]
fn foreign_pages_may_not_follow() {
    let origin = Origin::ok();
    let proxy = shown(&origin).start();
    let addr = proxy.admin();
    let from = |site: &str, mode: &str, path: &str| {
        let fields = format!("Host: {addr}\r\nSec-Fetch-Site: {site}\r\nSec-Fetch-Mode: {mode}\r\n");
        Client::tcp(addr).send(format!("GET {path} HTTP/1.1\r\n{fields}\r\n")).answer().status
    };
    assert_eq!(from("cross-site", "no-cors", "/feed"), 403);
    assert_eq!(from("same-site", "cors", "/feed/events"), 403);
    assert_eq!((from("cross-site", "navigate", "/"), from("same-origin", "cors", "/feed")), (200, 200));
}

#[test]
fn the_page_is_served_with_rules_of_its_own() {
    let origin = Origin::ok();
    let proxy = shown(&origin).start();
    for (path, kind) in [
        ("/", "text/html"),
        ("/dashboard.css", "text/css"),
        ("/dashboard.js", "text/javascript"),
        ("/icon.svg", "image/svg"),
    ] {
        let answer = ask(proxy.admin(), path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.field("content-type").starts_with(kind), "{path}");
        let policy = answer.field("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}

#[test]
fn top_once_is_text_and_needs_a_proxy() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    proxy.record(&Client::https(&proxy).send(call("/v2.30/tasks.get_all", "gpu-7:0")).answer());
    // Not a terminal, so it is the same without --once.
    for arguments in [&["top", "--once"][..], &["top"]] {
        let (code, out, err) = proxy.command(arguments);
        assert_eq!((code, err.as_str()), (0, ""));
        for part in ["ClearML is well", "SERVICE", &origin.addr().to_string(), "tasks.get_all", "gpu-7:0"] {
            assert!(out.contains(part), "{part} is not in\n{out}");
        }
    }
    let (_, out, _) = proxy.command(&["top", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["version"], 1);
    let (code, _, err) = proxy.command(&["top", "--socket", "/nonexistent/admin.sock"]);
    assert_eq!(code, 3, "{err}");
}

#[test]
fn top_draws_into_a_terminal_until_a_key_ends_it() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let socket = proxy.folder().join("clearway/admin.sock");
    let run =
        format!("stty rows 30 cols 110; exec {} top --socket {}", env!("CARGO_BIN_EXE_clearway"), socket.display());
    let mut terminal = Command::new("script")
        .args(["-qefc", &run, "/dev/null"])
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("TERM", "xterm-256color"), ("SHELL", "/bin/sh")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, of util-linux, starts");
    let (mut keys, mut screen) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let mut drawn = Vec::new();
    let mut until = |part: &str| {
        let mut piece = [0; 4096];
        while !String::from_utf8_lossy(&drawn).contains(part) {
            let count = screen.read(&mut piece).unwrap();
            assert!(count > 0, "{part} is not in {}", String::from_utf8_lossy(&drawn));
            drawn.extend_from_slice(&piece[..count]);
        }
    };
    until("ClearML is well");
    keys.write_all(b"5").unwrap();
    until(&origin.addr().to_string());
    keys.write_all(b"q").unwrap();
    // The screen of before is back.
    until("\u{1b}[?1049l");
    assert!(terminal.wait().unwrap().success());
}
