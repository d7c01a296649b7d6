//! TLS to targets: checked against the given authority, for the target's name.

use crate::support::*;

/// A proxy whose services are all at `https://host:port`, trusting `ca`.
fn secured(host: &str, origin: &TlsOrigin, ca: &str, more: &str) -> Proxy {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ca).unwrap();
    let target = format!("https://{host}:{}", origin.addr().port());
    let services = ["app", "api", "files"]
        .map(|name| format!("services {{ {name} {{ targets: [\"{target}\"], ca: \"{}\" }} }}", file.path().display()));
    Run::at([origin.addr(); 3]).conf(&services.join("\n")).conf(more).start()
}

fn good() -> TlsOrigin {
    TlsOrigin::start(&Pki::shared().issue(&["localhost", "127.0.0.1"]), |request| {
        let body = if request.body.is_empty() { pattern(3_000_000) } else { request.body.clone() };
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes(), body].concat()
    })
}

#[test]
fn bodies_go_both_ways_and_connections_are_kept() {
    let origin = good();
    for host in ["localhost", "127.0.0.1"] {
        let proxy = secured(host, &origin, Pki::shared().ca(), "");
        let before = origin.connections();
        let mut client = Client::https(&proxy);
        for round in 0..4 {
            assert!(client.get(FILES, "/down").body == pattern(3_000_000), "{host}, round {round}");
            let data = pattern(2_000_000);
            client.send(format!("POST /up HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: {}\r\n\r\n", data.len()));
            let answer = client.send(&data).answer();
            assert!(answer.body == data, "{host}, round {round}: {} bytes", answer.body.len());
        }
        let after = origin.connections();
        assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1), "one connection for all of them");
        let http2 = Http2::connect(&proxy);
        assert!(http2.send(empty("GET", FILES, "/down")).body == pattern(3_000_000));
    }
    assert!(origin.requests().iter().all(|request| request.field("host") == FILES));
}

#[test]
fn probes_speak_tls_too() {
    let origin = good();
    let proxy = secured("localhost", &origin, Pki::shared().ca(), "health { enabled: true, interval: \"100ms\" }");
    assert_eq!(Client::https(&proxy).get(API, "/").status, 200);
    let probed = || origin.requests().iter().filter(|request| request.asked() == "GET /debug.ping").count();
    let begun = std::time::Instant::now();
    while probed() < 3 {
        assert!(begun.elapsed() < DEADLINE);
        std::thread::yield_now();
    }
    assert!(!proxy.events().text().contains("not well"), "{}", proxy.events().text());
}

#[test]
fn whoever_cannot_be_checked_gets_nothing() {
    let origin = good();
    let stranger = Pki::another();
    let misnamed = TlsOrigin::start(&Pki::shared().issue(&["elsewhere.test"]), |_| ok("evil").into_bytes());
    for (origin, ca, word) in
        [(&origin, stranger.ca(), "invalid peer certificate"), (&misnamed, Pki::shared().ca(), "not valid for name")]
    {
        let proxy = secured("localhost", origin, ca, "timeouts { hold: \"300ms\" }\nhealth { enabled: true }");
        let mut client = Client::https(&proxy);
        client.send(post(FILES, "/secret", "secret")).answer().assert_fault(503, "target; target_unreachable");
        assert!(origin.requests().is_empty(), "not one byte was sent");
        let event = proxy.event("target is not well");
        let reason = event["reason"].as_str().unwrap();
        assert!(reason.contains("TLS") && reason.contains(word), "{reason}");
    }
}

#[test]
fn a_target_in_plain_where_tls_is_expected_is_refused() {
    let plain = Origin::ok();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), Pki::shared().ca()).unwrap();
    let api = format!("targets: [\"https://{}\"], ca: \"{}\"", plain.addr(), file.path().display());
    let conf = format!("services {{ api {{ {api} }} }}\ntimeouts {{ hold: \"300ms\" }}");
    let proxy = Run::to(&plain).conf(&conf).start();
    Client::https(&proxy).get(API, "/").assert_fault(503, "target; target_unreachable");
    assert!(plain.requests().is_empty());
}

#[test]
fn an_authority_must_be_given_and_be_one() {
    let origin = Origin::ok();
    for (more, word) in [
        ("", "services.api.ca"),
        (", ca: \"/nowhere/ca.pem\"", "/nowhere/ca.pem"),
        (", ca: \"/etc/hostname\"", "/etc/hostname"),
    ] {
        let output =
            Run::to(&origin).conf(&format!("services {{ api {{ targets: [\"https://localhost:1\"]{more} }} }}")).fail();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(word), "{said}");
    }
}
