//! Local by default: no configuration at all, and the demo.

use crate::support::*;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const NAMES: [&str; 3] = ["app.clearml.localhost", "api.clearml.localhost", "files.clearml.localhost"];

fn local(more: &[&str]) -> Proxy {
    let arguments = [&["run", "--https-port", "0", "--http-port", "0"], more].concat();
    Proxy::launch(tempfile::tempdir().unwrap(), &arguments)
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The CA's certificate: the one file that is printed for clients.
fn authority(proxy: &Proxy) -> PathBuf {
    let line = proxy.output().wait_line("the CA file", |line| line.contains(".pem"));
    let certs = proxy.folder().join("certs");
    let named = files(&certs).into_iter().find(|file| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        !name.contains("key") && line.contains(&*name)
    });
    named.unwrap_or_else(|| panic!("no CA file of {:?} is named in {line:?}", files(&certs)))
}

fn trusting(proxy: &Proxy, alpn: &[&str]) -> rustls::ClientConfig {
    Pki::client_trusting_file(&authority(proxy), alpn)
}

#[test]
fn serves_local_names_on_loopback_with_a_ca_of_its_own() {
    let proxy = local(&[]);
    for listening in proxy.events().json().iter().filter(|event| event["message"] == "listening") {
        assert!(listening["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{listening}");
    }
    for name in NAMES.into_iter().chain(["localhost"]) {
        let client = Client::tls(proxy.https(), name, trusting(&proxy, &["http/1.1"]));
        assert!(client.is_ok(), "{name} is covered: {:?}", client.err());
        let answer = Client::http(&proxy).get(name, "/");
        let expected = format!("https://{name}:{}/", proxy.https().port());
        assert_eq!((answer.status, answer.field("location")), (308, expected), "{name} is known");
    }
}

#[test]
fn keys_are_for_their_owner_only() {
    let proxy = local(&[]);
    let certs = proxy.folder().join("certs");
    let keys = files(&certs)
        .into_iter()
        .filter(|file| std::fs::read_to_string(file).unwrap().contains("PRIVATE KEY"))
        .collect::<Vec<_>>();
    assert!(!keys.is_empty(), "{:?}", files(&certs));
    for key in keys {
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600, "{}", key.display());
    }
}

#[test]
fn prints_the_three_urls_the_ca_and_the_clients_lines() {
    let mut proxy = local(&[]);
    let port = proxy.https().port();
    for name in NAMES {
        proxy.output().wait_line(name, |line| line.contains(&format!("https://{name}:{port}")));
    }
    proxy.output().wait_line("localhost", |line| line.contains(&format!("https://localhost:{port}/api")));
    proxy.output().wait_line("api_server", |line| line.contains("api_server"));
    proxy.output().wait_line("files_server", |line| line.contains("files_server"));
    let _ca = authority(&proxy);
    assert!(proxy.stop().success());
    let all = proxy.output().text() + &proxy.events().text();
    assert!(!all.contains("PRIVATE KEY"));
}

#[test]
fn the_ca_is_made_once_and_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    let keep = folder.keep();
    let mut ca = Vec::new();
    for _ in 0..2 {
        let inner = tempfile::Builder::new().tempdir_in(&path).unwrap();
        std::fs::create_dir_all(path.join("certs")).unwrap();
        let conf = inner.path().join("proxy.conf");
        let text = format!(
            "domain: \"clearml.localhost\"\nworkers: 1\ncertificate_folder: \"{}\"\n\
             listeners {{ https {{ bind: [\"127.0.0.1:0\"] }}, http {{ bind: [\"127.0.0.1:0\"] }} }}\n",
            path.join("certs").display()
        );
        std::fs::write(&conf, text).unwrap();
        let conf = conf.to_str().unwrap().to_owned();
        let mut proxy = Proxy::launch(inner, &["run", "--config", &conf]);
        assert!(proxy.stop().success());
        let mut made = files(&path.join("certs"));
        made.sort();
        let ca_files = made.iter().filter(|file| file.to_string_lossy().contains("ca")).collect::<Vec<_>>();
        ca.push(ca_files.iter().map(|file| std::fs::read(file).unwrap()).collect::<Vec<_>>());
    }
    assert!(!ca[0].is_empty(), "{:?}", files(&path));
    assert!(ca[0] == ca[1], "the second start made another CA");
    std::fs::remove_dir_all(keep).unwrap();
}

#[test]
fn without_targets_it_says_what_is_missing() {
    let proxy = local(&[]);
    // Somebody may run a ClearML Server on this machine: then there is an answer of theirs.
    let mut client = Client::tls(proxy.https(), NAMES[1], trusting(&proxy, &["http/1.1"])).unwrap();
    let answer = client.get(NAMES[1], "/debug.ping");
    if answer.has("x-fault") {
        answer.assert_fault(503, "target; target_unreachable");
        assert!(answer.has("retry-after"));
    }
}

fn login(client: &mut Client) -> String {
    client.send(format!(
        "GET /auth.login HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {}\r\n\r\n",
        NAMES[1], DEMO_CREDENTIALS
    ));
    let answer = client.answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["meta"]["result_code"], 200, "{json}");
    json["data"]["token"].as_str().unwrap_or_else(|| panic!("no token in {json}")).to_owned()
}

/// The key and secret that `run --demo` prints.
const DEMO_CREDENTIALS: &str = "Q0xFQVJXQVlERU1PMDAwMEFDQ0VTU0tFWTpjbGVhcndheS1kZW1vLXNlY3JldC1rZXk=";

#[test]
fn the_demo_takes_logins_and_files() {
    let proxy = local(&["--demo"]);
    let mut client = Client::tls(proxy.https(), NAMES[1], trusting(&proxy, &["http/1.1"])).unwrap();
    let page = client.get(NAMES[0], "/");
    assert_eq!((page.status, page.text().to_ascii_lowercase().contains("<html")), (200, true), "{}", page.text());
    let token = login(&mut client);
    let body = "--b\r\nContent-Disposition: form-data; name=\"p/t.1/m.bin\"; filename=\"p/t.1/m.bin\"\r\n\
                Content-Type: application/octet-stream\r\n\r\n0123456789\r\n--b--\r\n";
    let upload = |authorization: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: {}\r\n{authorization}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
            NAMES[2],
            body.len()
        )
    };
    let refused =
        Client::tls(proxy.https(), NAMES[2], trusting(&proxy, &["http/1.1"])).unwrap().send(upload("")).answer();
    assert_eq!(refused.status, 401, "without a token");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let mut client = Client::tls(proxy.https(), NAMES[2], trusting(&proxy, &["http/1.1"])).unwrap();
    assert_eq!(client.send(upload(&bearer)).answer().status, 200);
    let get = |lines: &str| format!("GET /p/t.1/m.bin HTTP/1.1\r\nHost: {}\r\n{bearer}{lines}\r\n", NAMES[2]);
    let answer = client.send(get("")).answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "0123456789"));
    assert_eq!((answer.fields.all("date").len(), answer.fields.all("server").len()), (1, 1), "{}", answer.fields);
    let etag = answer.field("etag");
    let answer = client.send(get("Range: bytes=2-4\r\n")).answer();
    assert_eq!((answer.status, answer.text().as_str()), (206, "234"));
    let answer = client.send(get(&format!("If-None-Match: {etag}\r\n"))).answer();
    assert_eq!(answer.status, 304);
}

#[test]
fn the_demo_ends_in_order() {
    let mut proxy = local(&["--demo"]);
    assert!(proxy.stop().success());
    proxy.event("stopped");
}
