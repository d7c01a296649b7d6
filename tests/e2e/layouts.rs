//! Layouts: freely named hosts, one host with paths, and both services below the app host.

use crate::support::*;

const NAMES: &str = "hosts { app: [\"ml.corp\"], api: \"ml-api.corp\", files: [\"ml-files.corp\", \"old-files.corp\"] }\n\
                     single_domain: [\"one.corp\", \"localhost\"]";

/// Three targets that say who they are, behind every layout at once.
fn three() -> ([Origin; 3], Proxy) {
    let origins = ["app", "api", "files"].map(|name| Origin::answering(ok(name)));
    let proxy = Run::at([origins[0].addr(), origins[1].addr(), origins[2].addr()]).conf(NAMES).start();
    (origins, proxy)
}

#[test]
fn free_names_and_single_hosts_lead_to_services() {
    let (_origins, proxy) = three();
    let mut client = Client::https(&proxy);
    let http2 = Http2::connect(&proxy);
    for (host, path, service) in [
        ("ml.corp", "/", "app"),
        ("ML-api.corp:8443", "/auth.login", "api"),
        ("ml-files.corp", "/a/b", "files"),
        ("old-files.corp", "/api/x", "files"),
        ("one.corp", "/", "app"),
        ("one.corp", "/apix", "app"),
        ("one.corp", "/api.json", "app"),
        ("one.corp", "/filesystem", "app"),
        ("One.corp.:8443", "/api/auth.login", "api"),
        ("localhost", "/files/a", "files"),
        (APP, "/api/debug.ping", "api"),
        (APP, "/files/", "files"),
        (APP, "/", "app"),
        ("ml.corp", "/files", "files"),
    ] {
        let answer = client.get(host, path);
        assert_eq!((answer.status, answer.text().as_str()), (200, service), "{host}{path}");
        let answer = http2.send(empty("GET", host, path));
        assert_eq!((answer.status, answer.text().as_str()), (200, service), "{host}{path} over HTTP/2");
    }
    for host in ["app.one.corp", "api.corp", "corp", "ml-web.corp"] {
        assert!(matches!(client.get(host, "/").status, 404 | 421), "{host}");
    }
}

#[test]
fn the_prefix_goes_once_and_the_rest_stays_byte_for_byte() {
    let (origins, proxy) = three();
    let mut client = Client::https(&proxy);
    let http2 = Http2::connect(&proxy);
    for (target, sent) in [
        ("/files/a%2Fb/%2520//c+d;e?x=/files/&y=%20+", "/a%2Fb/%2520//c+d;e?x=/files/&y=%20+"),
        ("/files//a", "//a"),
        ("/files/files/a", "/files/a"),
        ("/files/..%2f/a/../b", "/..%2f/a/../b"),
        ("/files", "/"),
        ("/files?download=1", "/?download=1"),
    ] {
        assert_eq!(client.get("one.corp", target).status, 200, "{target}");
        assert_eq!(origins[2].last().asked(), format!("GET {sent}"));
        assert_eq!(http2.send(empty("GET", "one.corp", target)).status, 200, "{target}");
        assert_eq!(origins[2].last().asked(), format!("GET {sent}"));
    }
    // The SDK posts to exactly `files_server`.
    assert_eq!(client.send(post("one.corp", "/files", "a body")).answer().text(), "files");
    let upload = origins[2].last();
    assert_eq!((upload.asked(), upload.body.as_slice()), ("POST /", b"a body".as_slice()));
    assert_eq!(upload.field("host"), "one.corp", "the host stays");
    client.send(format!("GET https://{APP}/api/v2.23/a.b HTTP/1.1\r\nHost: {APP}\r\n\r\n")).answer();
    assert_eq!(origins[1].last().asked(), "GET /v2.23/a.b", "also from a target in absolute form");
}

#[test]
fn the_log_has_the_path_as_asked_and_the_service_as_routed() {
    let (_origins, proxy) = three();
    let answer = Client::https(&proxy).get("one.corp", "/api/v2.23/tasks.get_all?x=1");
    let record = proxy.record(&answer);
    assert_eq!((&record["service"], &record["host"]), (&"api".into(), &"one.corp".into()), "{record}");
    assert!(record["path"].as_str().unwrap().starts_with("/api/v2.23/tasks.get_all"), "{record}");
}

#[test]
fn plain_http_is_led_to_the_same_place_and_uploads_are_told_theirs() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(NAMES).conf("listeners.https.public_port: 443").start();
    let mut client = Client::http(&proxy);
    for (host, target) in [("one.corp", "/api/v2.23/auth.login?a=%20"), ("one.corp", "/"), ("ml-api.corp", "/x.y")] {
        let answer = client.get(host, target);
        assert_eq!((answer.status, answer.field("location")), (308, format!("https://{host}{target}")));
    }
    for (host, target, url) in [
        ("one.corp", "/files", "https://one.corp/files"),
        (APP, "/files/", "https://app.clearml.test/files"),
        ("ml-files.corp", "/", "https://ml-files.corp"),
    ] {
        let answer = Client::http(&proxy).send(post(host, target, "lost otherwise")).answer();
        answer.assert_fault(403, "client; https_required");
        assert!(answer.text().contains(&format!("api.files_server: \"{url}\"")), "{}", answer.text());
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn faults_can_be_read_by_the_web_app_of_the_same_layout() {
    let port = Port::closed();
    let proxy = Run::at([port.addr(); 3]).conf(NAMES).conf("timeouts.hold: 50ms").start();
    for (host, origin, allowed) in [
        ("ml-api.corp", "https://ml.corp:8443", true),
        ("ml-files.corp", "https://ml.corp", true),
        ("ml-api.corp", "https://one.corp", false),
        ("ml-api.corp", "https://ml-files.corp", false),
        ("ml-api.corp", "https://app.corp", false),
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\r\n");
        let answer = Client::https(&proxy).send(head).answer();
        answer.assert_fault(503, "target; target_unreachable");
        assert_eq!(answer.has("access-control-allow-origin"), allowed, "{origin} at {host}:\n{}", answer.fields);
    }
}

#[test]
fn errors_below_api_are_the_apis_and_below_files_are_text() {
    let port = Port::closed();
    let proxy = Run::at([port.addr(); 3]).conf(NAMES).conf("timeouts.hold: 50ms").start();
    for (path, form) in [("/api/x.y", "application/json"), ("/files/x", "text/plain"), ("/", "text/html")] {
        let answer = Client::https(&proxy).get("one.corp", path);
        assert!(answer.field("content-type").starts_with(form), "{path}: {}", answer.fields);
    }
}

#[test]
fn names_without_a_certificate_are_warned_about() {
    let (_origins, proxy) = three();
    for name in ["ml.corp", "ml-api.corp", "old-files.corp", "one.corp"] {
        proxy.events().wait(name, |event| {
            event["message"].as_str().is_some_and(|said| said.starts_with("no certificate covers this name"))
                && event["name"] == name
        });
    }
}

#[test]
fn the_local_authority_covers_free_names() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("proxy.conf");
    let text = format!("{NAMES}\nlisteners {{ https.bind: [\"127.0.0.1:0\"], http.bind: [\"127.0.0.1:0\"] }}\n");
    std::fs::write(&conf, text).unwrap();
    let conf = conf.to_str().unwrap().to_owned();
    let proxy = Proxy::launch(folder, &["run", "--config", &conf]);
    for (authority, names) in [
        ("ml.corp", ["ml.corp", "ml-api.corp", "old-files.corp"].as_slice()),
        ("one.corp", &["one.corp"]),
        ("localhost", &["localhost"]),
    ] {
        let file = proxy.folder().join("certs/local").join(authority).join("ca.pem");
        for name in names {
            let trusting = Pki::client_trusting_file(&file, &["http/1.1"]);
            let client = Client::tls(proxy.https(), name, trusting);
            assert!(client.is_ok(), "{name} with {authority}: {:?}", client.err());
        }
    }
    let foreign = Pki::client_trusting_file(&proxy.folder().join("certs/local/one.corp/ca.pem"), &["http/1.1"]);
    assert!(Client::tls(proxy.https(), "ml.corp", foreign).is_err());
}

#[test]
fn what_is_protected_is_protected_below_a_prefix_too() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(NAMES).conf("protection.files.refuse_removal: true").start();
    let mut client = Client::https(&proxy);
    for (host, path) in
        [("one.corp", "/files/delete_many"), (APP, "/files/delete_many"), ("one.corp", "/files//delete_many")]
    {
        let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\r\n[]");
        assert_eq!(client.send(head).answer().status, 403, "{host}{path}");
    }
    let asking = |origin: &str| {
        format!(
            "GET /api/x.y HTTP/1.1\r\nHost: one.corp\r\nCookie: a=b\r\nOrigin: {origin}\r\nSec-Fetch-Site: cross-site\r\n\r\n"
        )
    };
    assert_eq!(client.send(asking("https://evil.example")).answer().status, 403);
    assert_eq!(client.send(asking("https://one.corp")).answer().status, 200);
}
