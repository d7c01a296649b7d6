//! Faults: the status contract, and bodies in the form that each service's callers read.

use crate::support::*;

/// A proxy with nothing behind it.
fn alone() -> (Port, Proxy) {
    let port = Port::closed();
    let proxy = Run::at([port.addr(); 3]).conf("timeouts { hold: \"100ms\" }").start();
    (port, proxy)
}

fn asking(host: &str, lines: &str) -> String {
    format!("GET /v2.23/tasks.get_all HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")
}

#[test]
fn api_faults_are_json_in_clearmls_envelope() {
    let (_port, proxy) = alone();
    let answer = Client::https(&proxy).get(API, "/v2.23/auth.login");
    answer.assert_fault(503, "target; target_unreachable");
    assert!(answer.field("content-type").starts_with("application/json"), "{}", answer.fields);
    let json = answer.json();
    assert_eq!(json["meta"]["result_code"], 503);
    assert_eq!(json["meta"]["result_subcode"], 0);
    assert!(json["data"].as_object().is_some_and(serde_json::Map::is_empty), "{json}");
    let message = json["meta"]["result_msg"].as_str().unwrap();
    assert!(!message.is_empty());
    assert!(answer.text().contains(&answer.field("x-request-id")), "{json}");
}

#[test]
fn files_faults_are_text() {
    let (_port, proxy) = alone();
    let answer = Client::https(&proxy).send(post(FILES, "/", "x")).answer();
    answer.assert_fault(503, "target; target_unreachable");
    assert!(answer.field("content-type").starts_with("text/plain"), "{}", answer.fields);
    assert!(answer.text().contains(&answer.field("x-request-id")), "{}", answer.text());
    assert!(!answer.text().contains('<'));
}

#[test]
fn app_faults_are_a_page() {
    let (_port, proxy) = alone();
    let answer = Client::https(&proxy).send(asking(APP, "Accept: text/html\r\n")).answer();
    answer.assert_fault(503, "target; target_unreachable");
    assert!(answer.field("content-type").starts_with("text/html"), "{}", answer.fields);
    assert!(answer.text().to_ascii_lowercase().contains("<!doctype html>"), "{}", answer.text());
    assert!(answer.text().contains(&answer.field("x-request-id")));
}

#[test]
fn faults_echo_nothing_that_a_browser_would_run() {
    let (_port, proxy) = alone();
    for (host, path) in [(APP, "/<script>alert(1)</script>"), (APP, "/\"><img>"), (API, "/<b>"), (FILES, "/<b>")] {
        let answer = Client::https(&proxy).get(host, path);
        assert!(!answer.text().contains("<script>alert") && !answer.text().contains("<img>"), "{}", answer.text());
    }
    let answer = Client::https(&proxy).send(asking(APP, "X-Request-Id: <script>\r\n")).answer();
    assert!(!answer.text().contains("<script>"), "{}", answer.text());
}

#[test]
fn a_fault_on_head_has_a_length_and_no_body() {
    let (_port, proxy) = alone();
    let mut client = Client::https(&proxy);
    client.send(format!("HEAD / HTTP/1.1\r\nHost: {API}\r\n\r\n"));
    let answer = client.any_answer("HEAD");
    assert_eq!(answer.status, 503);
    assert!(answer.field("content-length").parse::<u32>().unwrap() > 0);
    assert_eq!(client.get(API, "/next").status, 503, "the connection is clean");
}

#[test]
fn faults_can_be_read_by_the_web_app_and_by_no_other_site() {
    let (_port, proxy) = alone();
    for host in [API, FILES] {
        for origin in ["https://app.clearml.test", "https://app.clearml.test:8443"] {
            let answer = Client::https(&proxy).send(asking(host, &format!("Origin: {origin}\r\n"))).answer();
            assert_eq!(answer.field("access-control-allow-origin"), origin, "{host}");
            assert_eq!(answer.field("access-control-allow-credentials"), "true");
            assert!(answer.fields.all("vary").join(",").to_ascii_lowercase().contains("origin"), "{}", answer.fields);
        }
        for origin in
            ["https://evil.example", "https://app.clearml.test.evil.example", "null", "https://app.other.test"]
        {
            let answer = Client::https(&proxy).send(asking(host, &format!("Origin: {origin}\r\n"))).answer();
            assert!(!answer.has("access-control-allow-origin"), "{host} for {origin}:\n{}", answer.fields);
        }
        assert!(!Client::https(&proxy).send(asking(host, "")).answer().has("access-control-allow-origin"));
    }
}

#[test]
fn faults_are_the_same_on_http2() {
    let (_port, proxy) = alone();
    let http2 = Http2::connect(&proxy);
    let answer = http2.send(empty("GET", API, "/v2.23/auth.login"));
    answer.assert_fault(503, "target; target_unreachable");
    assert_eq!(answer.json()["meta"]["result_code"], 503);
    assert!(answer.has("retry-after"));
    assert!(!answer.has("connection"));
}

#[test]
fn a_target_that_breaks_off_is_502_in_the_same_forms() {
    let origin = Origin::script(|visit| visit.request().map(drop));
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for (host, form) in [(API, "application/json"), (FILES, "text/plain"), (APP, "text/html")] {
        let answer = client.send(asking(host, "Accept: */*\r\n")).answer();
        answer.assert_fault(502, "target; target_broke_off");
        assert!(answer.field("content-type").starts_with(form), "{host}: {}", answer.fields);
        assert!(!answer.has("retry-after"), "it may have been done");
    }
}

#[test]
fn answers_of_the_target_are_not_faults() {
    let origin = Origin::script(|visit| {
        loop {
            let request = visit.request()?;
            let status = request.asked().rsplit('/').next().unwrap_or_default();
            let head = format!("HTTP/1.1 {status} Theirs\r\nContent-Type: application/json\r\nContent-Length: 13");
            visit.write(format!("{head}\r\n\r\n{{\"theirs\": 1}}"))?;
        }
    });
    let mut proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let statuses = [400, 401, 404, 405, 413, 415, 429, 500, 502, 503, 504];
    for status in statuses {
        let answer = client.get(API, &format!("/{status}"));
        assert_eq!((answer.status, answer.text().as_str()), (status, "{\"theirs\": 1}"));
        assert!(!answer.has("x-fault"), "{}", answer.fields);
    }
    drop(client);
    proxy.stop();
    let records = proxy.output().json();
    assert_eq!(records.len(), statuses.len());
    for (record, status) in records.iter().zip(statuses) {
        assert_eq!((record["status"].as_u64(), record["fault"].as_str()), (Some(status.into()), None), "{record}");
    }
}

#[test]
fn a_fault_never_shows_where_the_targets_are() {
    let (port, proxy) = alone();
    for host in [APP, API, FILES] {
        let answer = Client::https(&proxy).get(host, "/");
        let all = format!("{}{}", answer.fields, answer.text());
        assert!(!all.contains(&format!("127.0.0.1:{}", port.addr().port())), "{all}");
    }
}
