//! Legacy ports: TLS and plain HTTP on one port, to one service, whatever the host, never redirected.

use crate::support::*;

const PORTS: &str = "listeners.legacy { app: [\"127.0.0.1:0\"], api: [\"127.0.0.1:0\"], files: [\"127.0.0.1:0\"] }";

const THEIRS: &str = "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=31536000; includeSubDomains\r\n\
                      Content-Length: 2\r\n\r\nok";

fn tls(proxy: &Proxy, service: &str) -> Client {
    Client::tls(proxy.legacy(service), APP, Pki::shared().client(&["http/1.1"])).unwrap()
}

#[test]
fn both_schemes_lead_to_the_ports_service_whatever_the_host() {
    let origins = ["app", "api", "files"].map(|name| Origin::answering(ok(name)));
    let proxy = Run::at([origins[0].addr(), origins[1].addr(), origins[2].addr()]).conf(PORTS).start();
    for (service, origin) in ["app", "api", "files"].iter().zip(&origins) {
        for host in ["10.1.2.3:8081", "old-host", "[::1]:8008", API] {
            let plain = Client::tcp(proxy.legacy(service)).get(host, "/a%20b");
            assert_eq!((plain.status, plain.text().as_str()), (200, *service), "{host}");
            let asked = origin.last();
            assert_eq!((asked.asked(), asked.field("host").as_str()), ("GET /a%20b", host));
            assert_eq!(asked.field("x-forwarded-proto"), "http");
            assert_eq!(tls(&proxy, service).get(host, "/").text(), *service, "{host} over TLS");
            assert_eq!(origin.last().field("x-forwarded-proto"), "https");
        }
    }
    let answer = Client::tcp(proxy.legacy("files")).get("old-host", "/x");
    assert_eq!(proxy.record(&answer)["listener"], "legacy_files");
    assert_eq!(origins[2].last().field("x-forwarded-port"), proxy.legacy("files").port().to_string());
}

#[test]
fn an_upload_of_an_old_url_is_stored_and_keeps_its_login() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(PORTS).start();
    for mut client in [Client::tcp(proxy.legacy("files")), tls(&proxy, "files")] {
        let head =
            "POST / HTTP/1.1\r\nHost: 10.1.2.3:8081\r\nAuthorization: Bearer x\r\nContent-Length: 6\r\n\r\na body";
        assert_eq!(client.send(head).answer().status, 200);
        let stored = origin.last();
        assert_eq!((stored.asked(), stored.body.as_slice()), ("POST /", b"a body".as_slice()));
        assert_eq!(stored.field("authorization"), "Bearer x");
    }
}

#[test]
fn the_web_ports_api_and_files_go_to_their_services() {
    let origins = ["app", "api", "files"].map(|name| Origin::answering(ok(name)));
    let proxy = Run::at([origins[0].addr(), origins[1].addr(), origins[2].addr()]).conf(PORTS).start();
    let mut client = Client::tcp(proxy.legacy("app"));
    for (path, service) in [("/api/a.b", "api"), ("/files/a", "files"), ("/configuration.json", "app")] {
        assert_eq!(client.get("10.1.2.3:8080", path).text(), service, "{path}");
    }
}

#[test]
fn browsers_are_told_nothing_that_closes_these_ports() {
    let origin = Origin::answering(THEIRS);
    let proxy = Run::to(&origin).conf(PORTS).start();
    for mut client in [Client::https(&proxy), tls(&proxy, "app"), Client::tcp(proxy.legacy("app"))] {
        assert!(!client.get(APP, "/").has("strict-transport-security"));
    }
}

#[test]
fn what_is_refused_elsewhere_is_refused_here() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(PORTS).start();
    let smuggling = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = Client::tcp(proxy.legacy("api")).send(smuggling).answer();
    answer.assert_fault(400, "client; bad_length");
    let mut neither = Client::tcp(proxy.legacy("api"));
    neither.send(b"\x00\x01\x02");
    neither.rest();
    assert_eq!(origin.connections(), 0);
}

#[test]
fn faults_can_be_read_by_the_web_ui_on_the_same_host() {
    let port = Port::closed();
    let proxy = Run::at([port.addr(); 3]).conf(PORTS).conf("timeouts.hold: 50ms").start();
    for (origin, allowed) in [("http://10.1.2.3:8080", true), ("http://10.1.2.4:8080", false)] {
        let head = format!("GET / HTTP/1.1\r\nHost: 10.1.2.3:8008\r\nOrigin: {origin}\r\n\r\n");
        let answer = Client::tcp(proxy.legacy("api")).send(head).answer();
        answer.assert_fault(503, "target; target_unreachable");
        assert_eq!(answer.has("access-control-allow-origin"), allowed, "{origin}");
    }
}

#[test]
fn a_call_at_the_wrong_port_is_told_the_public_url() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(PORTS).conf("listeners.https.public_port: 443").start();
    let head = "GET /auth.login HTTP/1.1\r\nHost: 10.1.2.3:8080\r\nX-ClearML-Worker: me\r\n\r\n";
    let answer = Client::tcp(proxy.legacy("app")).send(head).answer();
    answer.assert_fault(400, "client; call_to_wrong_service");
    assert!(answer.text().contains("https://api.clearml.test"), "{}", answer.text());
}
