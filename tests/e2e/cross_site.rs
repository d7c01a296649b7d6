//! Cross-site guard: what foreign pages do with a signed-in person's browser.

use crate::support::*;

const LOGIN: &str = "Cookie: clearml_token_basic=x\r\n";

fn asked(method: &str, host: &str, path: &str, lines: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n{lines}\r\n")
}

#[test]
fn a_foreign_page_gets_403_in_the_form_of_each_reader_and_reaches_no_target() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for lines in [
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
        "Origin: https://evil.example\r\n",
        "Origin: null\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        let lines = format!("{LOGIN}{lines}");
        let answer = client.send(asked("GET", API, "/v2.23/tasks.delete?task=x", &lines)).answer();
        answer.assert_fault(403, "client; cross_site");
        assert_eq!(answer.json()["meta"]["result_code"], 403);
        assert!(!answer.has("access-control-allow-origin"), "{}", answer.fields);
        let answer = client.send(asked("DELETE", FILES, "/a.bin", &lines)).answer();
        answer.assert_fault(403, "client; cross_site");
        assert!(answer.field("content-type").starts_with("text/plain"));
    }
    assert!(origin.requests().is_empty());
}

#[test]
fn ways_through_the_app_host_are_guarded_too() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("protection.files.refuse_removal: true").start();
    let mut client = Client::https(&proxy);
    let lines = format!("{LOGIN}Sec-Fetch-Site: cross-site\r\n");
    // The last three reach the API server through ClearML's web server, which decodes before it looks.
    for path in
        ["/api/v2.23/tasks.delete", "/files/a", "/%61pi/tasks.delete", "//api/tasks.delete", "/apix/api/tasks.delete"]
    {
        client.send(asked("GET", APP, path, &lines)).answer().assert_fault(403, "client; cross_site");
    }
    for path in ["/files/delete_many", "/file%73/delete_many", "/files%2Fdelete_many"] {
        client.send(asked("POST", APP, path, "")).answer().assert_fault(403, "client; removal_refused");
    }
    assert!(origin.requests().is_empty());
    assert_eq!(client.send(asked("GET", APP, "/api/debug.ping", "")).answer().status, 200);
}

#[test]
fn the_web_ui_sdks_and_preflights_pass() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for (method, lines) in [
        ("GET", String::from("Authorization: Bearer x\r\n")),
        ("GET", format!("{LOGIN}Authorization: Bearer x\r\n")),
        ("POST", format!("{LOGIN}Origin: https://app.clearml.test\r\nSec-Fetch-Site: same-site\r\n")),
        ("POST", format!("{LOGIN}Origin: https://app.clearml.test:8443\r\nSec-Fetch-Site: same-site\r\n")),
        ("GET", format!("{LOGIN}Sec-Fetch-Site: none\r\n")),
        ("GET", format!("{LOGIN}Referer: https://app.clearml.test/x\r\nSec-Fetch-Site: same-site\r\n")),
        ("POST", String::from("Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n")),
        ("OPTIONS", String::from("Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n")),
    ] {
        for host in [API, FILES] {
            assert_eq!(client.send(asked(method, host, "/x", &lines)).answer().status, 200, "{method} {host} {lines}");
        }
    }
    let foreign = format!("{LOGIN}Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n");
    assert_eq!(client.send(asked("GET", APP, "/", &foreign)).answer().status, 200, "the web server has no actions");
}

#[test]
fn a_link_opens_a_file_unless_that_is_turned_off() {
    let origin = Origin::ok();
    let link = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    let link = asked("GET", FILES, "/plot.png", &format!("{LOGIN}{link}"));
    let proxy = Proxy::to(&origin);
    assert_eq!(Client::https(&proxy).send(&link).answer().status, 200);
    let strict = Run::to(&origin).conf("protection.cross_site.file_links: false").start();
    Client::https(&strict).send(&link).answer().assert_fault(403, "client; cross_site");
}

#[test]
fn listed_pages_pass_and_the_guard_can_be_turned_off() {
    let origin = Origin::ok();
    let from =
        |page: &str| asked("POST", API, "/x", &format!("{LOGIN}Origin: {page}\r\nSec-Fetch-Site: cross-site\r\n"));
    let listed = Run::to(&origin).conf("protection.cross_site.allowed_pages: [\"https://Wiki.corp\"]").start();
    let mut client = Client::https(&listed);
    assert_eq!(client.send(from("https://wiki.corp")).answer().status, 200);
    assert_eq!(client.send(from("https://wiki.corp:8443")).answer().status, 403);
    let off = Run::to(&origin).conf("protection.cross_site.refuse: false").start();
    assert_eq!(Client::https(&off).send(from("https://evil.example")).answer().status, 200);
}

#[test]
fn http2_is_judged_the_same() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let http2 = Http2::connect(&proxy);
    let mut request = empty("POST", API, "/x");
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    request.headers_mut().append("cookie", "a=b".parse().unwrap());
    request.headers_mut().append("cookie", "clearml_token_basic=x".parse().unwrap());
    http2.send(request).assert_fault(403, "client; cross_site");
}
