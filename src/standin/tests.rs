//! The three stand-ins through their sockets, byte by byte.

use super::{ACCESS_KEY, SECRET_KEY, serve, sockets};
use crate::domain::names::{PerService, ServiceName};
use crate::runtime::{Deadline, Shutdown, Tasks};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use ServiceName::{Api, App, Files};

struct Running {
    addrs: PerService<SocketAddr>,
    folder: TempDir,
    shutdown: Shutdown,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
    tasks: Tasks,
}

/// An answer, its head as lines.
#[derive(Debug)]
struct Got {
    status: u16,
    lines: Vec<String>,
    body: Vec<u8>,
}

impl Got {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("no end of head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n").map(str::to_owned);
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, lines: lines.collect(), body: bytes[end + 4..].to_vec() }
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.lines.iter().filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    fn one(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name}: {self:?}");
        all[0]
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Running {
    fn start() -> Self {
        let sockets = sockets().unwrap();
        let addrs = sockets.map(|_, socket| socket.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let (shutdown, watch) = Shutdown::new();
        let tasks = Tasks::new();
        let served = tokio::spawn(serve(sockets, folder.path().into(), tasks.clone(), watch));
        Self { addrs, folder, shutdown, served, tasks }
    }

    async fn connect(&self, service: ServiceName) -> TcpStream {
        TcpStream::connect(self.addrs.get(service)).await.unwrap()
    }

    /// Sends `request` and reads to the end of the connection.
    async fn raw(&self, service: ServiceName, request: &[u8]) -> Vec<u8> {
        let mut socket = self.connect(service).await;
        socket.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        answer
    }

    /// A request with `fields` (each with its line end) and `body`, on a connection that closes after it.
    async fn ask(&self, service: ServiceName, line: &str, fields: &str, body: &str) -> Got {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let host = format!("Host: {service}.clearml.localhost:8443\r\nConnection: close\r\n");
        let request = format!("{line} HTTP/1.1\r\n{host}{fields}{length}\r\n{body}");
        Got::parse(&self.raw(service, request.as_bytes()).await)
    }

    /// A token, from logging in.
    async fn token(&self) -> String {
        let got = self.ask(Api, "GET /auth.login", &basic(SECRET_KEY), "").await;
        got.json()["data"]["token"].as_str().unwrap().to_owned()
    }

    /// `Authorization` with a fresh token.
    async fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token().await)
    }

    async fn store(&self, name: &str, content: &str) {
        let got = self.ask(Files, "POST /", &(self.bearer().await + FORM), &form(&[(name, content)])).await;
        assert_eq!((got.status, got.json()), (200, json!([name])), "{got:?}");
    }
}

fn basic(secret: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{ACCESS_KEY}:{secret}")))
}

const FORM: &str = "Content-Type: multipart/form-data; boundary=f94f5b70d16d4d71\r\n";

fn form(files: &[(&str, &str)]) -> String {
    let part = |(name, content): &(&str, &str)| {
        format!(
            "--f94f5b70d16d4d71\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\nContent-Type: \
             application/octet-stream\r\n\r\n{content}\r\n"
        )
    };
    files.iter().map(part).collect::<String>() + "--f94f5b70d16d4d71--\r\n"
}

#[tokio::test]
async fn the_api_answers_a_ping_as_recorded() {
    let running = Running::start();
    let got = running.ask(Api, "GET /debug.ping", "", "").await;
    assert_eq!(got.status, 200);
    assert_eq!(got.all("server"), ["Werkzeug/3.1.9 Python/3.11.7", "clearml"]);
    assert_eq!(got.one("content-type"), "application/json");
    assert_eq!(got.one("content-length"), "296");
    assert_eq!(got.one("vary"), "Accept-Encoding");
    assert_eq!(got.one("connection"), "close");
    assert_eq!(got.all("date").len(), 1);
    assert_eq!(got.json()["data"], json!({ "msg": "ClearML server" }));
}

#[tokio::test]
async fn bodies_count_with_every_method() {
    let running = Running::start();
    for method in ["GET", "POST", "PUT"] {
        let json = "Content-Type: application/json\r\n";
        let got = running.ask(Api, &format!("{method} /v2.23/debug.ping?b=2"), json, r#"{"a":"ü"}"#).await;
        assert_eq!(got.json()["data"], json!({ "msg": "ClearML server", "a": "ü", "b": 2 }), "{method}");
        assert_eq!(
            got.json()["meta"]["endpoint"],
            json!({ "name": "debug.ping", "requested_version": "2.23", "actual_version": "1.0" })
        );
    }
}

#[tokio::test]
async fn api_errors_are_envelopes() {
    let running = Running::start();
    let bearer = running.bearer().await;
    for (line, fields, body, status, subcode, message) in [
        ("GET /", "", "", 400, 0, "Invalid request path /"),
        ("GET /index.html", "", "", 404, 0, "Unable to find endpoint for name index.html and version 2.34"),
        (
            "GET /v2.23/tasks.nothing",
            bearer.as_str(),
            "",
            404,
            0,
            "Unable to find endpoint for name tasks.nothing and version 2.23",
        ),
        ("POST /v999.0/users.get_current_user", "", "{}", 401, 20, "unauthorized (missing credentials)"),
        (
            "GET /users.get_current_user",
            "Authorization: Bearer x\r\n",
            "",
            401,
            30,
            "invalid token (invalid jwt token)",
        ),
        (
            "GET /users.get_current_user",
            "Authorization: Digest x\r\n",
            "",
            401,
            10,
            "unauthorized (bad authentication header type)",
        ),
        ("GET /auth.login", "Authorization: Basic ?\r\n", "", 401, 21, "unauthorized (malformed credentials)"),
        (
            "GET /auth.login",
            &basic("wrong"),
            "",
            401,
            22,
            "unauthorized (invalid credentials) (failed to locate provided credentials)",
        ),
        ("GET /debug.ping", "", "[1]", 400, 0, "Data should be a dict"),
    ] {
        let got = running.ask(Api, line, fields, body).await;
        let meta = &got.json()["meta"];
        assert_eq!((got.status, &meta["result_code"]), (status, &json!(status)), "{line}");
        assert_eq!((&meta["result_subcode"], &meta["result_msg"]), (&json!(subcode), &json!(message)), "{line}");
        assert!(got.all("www-authenticate").is_empty());
    }
}

#[tokio::test]
async fn a_login_gives_a_token_that_the_sdk_can_read_and_a_cookie() {
    let running = Running::start();
    let got = running.ask(Api, "GET /auth.login", &(basic(SECRET_KEY) + "Accept-Encoding: gzip\r\n"), "").await;
    let token = got.json()["data"]["token"].as_str().unwrap().to_owned();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims = serde_json::from_slice::<Value>(&claims).unwrap();
    assert_eq!((&claims["api_version"], &claims["server_version"]), (&json!("2.34"), &json!("2.3.0")));
    assert!(claims["exp"].as_u64().unwrap() > claims["iat"].as_u64().unwrap());
    assert_eq!(
        got.one("set-cookie"),
        format!(
            "clearml_token_basic={token}; Expires=Mon, 09 Oct 5195 05:00:14 GMT; \
             Max-Age=99999999999; HttpOnly; Path=/; SameSite=Lax"
        )
    );
    assert_eq!(got.all("date").len(), 2, "answers that the real server compresses have two dates");

    let cookie = format!("Cookie: clearml_token_basic={token}\r\n");
    for fields in [cookie.clone(), format!("Authorization: Bearer {token}\r\n")] {
        let got = running.ask(Api, "POST /v999.0/users.get_current_user", &fields, "{}").await;
        assert_eq!((got.status, &got.json()["data"]["user"]["name"]), (200, &json!("Demo")));
    }
    let modes = running.ask(Api, "POST /login.supported_modes", &cookie, "{}").await;
    assert_eq!(modes.json()["data"]["authenticated"], true);
    let out = running.ask(Api, "POST /auth.logout", &cookie, "").await;
    assert!(out.one("set-cookie").starts_with("clearml_token_basic=; Expires=Thu, 01 Jan 1970"));
    for (token, valid) in [(token.as_str(), true), ("x", false)] {
        let got = running.ask(Api, "GET /auth.validate_token", &cookie, &json!({ "token": token }).to_string()).await;
        assert_eq!(got.json()["data"]["valid"], valid);
    }
}

#[tokio::test]
async fn a_batch_of_many_lines_is_taken() {
    let running = Running::start();
    let lines = "{\"type\":\"log\"}\n".repeat(100_000);
    let fields = "Content-Type: application/json-lines\r\n";
    assert_eq!(running.ask(Api, "GET /v2.23/debug.ping", fields, &lines).await.status, 200);
    assert_eq!(running.ask(Api, "GET /v2.23/debug.ping", fields, &(lines + "x")).await.status, 400);
}

#[tokio::test]
async fn the_api_shares_with_the_origin_that_asks() {
    let running = Running::start();
    let origin = "Origin: https://app.clearml.localhost:8443\r\n";
    let got = running.ask(Api, "POST /v999.0/login.supported_modes", origin, "{}").await;
    assert_eq!(got.one("access-control-allow-origin"), "https://app.clearml.localhost:8443");
    assert_eq!(got.one("access-control-allow-credentials"), "true");
    assert_eq!(got.all("vary"), ["Accept-Encoding", "Origin"]);
    let asked =
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type,x-allegro-client\r\n";
    let got = running.ask(Api, "OPTIONS /v999.0/users.get_current_user", &format!("{origin}{asked}"), "").await;
    assert_eq!((got.status, got.one("content-length")), (200, "0"));
    assert_eq!(got.one("access-control-allow-headers"), "content-type,x-allegro-client");
    assert_eq!(got.one("access-control-allow-methods"), "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    let got = running.ask(Files, "GET /", "", "").await;
    assert_eq!(got.one("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn both_python_servers_refuse_coded_requests() {
    let running = Running::start();
    for service in [Api, Files] {
        let got = running.ask(service, "GET /debug.ping", "Content-Encoding: gzip\r\n", "x").await;
        assert_eq!((got.status, got.text()), (415, "Content encoding is not supported (gzip)"));
    }
}

#[tokio::test]
async fn a_file_goes_in_and_comes_out_as_recorded() {
    let running = Running::start();
    running.store("project/task.1/art/artifact 1 ü.bin", "0123456789").await;
    let bearer = running.bearer().await;
    let line = "GET /project/task.1/art/artifact%201%20%C3%BC.bin";
    let got = running.ask(Files, line, &bearer, "").await;
    assert_eq!((got.status, got.text()), (200, "0123456789"));
    assert_eq!(
        got.one("content-disposition"),
        "inline; filename=\"artifact 1 .bin\"; filename*=UTF-8''artifact%201%20%C3%BC.bin"
    );
    assert_eq!(got.one("content-type"), "application/octet-stream");
    assert_eq!(got.one("cache-control"), "public, max-age=300");
    assert_eq!((got.all("date").len(), got.all("server").len()), (2, 2));
    assert_eq!((got.one("accept-ranges"), got.one("connection")), ("bytes", "close"));

    let head = running.ask(Files, &line.replace("GET", "HEAD"), &bearer, "").await;
    assert_eq!((head.status, head.one("content-length"), head.text()), (200, "10", ""));
    let part = running.ask(Files, line, &format!("{bearer}Range: bytes=2-4\r\n"), "").await;
    assert_eq!((part.status, part.one("content-range"), part.text()), (206, "bytes 2-4/10", "234"));
    let past = running.ask(Files, line, &format!("{bearer}Range: bytes=10-\r\n"), "").await;
    assert_eq!((past.status, past.one("content-range")), (416, "bytes */10"));
    let same = running.ask(Files, line, &format!("{bearer}If-None-Match: {}\r\n", got.one("etag")), "").await;
    assert_eq!((same.status, same.text(), same.all("content-length").len()), (304, "", 0));
    let named = running.ask(Files, &format!("{line}?download=1"), &bearer, "").await;
    assert!(named.one("content-disposition").starts_with("attachment; "));
}

#[tokio::test]
async fn files_are_closed_to_those_without_a_login() {
    let running = Running::start();
    running.store("a", "x").await;
    for (line, fields, status) in [
        ("GET /a", "", 401),
        ("HEAD /a", "", 401),
        ("DELETE /a", "", 401),
        ("POST /", "", 401),
        ("POST /delete_many", "", 401),
        ("GET /a", "Authorization: Bearer x\r\n", 401),
        ("GET /a", "Authorization: Basic x\r\n", 401),
        ("GET /", "Authorization: Bearer x\r\n", 401),
        ("GET /", "", 200),
    ] {
        assert_eq!(running.ask(Files, line, fields, "").await.status, status, "{line} {fields}");
    }
    let cookie = format!("Cookie: clearml_token_basic={}\r\n", running.token().await);
    assert_eq!(running.ask(Files, "GET /a", &cookie, "").await.status, 200);
}

#[tokio::test]
async fn a_refused_upload_is_answered_before_its_body() {
    let running = Running::start();
    let mut socket = running.connect(Files).await;
    socket.write_all(b"POST / HTTP/1.1\r\nHost: files.x\r\nContent-Length: 1000000000\r\n\r\n").await.unwrap();
    let mut first = vec![0; 12];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(first, b"HTTP/1.1 401");
    // Who still sends is read, not reset, so that the answer arrives whole.
    for _ in 0..256 {
        socket.write_all(&[b'x'; 65_536]).await.unwrap();
    }
    let mut rest = String::new();
    socket.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("could not verify"), "{rest}");
}

#[tokio::test]
async fn what_is_removed_is_gone() {
    let running = Running::start();
    let bearer = running.bearer().await;
    for name in ["a/1", "a/2", "b"] {
        running.store(name, "x").await;
    }
    let got = running.ask(Files, "DELETE /a/1", &bearer, "").await;
    assert_eq!((got.status, got.text()), (200, "\"a/1\""));
    assert_eq!(running.ask(Files, "DELETE /a/1", &bearer, "").await.status, 404);
    assert_eq!(running.ask(Files, "HEAD /a/1", &bearer, "").await.one("content-length"), "207");
    let list = json!({ "files": ["a", "b", "c", "/", "..%2F..%2Fetc"] }).to_string();
    let got = running.ask(Files, "POST /delete_many", &bearer, &list).await;
    assert_eq!(got.json()["deleted"], json!({ "a": "a", "b": "b" }));
    assert_eq!(got.json()["errors"], json!({ "Not found": ["c", "..%2F..%2Fetc"], "Empty path not allowed": ["/"] }));
    assert!(!running.folder.path().join("a").exists());
}

#[tokio::test]
async fn other_methods_are_not_allowed_on_files() {
    let running = Running::start();
    let bearer = running.bearer().await;
    for (line, allowed) in [
        ("PUT /a", "DELETE, GET, HEAD, OPTIONS"),
        ("POST /files", "DELETE, GET, HEAD, OPTIONS"),
        ("DELETE /", "GET, HEAD, OPTIONS, POST"),
    ] {
        let got = running.ask(Files, line, &bearer, "x").await;
        assert_eq!((got.status, got.one("allow")), (405, allowed), "{line}");
    }
}

#[tokio::test]
async fn a_chunked_upload_is_stored() {
    let running = Running::start();
    let body = form(&[("chunked.bin", &"0123456789".repeat(10_000))]);
    let chunks = body.as_bytes().chunks(777).fold(Vec::new(), |mut all, chunk| {
        all.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        all.extend_from_slice(chunk);
        all.extend_from_slice(b"\r\n");
        all
    });
    let head = format!(
        "POST / HTTP/1.1\r\nHost: files.x\r\n{}{FORM}Transfer-Encoding: chunked\r\n\r\n",
        running.bearer().await
    );
    let request = [head.into_bytes(), chunks, b"0\r\n\r\n".to_vec()].concat();
    assert_eq!(Got::parse(&running.raw(Files, &request).await).status, 200);
    assert_eq!(std::fs::metadata(running.folder.path().join("chunked.bin")).unwrap().len(), 100_000);
}

#[tokio::test]
async fn an_upload_that_breaks_off_stores_nothing() {
    let running = Running::start();
    let body = form(&[("half.bin", "0123456789")]);
    let head = format!(
        "POST / HTTP/1.1\r\nHost: files.x\r\n{}{FORM}Content-Length: {}\r\n\r\n",
        running.bearer().await,
        body.len()
    );
    let mut socket = running.connect(Files).await;
    socket.write_all(format!("{head}{}", &body[..body.len() - 40]).as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = Vec::new();
    drop(socket.read_to_end(&mut answer).await);
    assert!(!running.folder.path().join("half.bin").exists());
}

#[tokio::test]
async fn the_app_keeps_its_connection_and_guards_its_pages() {
    let running = Running::start();
    let mut socket = running.connect(App).await;
    for path in ["/", "/projects/1/tasks", "/version.json"] {
        socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: app.x\r\n\r\n").as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let got = loop {
            socket.read_buf(&mut bytes).await.unwrap();
            if bytes.windows(4).any(|four| four == b"\r\n\r\n") {
                let got = Got::parse(&bytes);
                if got.body.len() == got.one("content-length").parse::<usize>().unwrap() {
                    break got;
                }
            }
        };
        assert_eq!(
            (got.status, got.one("server"), got.one("connection")),
            (200, "nginx/1.22.1", "keep-alive"),
            "{path}"
        );
        assert_eq!(got.one("strict-transport-security"), "max-age=31536000; includeSubDomains");
        assert_eq!(got.one("content-security-policy"), "frame-ancestors 'self'");
        assert_eq!(got.all("cache-control"), if path == "/version.json" { vec!["no-cache"] } else { vec![] });
    }
}

#[tokio::test]
async fn the_app_validates_cuts_and_refuses_like_nginx() {
    let running = Running::start();
    let whole = running.ask(App, "GET /", "", "").await;
    assert!(whole.text().contains("This is its demo"), "{whole:?}");
    let same = running.ask(App, "GET /", &format!("If-None-Match: {}\r\n", whole.one("etag")), "").await;
    assert_eq!((same.status, same.text()), (304, ""));
    let part = running.ask(App, "GET /", "Range: bytes=0-14\r\n", "").await;
    assert_eq!((part.status, part.text()), (206, "<!doctype html>"));
    let head = running.ask(App, "HEAD /", "", "").await;
    assert_eq!((head.one("content-length"), head.text()), (whole.one("content-length"), ""));
    assert_eq!(running.ask(App, "POST /files", "", "x").await.status, 405);
    assert_eq!(running.ask(App, "GET /configuration.json", "", "").await.json(), json!({}));
}

#[tokio::test]
async fn the_app_leads_to_api_and_files() {
    let running = Running::start();
    let got = running.ask(App, "GET /api/v2.23/debug.ping?a=1", "", "").await;
    assert_eq!((got.status, &got.json()["data"]["a"]), (200, &json!(1)));
    assert_eq!((got.one("server"), got.all("date").len()), ("nginx/1.22.1", 1));
    let bearer = running.bearer().await;
    let got = running.ask(App, "POST /files/", &(bearer.clone() + FORM), &form(&[("a b", "x")])).await;
    assert_eq!((got.status, got.json()), (200, json!(["a b"])));
    assert_eq!(running.ask(App, "GET /files/a%20b", &bearer, "").await.text(), "x");
    assert_eq!(running.ask(App, "GET /files/a%20b", "", "").await.status, 401);
}

#[tokio::test]
async fn draining_waits_for_what_runs_and_takes_no_more() {
    let running = Running::start();
    let bearer = running.bearer().await;
    let mut socket = running.connect(Files).await;
    let body = form(&[("late.bin", "0123456789")]);
    let head = format!("POST / HTTP/1.1\r\nHost: files.x\r\n{bearer}{FORM}Content-Length: {}\r\n", body.len());
    // The interim answer shows that the request is being served.
    socket.write_all(format!("{head}Expect: 100-continue\r\n\r\n").as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    socket.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    running.shutdown.drain(Deadline::after(Duration::from_secs(60)));
    socket.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Got::parse(&answer).status, 200);
    drop(socket);
    running.served.await.unwrap().unwrap();
    running.tasks.drained().await;
    assert!(TcpStream::connect(running.addrs.files).await.is_err());
    assert!(running.folder.path().join("late.bin").exists());
}

#[tokio::test]
async fn draining_ends_at_its_deadline() {
    let running = Running::start();
    let mut socket = running.connect(Files).await;
    socket.write_all(b"POST / HTTP/1.1\r\nHost: files.x\r\nContent-Le").await.unwrap();
    running.shutdown.drain(Deadline::after(Duration::ZERO));
    running.served.await.unwrap().unwrap();
    running.tasks.drained().await;
}
