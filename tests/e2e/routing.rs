//! Routing: each request by its own host, never by connection or SNI; unknown hosts lead nowhere.

use crate::support::*;

/// Three targets that say who they are.
fn three() -> ([Origin; 3], Proxy) {
    let origins = ["app", "api", "files"].map(|name| Origin::answering(ok(name)));
    let proxy = Run::at([origins[0].addr(), origins[1].addr(), origins[2].addr()]).start();
    (origins, proxy)
}

#[test]
fn each_host_leads_to_its_service() {
    let (_origins, mut proxy) = three();
    let mut client = Client::https(&proxy);
    let cases = [
        (APP, "app"),
        (API, "api"),
        (FILES, "files"),
        ("API.ClearML.Test", "api"),
        ("api.clearml.test.", "api"),
        ("files.clearml.test:443", "files"),
        ("files.clearml.test:8443", "files"),
        ("App.CLEARML.test.:443", "app"),
    ];
    for (host, service) in cases {
        let answer = client.get(host, "/");
        assert_eq!((answer.status, answer.text().as_str()), (200, service), "{host}");
    }
    drop(client);
    proxy.stop();
    let services = proxy.output().json().iter().map(|record| record["service"].clone()).collect::<Vec<_>>();
    assert_eq!(services, cases.map(|(_, service)| service));
}

#[test]
fn one_http2_connection_serves_all_three_names() {
    let (_origins, proxy) = three();
    let client = Http2::connect(&proxy);
    for (host, service) in
        [(APP, "app"), (API, "api"), (FILES, "files"), (APP, "app"), ("FILES.clearml.test:443", "files")]
    {
        assert_eq!(client.send(empty("GET", host, "/")).text(), service, "{host}");
    }
}

#[test]
fn a_known_label_is_not_enough() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    for host in ["clearml.test", "www.clearml.test", "app.app.clearml.test", "xapp.clearml.test", "app.example.com"] {
        let answer = client.get(host, "/");
        assert!(matches!(answer.status, 404 | 421), "{host}: {}", answer.status);
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn an_unknown_host_gets_404_where_covered_and_421_elsewhere() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    client.get(COVERED, "/").assert_fault(404, "client; unknown_host");
    client.get("www.example.com", "/").assert_fault(421, "client; misdirected_request");
    client.get("127.0.0.1", "/").assert_fault(421, "client; misdirected_request");
    client.get("[::1]:443", "/").assert_fault(421, "client; misdirected_request");
    let http2 = Http2::connect(&proxy);
    http2.send(empty("GET", COVERED, "/")).assert_fault(404, "client; unknown_host");
    http2.send(empty("GET", "www.example.com", "/")).assert_fault(421, "client; misdirected_request");
    assert_eq!(origin.connections(), 0);
    client.assert_open();
}

#[test]
fn without_a_listed_domain_the_label_decides() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).domain("\"*\"").start();
    let mut client = Client::https(&proxy);
    for host in [APP, API, FILES, "api.somewhere.else", "files.localhost"] {
        assert_eq!(client.get(host, "/").status, 200, "{host}");
    }
    for host in ["other.clearml.test", "localhost", "app"] {
        assert!(matches!(client.get(host, "/").status, 404 | 421), "{host}");
    }
}

#[test]
fn several_domains_are_served() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).domain("[\"clearml.test\", \"ml.corp\"]").start();
    let mut client = Client::https(&proxy);
    for host in ["api.clearml.test", "api.ml.corp", "files.ML.corp"] {
        assert_eq!(client.get(host, "/").status, 200, "{host}");
    }
    assert!(matches!(client.get("api.corp", "/").status, 404 | 421));
}

#[test]
fn path_and_query_stay_as_they_are() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let http2 = Http2::connect(&proxy);
    for target in [
        "/",
        "//",
        "//evil.example/x",
        "/a//b/../c/./d",
        "/%2e%2e/%2F/%2520/%c3%bc",
        "/a;b=c;d",
        "/a?b=c?d&e=%20+&&",
        "/?",
        "/x?next=https://other/%0d%0a",
        "/project/task.0123/models/model%20one.bin?X-Amz-Date=1",
        "/a'()*!$,:@~_-.",
    ] {
        assert_eq!(client.get(FILES, target).status, 200, "{target}");
        assert_eq!(origin.last().asked(), format!("GET {target}"));
        assert_eq!(http2.send(empty("GET", FILES, target)).status, 200, "{target}");
        assert_eq!(origin.last().asked(), format!("GET {target}"));
    }
}

#[test]
fn every_byte_of_a_target_passes_unchanged_or_is_refused_by_us() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    for byte in 0x21..=0xFF_u8 {
        for start in ["/path-", "/?query-"] {
            let mut client = Client::https(&proxy);
            let target = [start.as_bytes(), &[byte], b"-end"].concat();
            let line = [b"GET ".as_slice(), &target, b" HTTP/1.1\r\n"].concat();
            let seen = origin.requests().len();
            let answer = client.send([line.as_slice(), b"Host: api.clearml.test\r\n\r\n"].concat()).answer();
            if answer.status == 200 {
                let bytes = origin.bytes().concat();
                assert!(bytes.windows(line.len()).any(|window| window == line), "{}", target.escape_ascii());
            } else {
                let fault = answer.fields.all("x-fault").join(",");
                assert_eq!(
                    (answer.status, fault.as_str()),
                    (400, "client; malformed_request"),
                    "{}",
                    target.escape_ascii()
                );
                assert_eq!(origin.requests().len(), seen);
            }
        }
    }
}

#[test]
fn a_target_may_be_a_name() {
    let origin = Origin::ok();
    let target = format!("localhost:{}", origin.addr().port());
    let proxy = Run::to(&origin).conf(&format!("services {{ api {{ targets: [\"{target}\"] }} }}")).start();
    let mut client = Client::https(&proxy);
    assert_eq!(client.get(API, "/").status, 200);
    assert_eq!(origin.request().field("host"), API, "the client's host, not the target's name");
}

#[test]
fn a_target_whose_name_does_not_resolve_is_503() {
    let origin = Origin::ok();
    let conf = "services { api { targets: [\"nowhere.invalid:8008\"] } }\ntimeouts { hold: \"300ms\" }";
    let proxy = Run::to(&origin).conf(conf).start();
    Client::https(&proxy).get(API, "/").assert_fault(503, "target; target_unreachable");
    assert_eq!(Client::https(&proxy).get(APP, "/").status, 200, "the others are served");
}

#[test]
fn more_workers_share_one_port() {
    let origin = Origin::ok();
    let mut proxy = Run::to(&origin).conf("workers: 2").start();
    let listening = proxy.events().json().into_iter().filter(|event| event["message"] == "listening").count();
    assert_eq!(listening, 2, "one for each listener, whatever the number of workers");
    for _ in 0..16 {
        assert_eq!(Client::https(&proxy).get(API, "/").status, 200);
    }
    assert!(proxy.stop().success());
    assert_eq!(proxy.output().json().len(), 16, "one line for each request");
}
