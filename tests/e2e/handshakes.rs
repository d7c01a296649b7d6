//! Handshakes that fail: told apart, slowed where they keep failing, and never a neighbour's loss.

use crate::support::*;
use rustls::ClientConfig;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// What a client does at a proxy.
type Act = fn(&Proxy);

/// Client settings that do not trust the proxy.
fn untrusting() -> Arc<ClientConfig> {
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), Pki::another().ca()).unwrap();
    Arc::new(Pki::client_trusting_file(ca.path(), &["http/1.1"]))
}

/// One handshake of a client that does not trust the proxy; the proxy has seen it fail when this returns.
fn fail(proxy: &Proxy, config: &Arc<ClientConfig>) {
    assert!(Client::tls_shared(proxy.https(), API, Arc::clone(config)).is_err());
}

fn good(proxy: &Proxy) -> std::io::Result<Client> {
    Client::tls(proxy.https(), API, Pki::shared().client(&["http/1.1"]))
}

fn limits(limits: &str) -> String {
    format!("tls.handshakes {{ {limits} }}\nlog.filter: debug")
}

#[test]
fn what_the_client_has_wrong_is_said_and_counted() {
    let origin = Origin::ok();
    let failing: [(&str, &str, Act); 7] = [
        ("unknown_authority", "REQUESTS_CA_BUNDLE", |proxy| fail(proxy, &untrusting())),
        ("certificate_refused", "names", |proxy| {
            let config = Pki::shared().client(&["http/1.1"]);
            assert!(Client::tls(proxy.https(), "elsewhere.example", config).is_err());
        }),
        ("protocol", "ALPN", |proxy| {
            assert!(Client::tls(proxy.https(), API, Pki::shared().client(&["smtp"])).is_err());
        }),
        ("not_tls", "neither TLS nor HTTP", |proxy| {
            let mut client = Client::tcp(proxy.https());
            client.send(b"\0\0\0\0");
            client.end();
        }),
        ("eof", "left during", |proxy| {
            let mut client = Client::tcp(proxy.https());
            client.send(b"\x16\x03\x01\x02\x00\x01");
            client.finish_sending();
            client.rest();
        }),
        ("malformed", "broke the TLS protocol", |proxy| {
            let mut client = Client::tcp(proxy.https());
            client.send(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00");
            client.rest();
        }),
        ("timeout", "in time", |proxy| {
            let mut client = Client::tcp(proxy.https());
            client.send(b"\x16\x03\x01\x02\x00\x01");
            client.rest();
        }),
    ];
    for (reason, words, act) in failing {
        let timeout = if reason == "timeout" { "\ntimeouts.handshake: 200ms" } else { "" };
        let mut proxy = Run::to(&origin).conf(&format!("log.filter: debug{timeout}")).start();
        act(&proxy);
        let event = proxy.event("TLS handshake failed");
        assert_eq!(event["reason"], reason, "{event}");
        assert!(event["hint"].as_str().unwrap().contains(words), "{event}");
        assert!(event["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{event}");
        assert_eq!(good(&proxy).unwrap().get(API, "/").status, 200);
        proxy.stop();
        assert_eq!(proxy.counted_with("clearway_tls_handshakes_failed_total", reason), 1, "{reason}");
    }
    // A client that says nothing at all, and one that speaks HTTP, have no handshake that could fail.
    let mut proxy = Run::to(&origin).conf("log.filter: debug").start();
    let mut silent = Client::tcp(proxy.https());
    silent.finish_sending();
    silent.end();
    Client::tcp(proxy.https()).get(API, "/").assert_fault(400, "client; plain_http_on_tls_port");
    assert_eq!(good(&proxy).unwrap().get(API, "/").status, 200);
    proxy.stop();
    for reason in ["eof", "plain_http"] {
        assert_eq!(proxy.counted_with("clearway_tls_handshakes_failed_total", reason), 1, "{reason}");
    }
}

#[test]
fn an_address_that_keeps_failing_is_slowed_and_a_good_neighbour_is_served() {
    let origin = Origin::ok();
    let mut proxy = Run::to(&origin).conf(&limits("failures: 3, pause: 1s, slowed: 50")).start();
    let config = untrusting();
    let mut open = good(&proxy).unwrap();
    let slowed = "TLS handshakes of this address keep failing; its connections are slowed";
    let begun = Instant::now();
    while !proxy.events().text().contains(slowed) {
        fail(&proxy, &config);
        assert!(begun.elapsed() < DEADLINE);
    }
    let event = proxy.event(slowed);
    assert_eq!(event["reason"], "unknown_authority", "{event}");
    assert!(event["hint"].as_str().unwrap().contains("REQUESTS_CA_BUNDLE"), "{event}");
    assert_eq!(good(&proxy).unwrap().get(API, "/").status, 200, "late, but served");
    assert_eq!(open.get(API, "/").status, 200, "connections that are there are not concerned");
    // Whoever fails for ever costs one or two handshakes a second, instead of as many as it can make.
    let begun = Instant::now();
    let mut rounds = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        fail(&proxy, &config);
        rounds += 1;
    }
    assert!(rounds < 10, "{rounds} handshakes in three seconds");
    let (_, status, _) = proxy.command(&["status"]);
    assert!(status.contains("ALARM: TLS handshakes keep failing from 127.0.0.1 (unknown_authority)"), "{status}");
    proxy.stop();
    assert!(proxy.counted("clearway_handshakes_slowed_total") >= 1);
    assert_eq!(proxy.counted("clearway_limit_handshakes_slowed_total"), 0);
}

#[test]
fn above_the_limit_connections_are_closed_before_any_cryptography() {
    let origin = Origin::ok();
    let mut proxy = Run::to(&origin).conf(&limits("failures: 1, pause: 60s, slowed: 0")).start();
    fail(&proxy, &untrusting());
    proxy.event("TLS handshake failed");
    let mut client = Client::tcp(proxy.https());
    // Whatever comes: not one byte is answered.
    let _closed = client.try_send(b"\x16\x03\x01\x02\x00\x01");
    assert_eq!(client.rest(), b"");
    assert!(good(&proxy).is_err());
    let event = proxy.event("TLS handshakes of this address keep failing; a connection was closed before its own");
    assert_eq!(event["reason"], "unknown_authority", "{event}");
    // Plain HTTP is answered all the same.
    Client::tcp(proxy.https()).get(API, "/").assert_fault(400, "client; plain_http_on_tls_port");
    proxy.stop();
    assert_eq!(proxy.counted("clearway_limit_handshakes_slowed_total"), 2);
    assert_eq!(proxy.counted_with("clearway_tls_handshakes_failed_total", "unknown_authority"), 1);
}

/// A client of `ip` behind a balancer that sends the PROXY header.
fn behind(proxy: &Proxy, ip: Ipv4Addr, config: &Arc<ClientConfig>) -> std::io::Result<Client> {
    let header = format!("PROXY TCP4 {ip} 127.0.0.1 56789 443\r\n").into_bytes();
    Client::tls_behind(proxy.https(), &[header], API, Arc::clone(config))
}

#[test]
fn behind_a_balancer_the_clients_own_address_counts() {
    let origin = Origin::ok();
    let trusting = "listeners.https { proxy_protocol: true, proxy_networks: [\"127.0.0.0/8\"] }\n";
    let conf = format!("{trusting}{}", limits("failures: 1, pause: 60s, slowed: 0"));
    let proxy = Run::to(&origin).conf(&conf).start();
    let (bad, fine) = (Ipv4Addr::new(192, 0, 2, 7), Ipv4Addr::new(192, 0, 2, 8));
    let trusting = Arc::new(Pki::shared().client(&["http/1.1"]));
    assert!(behind(&proxy, bad, &untrusting()).is_err());
    let event = proxy.event("TLS handshake failed");
    assert!(event["peer"].as_str().unwrap().starts_with("192.0.2.7:"), "{event}");
    assert!(behind(&proxy, bad, &trusting).is_err());
    assert_eq!(behind(&proxy, fine, &trusting).unwrap().get(API, "/").status, 200);
}

#[test]
fn a_balancers_address_is_not_slowed_for_its_clients() {
    let origin = Origin::ok();
    let conf = format!("trusted_proxies: [\"127.0.0.1\"]\n{}", limits("failures: 1, pause: 60s, slowed: 0"));
    let proxy = Run::to(&origin).conf(&conf).start();
    let config = untrusting();
    (0..5).for_each(|_| fail(&proxy, &config));
    assert_eq!(good(&proxy).unwrap().get(API, "/").status, 200);
}

#[test]
fn handshakes_wait_for_a_place_and_beyond_that_are_closed() {
    let origin = Origin::ok();
    let mut proxy = Run::to(&origin).conf(&limits("at_once: 1, waiting: 0")).start();
    // A handshake is under way for as long as its client is silent: of two, one is closed.
    let mut clients = [Client::tcp(proxy.https()), Client::tcp(proxy.https())];
    for client in &mut clients {
        let _closed = client.try_send(b"\x16\x03\x01\x02\x00\x01");
    }
    let begun = Instant::now();
    while !clients.iter_mut().any(|client| client.poll(Duration::from_millis(20)) && client.ended()) {
        assert!(begun.elapsed() < DEADLINE, "both are open");
    }
    proxy.edit(|conf| {
        conf.replace("waiting: 0", "waiting: 5").replace("log.filter", "timeouts.handshake: 60s\nlog.filter")
    });
    assert!(proxy.reload(1));
    thread::scope(|scope| {
        let next = scope.spawn(|| good(&proxy));
        proxy.event("a TLS handshake waits until others have ended");
        drop(clients);
        assert_eq!(next.join().unwrap().unwrap().get(API, "/").status, 200);
    });
    proxy.stop();
    assert_eq!(proxy.counted("clearway_handshakes_queued_total"), 1);
    assert_eq!(proxy.counted("clearway_limit_handshakes_total"), 1);
}
