//! Stopping: no new work, what runs is finished, by a deadline, and what was cut is said.

use crate::support::*;

/// Answers once it may.
fn waiting(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::script(move |visit| {
        visit.request()?;
        gate.wait();
        visit.write(ok("finished"))
    })
}

#[test]
fn an_idle_proxy_ends_at_once() {
    for signal in ["TERM", "INT"] {
        let origin = Origin::ok();
        let mut proxy = Proxy::to(&origin);
        let mut client = Client::https(&proxy);
        assert_eq!(client.get(API, "/").status, 200);
        let mut frames = FrameClient::connect(&proxy);
        assert_eq!(frames.get(1), Outcome::Status(200));
        proxy.signal(signal);
        assert_eq!(client.end(), End::Closed, "idle connections are closed in order");
        assert_eq!(frames.goaway(), Some(0));
        assert_eq!(proxy.wait().code(), Some(0), "{signal}");
        let stopped = proxy.event("stopped");
        assert_eq!(stopped["cut"], 0, "{stopped}");
        proxy.event("stopping");
    }
}

#[test]
fn an_upload_in_flight_is_finished() {
    let release = Gate::default();
    let origin = waiting(&release);
    let mut proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let body = pattern(2 << 20);
    client.send(format!("POST / HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: {}\r\n\r\n", body.len()));
    client.send(&body[..1 << 20]);
    origin.wait_bytes(1_000);
    proxy.terminate();
    proxy.event("stopping");
    client.send(&body[1 << 20..]);
    assert!(origin.wait_requests(1)[0].body == body);
    release.open();
    let answer = client.answer();
    assert_eq!(answer.text(), "finished");
    assert_eq!(answer.field("connection").to_ascii_lowercase(), "close");
    client.end();
    assert_eq!(proxy.wait().code(), Some(0));
    assert_eq!(proxy.event("stopped")["cut"], 0);
    assert_eq!(proxy.record(&answer)["status"], 200);
}

#[test]
fn http2_streams_in_flight_are_finished_behind_a_goaway() {
    let release = Gate::default();
    let origin = waiting(&release);
    let mut proxy = Proxy::to(&origin);
    let mut frames = FrameClient::connect(&proxy);
    frames.send(&Frame::headers(1, &FrameClient::request("GET", &[]), true));
    origin.wait_requests(1);
    proxy.terminate();
    let goaway = frames.wait("GOAWAY", |frame| frame.kind == kind::GOAWAY);
    assert_eq!(goaway.payload[4..8], [0; 4], "no error");
    release.open();
    assert_eq!(frames.outcome(1), Outcome::Status(200));
    frames.wait("the end of the stream", |frame| frame.stream == 1 && frame.ends_stream());
    frames.end();
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn nothing_new_is_accepted_while_stopping() {
    let release = Gate::default();
    let origin = waiting(&release);
    let mut proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(get(API, "/running"));
    origin.wait_requests(1);
    proxy.terminate();
    proxy.event("stopping");
    // An idle connection's end shows that the listeners have heard it too.
    let addr = proxy.https();
    let refused = (0..1_000).any(|_| {
        std::net::TcpStream::connect(addr).is_err() || {
            std::thread::sleep(std::time::Duration::from_millis(10));
            false
        }
    });
    assert!(refused, "the listener is still open");
    release.open();
    assert_eq!(client.answer().text(), "finished");
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn what_outlasts_the_deadline_is_cut_and_said() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.drain()
    });
    let mut proxy = Run::to(&origin).conf("timeouts { drain: \"300ms\" }").start();
    let mut one = Client::https(&proxy);
    one.send(get(API, "/never"));
    let mut two = FrameClient::connect(&proxy);
    two.send(&Frame::headers(1, &FrameClient::request("GET", &[]), true));
    origin.wait_requests(2);
    proxy.terminate();
    assert_eq!(proxy.event("stopping")["deadline_ms"], 300);
    assert_eq!(proxy.wait().code(), Some(0));
    let stopped = proxy.event("stopped");
    assert_eq!(stopped["cut"], 2, "{stopped}");
    let rest = one.rest();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 503"), "{}", rest.escape_ascii());
    two.end();
    for path in ["/never", "/h2"] {
        let record = proxy.record_of(path);
        assert_eq!((record["fault"].as_str(), record["status"].as_u64()), (Some("stopping"), Some(503)), "{record}");
    }
}

#[test]
fn a_tunnel_is_cut_at_the_deadline() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi")?;
        visit.drain()
    });
    let mut proxy = Run::to(&origin).conf("timeouts { drain: \"300ms\" }").start();
    let mut client = Client::https(&proxy);
    client.send(format!("GET /ws HTTP/1.1\r\nHost: {APP}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
    assert_eq!(client.any_answer("GET").status, 101);
    assert_eq!(client.bytes(2), b"hi");
    assert_eq!(proxy.stop().code(), Some(0));
    client.end();
    origin.wait_ended(1);
    let record = proxy.record_of("/ws");
    assert_eq!((record["fault"].as_str(), record["bytes_out"].as_u64()), (Some("stopping"), Some(2)), "{record}");
}

#[test]
fn requests_that_end_while_others_are_finished_are_logged_at_once() {
    let [first, second] = [Gate::default(), Gate::default()];
    let [api, files] = [waiting(&first), waiting(&second)];
    let mut proxy = Run::at([api.addr(), api.addr(), files.addr()]).start();
    let [mut one, mut other] = [Client::https(&proxy), Client::https(&proxy)];
    one.send(get(API, "/one"));
    other.send(get(FILES, "/other"));
    api.wait_requests(1);
    files.wait_requests(1);
    proxy.terminate();
    proxy.event("stopping");
    first.open();
    let answer = one.answer();
    assert_eq!(proxy.record(&answer)["status"], 200);
    second.open();
    assert_eq!(other.answer().text(), "finished");
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_wait() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.drain()
    });
    let mut proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(get(API, "/never"));
    origin.wait_requests(1);
    proxy.terminate();
    proxy.event("stopping");
    proxy.terminate();
    let _status = proxy.wait();
    proxy.event("stopped");
    client.rest();
}
