//! The plain listener: leads to https and never loses a body on the way.

use crate::support::*;

/// A proxy whose https listener is publicly known by `port`.
fn known_as(port: &str) -> (Origin, Proxy) {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(&format!("listeners {{ https {{ public_port: {port} }} }}")).start();
    (origin, proxy)
}

#[test]
fn a_page_load_is_led_to_the_same_page() {
    let (origin, proxy) = known_as("443");
    let mut client = Client::http(&proxy);
    for (host, target) in [
        (APP, "/"),
        (APP, "/projects/a%20b/tasks?x=y%2Fz&a=+"),
        (API, "/v2.23/auth.login"),
        (FILES, "/p/t.1/models/m.bin?download=1"),
        (APP, "//evil.example/x"),
        (APP, "/..//a;b"),
        (APP, "/%0d%0aSet-Cookie:%20evil=1"),
    ] {
        for method in ["GET", "HEAD"] {
            client.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            let answer = client.any_answer(method);
            assert_eq!(answer.status, 308, "{method} {target}");
            assert_eq!(answer.field("location"), format!("https://{host}{target}"));
            assert!(answer.has("date") && answer.has("content-length"), "{}", answer.fields);
        }
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn the_port_in_the_location_is_the_public_one() {
    let (_origin, proxy) = known_as("8443");
    let answer = Client::http(&proxy).get("app.clearml.test:8080", "/x");
    assert_eq!(answer.field("location"), "https://app.clearml.test:8443/x");
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let answer = Client::http(&proxy).get(APP, "/x");
    assert_eq!(answer.field("location"), format!("https://app.clearml.test:{}/x", proxy.https().port()));
}

#[test]
fn case_and_final_dot_are_no_other_host() {
    let (_origin, proxy) = known_as("443");
    for host in ["App.ClearML.Test", "app.clearml.test."] {
        let answer = Client::http(&proxy).get(host, "/");
        assert_eq!(answer.status, 308, "{host}");
        let location = answer.field("location").to_ascii_lowercase();
        assert!(location == "https://app.clearml.test/" || location == "https://app.clearml.test./", "{location}");
    }
}

#[test]
fn only_known_hosts_are_echoed() {
    let (_origin, proxy) = known_as("443");
    for host in ["evil.example", "clearml.test", COVERED, "app.clearml.test.evil.example", "127.0.0.1"] {
        let answer = Client::http(&proxy).get(host, "/");
        assert!(matches!(answer.status, 404 | 421), "{host}: {}", answer.status);
        assert!(!answer.has("location"), "{host}");
    }
}

#[test]
fn an_absolute_target_stays_on_our_hosts() {
    let (_origin, proxy) = known_as("443");
    let mut client = Client::http(&proxy);
    client.send(format!("GET http://{APP}/a?b HTTP/1.1\r\nHost: {APP}\r\n\r\n"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("location").as_str()), (308, "https://app.clearml.test/a?b"));
    for target in ["http://evil.example/", "http://app.clearml.test@evil.example/", "http://evil.example:80/"] {
        let mut client = Client::http(&proxy);
        let answer = client.send(format!("GET {target} HTTP/1.1\r\nHost: {APP}\r\n\r\n")).answer();
        assert!(matches!(answer.status, 400 | 404 | 421), "{target}: {}", answer.status);
        assert!(!answer.has("location"), "{target}");
    }
}

#[test]
fn an_api_call_with_a_body_gets_308() {
    let (_origin, proxy) = known_as("443");
    for method in ["GET", "POST", "PUT"] {
        let mut client = Client::http(&proxy);
        client.send(format!("{method} /v2.23/tasks.create HTTP/1.1\r\nHost: {API}\r\nContent-Length: 2\r\n\r\n{{}}"));
        let answer = client.answer();
        assert_eq!(answer.status, 308, "{method}");
        assert_eq!(answer.field("location"), "https://api.clearml.test/v2.23/tasks.create");
        let mut client = Client::http(&proxy);
        client.send(format!("{method} / HTTP/1.1\r\nHost: {API}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
        assert_eq!(client.answer().status, 308, "{method} in chunks");
    }
}

#[test]
fn an_upload_is_refused_at_once_with_the_url_to_use() {
    let (origin, proxy) = known_as("443");
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"p/t.1/m.bin\"\r\n\r\nx\r\n--b--\r\n";
    for request in [
        format!(
            "POST / HTTP/1.1\r\nHost: {FILES}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n{multipart}",
            multipart.len()
        ),
        format!("PUT /x HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 1\r\n\r\nx"),
        format!("DELETE /x HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 0\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: {FILES}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        format!("OPTIONS / HTTP/1.1\r\nHost: {FILES}\r\n\r\n"),
        format!("GET /with-body HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 1\r\n\r\nx"),
    ] {
        let mut client = Client::http(&proxy);
        let answer = client.send(&request).answer();
        assert!((400..500).contains(&answer.status), "{}: {request}", answer.status);
        assert!(answer.field("content-type").starts_with("text/plain"), "{}", answer.fields);
        assert!(answer.text().contains("https://files.clearml.test"), "{}", answer.text());
        assert!(!answer.has("location"));
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_large_upload_is_refused_while_it_is_still_sent() {
    let (_origin, proxy) = known_as("443");
    let size = 8 << 20;
    let mut client = Client::http(&proxy);
    client.send(format!("POST / HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: {size}\r\n\r\n"));
    let _closed = client.try_send(pattern(size));
    let answer = client.answer();
    answer.assert_fault(403, "client; https_required");
    assert!(answer.text().contains("https://files.clearml.test"));
    let mut client = Client::http(&proxy);
    client.send(format!("POST /v2.23/x HTTP/1.1\r\nHost: {API}\r\nContent-Length: {size}\r\n\r\n"));
    let _closed = client.try_send(pattern(size));
    assert_eq!(client.answer().status, 308);
}

#[test]
fn nothing_is_ever_answered_with_a_redirect_that_changes_the_method() {
    let (_origin, proxy) = known_as("443");
    for host in [APP, API, FILES] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            for lines in ["", "Content-Length: 0\r\n", "Content-Length: 1\r\n"] {
                let body = if lines.contains('1') { "x" } else { "" };
                let mut client = Client::http(&proxy);
                client.send(format!("{method} / HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n{body}"));
                let answer = client.any_answer(method);
                let fine = answer.status == 308 || (400..500).contains(&answer.status) || method == "OPTIONS";
                assert!(fine && !matches!(answer.status, 301..=303), "{method} {host} {lines:?}: {}", answer.status);
            }
        }
    }
}

#[test]
fn the_path_of_certificate_challenges_is_kept_free() {
    let (origin, proxy) = known_as("443");
    for host in [APP, "evil.example"] {
        let answer = Client::http(&proxy).get(host, "/.well-known/acme-challenge/token");
        assert_eq!(answer.status, 404, "{host}");
        assert!(!answer.has("location"), "{host}");
    }
    assert_eq!(Client::http(&proxy).get(APP, "/.well-known/other").status, 308);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_tls_client_on_the_plain_port_is_refused() {
    let (_origin, proxy) = known_as("443");
    let refused = Client::tls(proxy.http(), APP, Pki::shared().client(&["http/1.1"])).err().expect("no TLS here");
    assert_ne!(refused.kind(), std::io::ErrorKind::WouldBlock, "refused at once, not waited for");
    let mut client = Client::tcp(proxy.http());
    client.send([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3]);
    client.finish_sending();
    let rest = client.rest();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"), "{}", rest.escape_ascii());
}

#[test]
fn the_connection_is_kept_behind_a_redirect() {
    let (_origin, proxy) = known_as("443");
    let mut client = Client::http(&proxy);
    for _ in 0..3 {
        assert_eq!(client.get(APP, "/").status, 308);
    }
    client.send(format!("{}{}", post(API, "/one", "{}"), get(APP, "/two")));
    assert_eq!(client.answer().status, 308);
    assert_eq!(client.answer().field("location"), "https://app.clearml.test/two");
}

#[test]
fn the_listener_can_be_switched_off() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("listeners { http { enabled: false } }").start();
    assert_eq!(Client::https(&proxy).get(APP, "/").status, 200);
    let listening = proxy.events().json().into_iter().filter(|event| event["message"] == "listening");
    assert_eq!(listening.map(|event| event["listener"].clone()).collect::<Vec<_>>(), ["https"]);
}

#[test]
fn a_redirect_is_logged() {
    let (_origin, proxy) = known_as("443");
    let answer = Client::http(&proxy).get(APP, "/logged");
    let record = proxy.record(&answer);
    assert_eq!((record["listener"].as_str(), record["status"].as_u64()), (Some("http"), Some(308)), "{record}");
}
