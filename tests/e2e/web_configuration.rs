//! `configuration.json`: the web server's own file, completed where the web UI would guess its services wrong.

use crate::support::*;
use serde_json::{Value, json};

const NAMES: &str = "hosts { app: ml.example.com, api: ml-api.example.com, files: ml-files.example.com }\n\
                     single_domain: [one.corp]";

fn file(head: &str, body: &str) -> Origin {
    Origin::answering(format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn json_file(body: &str) -> Origin {
    let head = "200 OK\r\nContent-Type: application/json\r\nETag: \"x\"\r\nLast-Modified: Mon, 23 Nov 2026 18:59:08 GMT\r\n\
                Accept-Ranges: bytes\r\nContent-Security-Policy: frame-ancestors 'self'";
    file(head, body)
}

fn expected(api: &str, files: &str) -> Value {
    json!({
        "apiBaseUrl": api, "fileBaseUrl": files, "displayedServerUrls": { "apiServer": api, "filesServer": files },
    })
}

#[test]
fn the_ui_is_told_what_it_would_guess_wrong() {
    let origin = json_file("{\"useFilesProxy\": true}");
    let proxy = Run::to(&origin).conf(NAMES).start();
    let mut client = Client::https(&proxy);
    let http2 = Http2::connect(&proxy);
    for (host, api, files) in [
        ("one.corp", "https://one.corp/api", "https://one.corp/files"),
        ("one.corp:8443", "https://one.corp:8443/api", "https://one.corp:8443/files"),
        ("ml.example.com", "https://ml-api.example.com", "https://ml-files.example.com"),
    ] {
        for path in ["/configuration.json", "/widgets/configuration.json", "/configuration.json?v=1"] {
            let mut wanted = expected(api, files);
            wanted["useFilesProxy"] = json!(true);
            let answer = client.get(host, path);
            assert_eq!((answer.status, answer.json()), (200, wanted.clone()), "{host}{path}");
            assert_eq!(answer.field("cache-control"), "no-cache");
            assert_eq!(answer.field("content-type"), "application/json");
            assert_eq!(answer.field("content-security-policy"), "frame-ancestors 'self'", "the server's own stays");
            for gone in ["etag", "last-modified", "accept-ranges"] {
                assert!(!answer.has(gone), "{gone} is the other file's");
            }
            assert_eq!(http2.send(empty("GET", host, path)).json(), wanted, "{host}{path} over HTTP/2");
        }
    }
}

#[test]
fn where_it_guesses_right_or_is_not_to_be_told_the_file_passes_as_it_is() {
    let origin = json_file("{\"a\":  1}");
    let proxy = Run::to(&origin).conf(NAMES).start();
    let mut client = Client::https(&proxy);
    for (host, path) in [
        (APP, "/configuration.json"),
        ("one.corp", "/x/configuration.json"),
        ("one.corp", "/configuration.jsonx"),
        ("one.corp", "/files/configuration.json"),
        (FILES, "/configuration.json"),
    ] {
        let answer = client.get(host, path);
        assert_eq!((answer.text().as_str(), answer.field("etag").as_str()), ("{\"a\":  1}", "\"x\""), "{host}{path}");
    }
    let off = Run::to(&origin).conf(NAMES).conf("answers.web_configuration: false").start();
    assert_eq!(Client::https(&off).get("one.corp", "/configuration.json").text(), "{\"a\":  1}");
}

#[test]
fn what_is_set_there_wins() {
    let origin = json_file("{\"apiBaseUrl\": \"/mine\", \"displayedServerUrls\": {\"apiServer\": \"https://shown\"}}");
    let proxy = Run::to(&origin).conf(NAMES).start();
    let answer = Client::https(&proxy).get("one.corp", "/configuration.json").json();
    assert_eq!(answer["apiBaseUrl"], "/mine");
    assert_eq!(answer["fileBaseUrl"], "https://one.corp/files");
    assert_eq!(
        answer["displayedServerUrls"],
        json!({"apiServer": "https://shown", "filesServer": "https://one.corp/files"})
    );
}

#[test]
fn the_server_is_asked_for_the_whole_file_and_plainly() {
    let origin = json_file("{}");
    let proxy = Run::to(&origin).conf(NAMES).start();
    let head = "HEAD /configuration.json HTTP/1.1\r\nHost: one.corp\r\nIf-None-Match: \"x\"\r\nRange: bytes=0-0\r\n\
                If-Modified-Since: Mon, 23 Nov 2026 18:59:08 GMT\r\nAccept-Encoding: gzip\r\nX-Other: stays\r\n\r\n";
    let mut client = Client::https(&proxy);
    let answer = client.send(head).any_answer("HEAD");
    assert_eq!(answer.status, 200);
    let whole = client.get("one.corp", "/configuration.json");
    assert_eq!(answer.field("content-length"), whole.body.len().to_string(), "as GET would have it");
    let http2 = Http2::connect(&proxy).send(empty("HEAD", "one.corp", "/configuration.json"));
    assert_eq!((http2.status, http2.body.len()), (200, 0));
    let asked = origin.requests().into_iter().next().unwrap();
    assert_eq!(asked.asked(), "GET /configuration.json");
    for gone in ["if-none-match", "range", "if-modified-since", "accept-encoding"] {
        assert!(!asked.has(gone), "{gone}");
    }
    assert_eq!(asked.field("x-other"), "stays");
    let record = proxy.record(&answer);
    assert_eq!((&record["method"], &record["bytes_out"]), (&json!("HEAD"), &json!(0)), "{record}");
}

#[test]
fn without_a_file_ours_is_all_there_is() {
    for origin in
        [file("404 Not Found\r\nContent-Type: text/html", "no"), file("200 OK\r\nContent-Type: text/html", "<html>")]
    {
        let proxy = Run::to(&origin).conf(NAMES).start();
        let answer = Client::https(&proxy).get("one.corp", "/configuration.json");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), expected("https://one.corp/api", "https://one.corp/files"));
    }
}

#[test]
fn a_file_that_cannot_be_completed_passes_untouched_and_is_warned_about() {
    let large = format!("{{\"a\": \"{}\"}}", "x".repeat(300_000));
    for (origin, body) in [
        (json_file("{broken"), "{broken"),
        (json_file("[1]"), "[1]"),
        (json_file(&large), large.as_str()),
        (file("200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip", "zip"), "zip"),
    ] {
        let proxy = Run::to(&origin).conf(NAMES).start();
        let answer = Client::https(&proxy).get("one.corp", "/configuration.json");
        assert_eq!((answer.status, answer.text().as_str()), (200, body));
        proxy.events().wait("a warning", |event| {
            event["level"] == "WARN"
                && event["message"].as_str().is_some_and(|said| said.contains("configuration.json"))
        });
    }
    let origin = file("500 Broken", "theirs");
    let proxy = Run::to(&origin).conf(NAMES).start();
    let answer = Client::https(&proxy).get("one.corp", "/configuration.json");
    assert_eq!((answer.status, answer.text().as_str()), (500, "theirs"));
}

#[test]
fn a_file_that_never_ends_is_given_up() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            visit.write(format!("10000\r\n{}\r\n", "x".repeat(0x10000)))?;
        }
    });
    let proxy = Run::to(&origin).conf(NAMES).start();
    Client::https(&proxy).get("one.corp", "/configuration.json").assert_fault(502, "target; bad_answer");
}

#[test]
fn a_file_that_passes_as_it_is_has_no_body_for_head_over_http2() {
    let origin = file("200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip", "zipped");
    let proxy = Run::to(&origin).conf(NAMES).start();
    let mut frames = FrameClient::connect(&proxy);
    let fields =
        [(":method", "HEAD"), (":scheme", "https"), (":authority", "one.corp"), (":path", "/configuration.json")];
    frames.send(&Frame::headers(1, &fields, true));
    assert_eq!(frames.outcome(1), Outcome::Status(200));
    frames.send(&Frame::new(kind::PING, 0, 0, b"afterall"));
    frames.wait("the pong", |frame| {
        assert!(frame.kind != kind::DATA || frame.payload.is_empty(), "a body in an answer to HEAD");
        frame.kind == kind::PING
    });
}
