//! The access log: one line for each request, also for those that ended badly; no secrets.

use crate::support::*;

const KEYS: [&str; 17] = [
    "time",
    "request_id",
    "connection",
    "client",
    "peer",
    "listener",
    "protocol",
    "tls",
    "method",
    "host",
    "path",
    "service",
    "target",
    "status",
    "bytes_in",
    "bytes_out",
    "total_ms",
];

#[test]
fn a_line_has_what_was_asked_and_what_became_of_it() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let answer = client
        .send(format!("POST /v2.23/tasks.create HTTP/1.1\r\nHost: {API}\r\nUser-Agent: python-requests/2.34\r\nContent-Length: 5\r\n\r\nhello"))
        .answer();
    let record = proxy.record(&answer);
    for key in KEYS {
        assert!(!record[key].is_null(), "{key} in {record}");
    }
    for (key, expected) in [
        ("client", "127.0.0.1"),
        ("listener", "https"),
        ("method", "POST"),
        ("host", API),
        ("path", "/v2.23/tasks.create"),
        ("service", "api"),
        ("tls", "TLSv1.3"),
        ("user_agent", "python-requests/2.34"),
    ] {
        assert_eq!(record[key], expected, "{key} in {record}");
    }
    assert_eq!(record["target"], origin.addr().to_string());
    assert_eq!(
        (record["status"].as_u64(), record["bytes_in"].as_u64(), record["bytes_out"].as_u64()),
        (Some(200), Some(5), Some(2))
    );
    let ms = |key: &str| record[key].as_f64().unwrap_or_else(|| panic!("{key} in {record}"));
    assert!(ms("queue_ms") >= 0.0 && ms("connect_ms") >= 0.0 && ms("first_byte_ms") >= 0.0);
    assert!(ms("total_ms") >= ms("first_byte_ms"), "{record}");
}

#[test]
fn each_request_has_one_line() {
    let origin = Origin::ok();
    let mut proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for number in 0..20 {
        assert_eq!(client.get(API, &format!("/one/{number}")).status, 200);
    }
    let http2 = Http2::connect(&proxy);
    http2.send_all((0..20).map(|number| empty("GET", API, &format!("/two/{number}"))).collect());
    drop((client, http2));
    assert!(proxy.stop().success());
    let paths = proxy.output().json().iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(paths.len(), 40, "{paths:?}");
    for number in 0..20 {
        for kind in ["one", "two"] {
            assert_eq!(paths.iter().filter(|path| **path == format!("/{kind}/{number}")).count(), 1);
        }
    }
}

#[test]
fn refused_requests_have_a_line_with_their_fault() {
    let refusing = Refusing::start();
    for (request, fault) in [
        (format!("GET /malformed HTTP/1.1\r\nHost: {API}\r\nX A: b\r\n\r\n"), "malformed_request"),
        (
            format!("GET /lengths HTTP/1.1\r\nHost: {API}\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "bad_length",
        ),
        ("GET /no-host HTTP/1.1\r\n\r\n".to_owned(), "bad_host"),
        (format!("TRACE /trace HTTP/1.1\r\nHost: {API}\r\n\r\n"), "method_refused"),
        ("GET /elsewhere HTTP/1.1\r\nHost: www.example.com\r\n\r\n".to_owned(), "misdirected_request"),
    ] {
        let answer = Client::https(&refusing.proxy).send(&request).answer();
        let record = refusing.proxy.record(&answer);
        assert_eq!(record["fault"], fault, "{request:?}: {record}");
        assert_eq!(
            (record["fault_side"].as_str(), record["status"].as_u64()),
            (Some("client"), Some(answer.status.into()))
        );
    }
    refusing.nothing_passed();
}

#[test]
fn a_client_that_vanishes_leaves_a_line() {
    let origin = Origin::script(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")?;
        let piece = vec![7; 1 << 16];
        loop {
            visit.write(&piece)?;
        }
    });
    let mut proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(get(FILES, "/download"));
    assert_eq!(client.head().status(), 200);
    client.reset();
    origin.wait_ended(1);
    let record = proxy.record_of("/download");
    assert_eq!(
        (record["fault"].as_str(), record["fault_side"].as_str()),
        (Some("client_gone"), Some("client")),
        "{record}"
    );
    assert!(record["bytes_out"].as_u64() < Some(100_000_000));

    let mut client = Client::https(&proxy);
    client.send(format!("POST /upload HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 10\r\n\r\nhalf"));
    origin.wait_connections(2);
    client.reset();
    assert_eq!(proxy.record_of("/upload")["fault"], "client_gone");
    proxy.stop();
    let loud =
        proxy.events().json().into_iter().filter(|event| matches!(event["level"].as_str(), Some("WARN" | "ERROR")));
    assert_eq!(loud.count(), 0, "clients that break off are normal");
    assert_eq!(proxy.output().json().len(), 2, "each once");
}

#[test]
fn secrets_are_not_written() {
    let origin = Origin::ok();
    let mut proxy = Run::to(&origin).conf("log { filter: \"trace\" }").start();
    let mut client = Client::https(&proxy);
    let query = "token=SECRET1&access_token=SECRET2&password=SECRET3&api_key=SECRET4&secret_key=SECRET5\
                 &X-Amz-Signature=SECRET6&Signature=SECRET7&jwt=SECRET8&ToKeN=SECRET9&%74oken=SECRET10&harmless=visible";
    client.send(format!(
        "GET /secrets?{query} HTTP/1.1\r\nHost: {API}\r\nAuthorization: Basic SECRET11\r\nCookie: clearml_token_basic=SECRET12\r\n\
         Proxy-Authorization: Basic SECRET13\r\nReferer: https://app.clearml.test/?token=SECRET14\r\n\r\n"
    ));
    let answer = client.answer();
    assert_eq!(answer.status, 200);
    assert!(origin.request().asked().contains("SECRET1"), "the target gets the query as it is");
    client.get("www.example.com", "/?token=SECRET15");
    Client::http(&proxy).get(APP, "/?token=SECRET16");
    let mut refused = Client::https(&proxy);
    refused
        .send(format!(
            "GET /?token=SECRET17 HTTP/1.1\r\nHost: {API}\r\nX A: b\r\nAuthorization: Basic SECRET18\r\n\r\n"
        ))
        .answer();
    Http2::connect(&proxy).send(empty("GET", API, "/?token=SECRET19"));
    drop((client, refused));
    proxy.stop();
    let all = proxy.output().text() + &proxy.events().text();
    assert!(
        !all.contains("SECRET"),
        "{}",
        all.lines().filter(|line| line.contains("SECRET")).collect::<Vec<_>>().join("\n")
    );
    assert!(!all.contains("PRIVATE KEY"));
}

#[test]
fn a_line_stays_one_line_whatever_is_asked() {
    let origin = Origin::ok();
    let mut proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.send(
        b"GET /\"},{\"x\":\"\\\xff\xc3\xbc HTTP/1.1\r\nHost: api.clearml.test\r\nUser-Agent: a\"b\\c\xff\t{}\r\n\r\n"
            .as_slice(),
    );
    let status = client.answer().status;
    assert!(matches!(status, 200 | 400), "{status}");
    drop(client);
    proxy.stop();
    assert_eq!(proxy.output().json().len(), 1, "{}", proxy.output().text());
    assert_eq!(proxy.output().text().lines().count(), 1, "{}", proxy.output().text());
}

#[test]
fn the_common_format_is_the_usual_one() {
    let origin = Origin::ok();
    let mut proxy = Run::to(&origin).conf("access_log { format: \"common\" }").start();
    Client::https(&proxy).get(API, "/common?token=SECRET");
    proxy.stop();
    let line = proxy.output().text();
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    assert!(line.contains("] \"GET /common?token=") && line.contains(" HTTP/1.1\" 200 2"), "{line}");
    assert!(!line.contains("SECRET"));
}

#[test]
fn lines_can_go_to_a_file_and_are_appended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    std::fs::write(&file, "before\n").unwrap();
    let origin = Origin::ok();
    let mut proxy = Run::to(&origin).conf(&format!("access_log {{ file: \"{}\" }}", file.display())).start();
    Client::https(&proxy).get(API, "/to-file");
    proxy.stop();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("before\n{") && text.contains("/to-file"), "{text}");
    assert!(!proxy.output().text().contains("/to-file"));
}

#[test]
fn the_log_can_be_switched_off() {
    let origin = Origin::ok();
    let mut proxy = Run::to(&origin).conf("access_log { enabled: false }").start();
    assert_eq!(Client::https(&proxy).get(API, "/unlogged").status, 200);
    proxy.stop();
    assert!(!proxy.output().text().contains("/unlogged"));
}

#[test]
fn a_log_that_was_moved_away_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let origin = Origin::ok();
    let mut proxy = Run::to(&origin).conf(&format!("access_log {{ file: \"{}\" }}", file.display())).start();
    std::fs::rename(&file, folder.path().join("moved.log")).unwrap();
    proxy.signal("USR1");
    proxy.event("the access log is opened anew");
    Client::https(&proxy).get(API, "/behind-the-move");
    assert!(proxy.stop().success());
    assert!(std::fs::read_to_string(&file).unwrap().contains("/behind-the-move"));
    assert_eq!(std::fs::read_to_string(folder.path().join("moved.log")).unwrap(), "");
}

#[test]
fn what_came_of_a_body_is_counted_however_its_request_ends() {
    let silent = Origin::script(|visit| visit.drain());
    let proxy =
        Run::to(&silent).conf("services { api { max_body: \"64KiB\" } }\ntimeouts { first_byte: \"500ms\" }").start();
    let mut client = Client::https(&proxy);
    client.send(format!("POST /too-large HTTP/1.1\r\nHost: {API}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let _closed = client.try_send(format!("{chunk}{chunk}{chunk}0\r\n\r\n"));
    client.answer().assert_fault(413, "client; body_too_large");
    assert!(proxy.record_of("/too-large")["bytes_in"].as_u64() > Some(65_536));

    let mut client = Client::https(&proxy);
    client.send(post(FILES, "/unanswered", &"x".repeat(50_000)));
    client.answer().assert_fault(504, "target; no_answer");
    assert_eq!(proxy.record_of("/unanswered")["bytes_in"], 50_000);
}

#[test]
fn what_a_client_sent_before_it_left_is_counted() {
    let silent = Origin::script(|visit| visit.drain());
    let proxy = Proxy::to(&silent);
    let mut client = Client::https(&proxy);
    let sent = "x".repeat(40_000);
    client.send(format!("POST /left HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 100000\r\n\r\n{sent}"));
    silent.wait_bytes(40_000);
    client.reset();
    let record = proxy.record_of("/left");
    assert_eq!((record["status"].as_u64(), record["fault"].as_str()), (Some(499), Some("client_gone")), "{record}");
    assert!(record["bytes_in"].as_u64() >= Some(39_000), "{record}");
}
