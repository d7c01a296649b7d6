//! ClearML's three services as a client sees them, and whatever stands in front of them gets wrong.

use super::certificates::Leaf;
use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

/// One request.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) fields: String,
    pub(crate) length: u64,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// The value of a field, by its lower-case name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.fields.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

/// One answer: status, field lines, body.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) fields: String,
    pub(crate) body: String,
}

impl Told {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, fields: String::new(), body: body.into() }
    }

    pub(crate) fn field(mut self, line: &str) -> Self {
        self.fields.push_str(line);
        self.fields.push_str("\r\n");
        self
    }

    /// Without the fields that begin so.
    pub(crate) fn without(mut self, start: &str) -> Self {
        let kept = self.fields.lines().filter(|line| !line.to_ascii_lowercase().starts_with(start));
        self.fields = kept.map(|line| format!("{line}\r\n")).collect();
        self
    }
}

/// How a server is set up.
#[derive(Clone)]
pub(crate) struct Server {
    /// The attributes of the login cookie.
    pub(crate) cookie: String,
    pub(crate) fixed_users: bool,
    pub(crate) files_auth: bool,
    /// What it gives as its own time, against the true one, in seconds.
    pub(crate) clock: i64,
    /// Takes ClearML's published logins.
    pub(crate) published: bool,
    /// Signs with a published secret.
    pub(crate) published_secret: bool,
    pub(crate) database_error: bool,
}

impl Server {
    /// A server below `domain` in good order.
    pub(crate) fn good(domain: &str) -> Self {
        Self {
            cookie: format!("; Domain=.{domain}; Secure"),
            fixed_users: true,
            files_auth: true,
            clock: 0,
            published: false,
            published_secret: false,
            database_error: false,
        }
    }

    /// The services' own answers.
    pub(crate) fn app(&self, asked: &Asked) -> Told {
        if let Some(rest) = asked.path.strip_prefix("/api/") {
            return self.api(&Asked { path: format!("/{rest}"), ..copy(asked) });
        }
        if let Some(rest) = asked.path.strip_prefix("/files/") {
            return self.files(&Asked { path: format!("/{rest}"), ..copy(asked) });
        }
        match asked.path.as_str() {
            "/version.json" => Told::new(200, r#"{"version":"2.3.0"}"#).field("Content-Type: application/json"),
            "/configuration.json" => Told::new(200, "{}").field("Content-Type: application/json"),
            _ => Told::new(200, "<!doctype html><html><head><title>ClearML</title></head></html>")
                .field("Content-Type: text/html")
                .field("Strict-Transport-Security: max-age=31536000; includeSubDomains"),
        }
    }

    pub(crate) fn api(&self, asked: &Asked) -> Told {
        let told = if asked.method == "OPTIONS" { Told::new(200, "") } else { self.call(asked) };
        match asked.field("origin") {
            Some(origin) => told
                .field(&format!("Access-Control-Allow-Origin: {origin}"))
                .field("Access-Control-Allow-Credentials: true")
                .field("Vary: Origin"),
            None => told,
        }
    }

    fn call(&self, asked: &Asked) -> Told {
        let envelope = |status: u16, msg: &str, data: Value| {
            let body = json!({ "meta": { "result_code": status, "result_msg": msg }, "data": data });
            Told::new(status, body.to_string()).field("Content-Type: application/json")
        };
        let name = asked.path.rsplit('/').next().unwrap_or_default();
        match name {
            "debug.ping" => {
                let mut data = json!({ "msg": "ClearML server" });
                if let Ok(Value::Object(sent)) = serde_json::from_slice(&asked.body) {
                    data.as_object_mut().unwrap().extend(sent);
                }
                envelope(200, "OK", data)
            }
            "login.supported_modes" => envelope(
                200,
                "OK",
                json!({ "basic": { "enabled": self.fixed_users },
                        "server_errors": { "es_connection_error": self.database_error } }),
            ),
            "auth.login" => match asked.field("authorization") {
                Some(value) if self.lets_in(value) => envelope(200, "OK", json!({ "token": "a.b.c" })).field(&format!(
                    "Set-Cookie: clearml_token_basic=a.b.c; HttpOnly; Path=/; SameSite=Lax{}",
                    self.cookie
                )),
                _ => envelope(401, "unauthorized (invalid credentials)", json!({})),
            },
            _ if self.published_secret => envelope(401, "invalid token: reason=Signature has expired", json!({})),
            _ => envelope(401, "invalid token", json!({})),
        }
    }

    fn lets_in(&self, authorization: &str) -> bool {
        use base64::Engine as _;
        let pair = authorization.strip_prefix("Basic ").unwrap_or_default();
        let pair = base64::engine::general_purpose::STANDARD.decode(pair).unwrap_or_default();
        let pair = String::from_utf8(pair).unwrap_or_default();
        // The first beginnings are those of the published system account and of the web UI's.
        pair == "key:secret"
            || self.published && pair.starts_with("62T8CP")
            || !self.fixed_users && pair.starts_with("EYVQ38")
    }

    pub(crate) fn files(&self, asked: &Asked) -> Told {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/") => Told::new(200, "OK").field("Content-Type: text/html"),
            ("PUT", _) => Told::new(405, ""),
            _ if self.files_auth => Told::new(401, "Unauthorized"),
            ("POST", _) => Told::new(200, "[]"),
            _ => Told::new(404, "Not Found"),
        }
    }
}

fn copy(asked: &Asked) -> Asked {
    Asked {
        method: asked.method.clone(),
        path: asked.path.clone(),
        host: asked.host.clone(),
        fields: asked.fields.clone(),
        length: asked.length,
        body: asked.body.clone(),
    }
}

/// Answers every request on a socket of its own, in plain text or behind TLS.
pub(crate) fn serve(
    bind: &str,
    tls: Option<&Leaf>,
    clock: i64,
    answer: impl Fn(&Asked) -> Option<Told> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(bind).unwrap();
    let addr = listener.local_addr().unwrap();
    let (tls, answer) = (tls.map(Leaf::server), Arc::new(answer));
    thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(socket) = socket else { return };
            let (tls, answer) = (tls.clone(), Arc::clone(&answer));
            thread::spawn(move || {
                // How a connection ends is the client's affair.
                let _ended = match tls {
                    Some(config) => ServerConnection::new(config)
                        .map_err(io::Error::other)
                        .and_then(|connection| one(StreamOwned::new(connection, socket), clock, &*answer)),
                    None => one(socket, clock, &*answer),
                };
            });
        }
    });
    addr
}

/// Bodies up to this are read before the answer, larger ones never.
const READ_MAX: u64 = 1 << 20;

fn one(mut stream: impl Read + Write, clock: i64, answer: &dyn Fn(&Asked) -> Option<Told>) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            read => bytes.extend_from_slice(&piece[..read]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (line, fields) = head.split_once("\r\n").unwrap();
    let mut words = line.split(' ');
    let mut asked = Asked {
        method: words.next().unwrap_or_default().to_owned(),
        path: words.next().unwrap_or_default().to_owned(),
        host: String::new(),
        fields: fields.to_owned(),
        length: 0,
        body: Vec::new(),
    };
    asked.length = asked.field("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let host = asked.field("host").unwrap_or_default();
    asked.host = host.split(':').next().unwrap_or_default().to_owned();
    if asked.length <= READ_MAX {
        while ((bytes.len() - end) as u64) < asked.length {
            match stream.read(&mut piece)? {
                0 => break,
                read => bytes.extend_from_slice(&piece[..read]),
            }
        }
        asked.body = bytes[end..].to_vec();
    }
    let Some(Told { status, fields, body }) = answer(&asked) else { return Ok(()) };
    let now = SystemTime::now();
    let by = Duration::from_secs(clock.unsigned_abs());
    let date = httpdate::fmt_http_date(if clock < 0 { now - by } else { now + by });
    let length = body.len();
    let told = format!(
        "HTTP/1.1 {status} Told\r\nDate: {date}\r\nServer: imitation\r\n{fields}Content-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(told.as_bytes())?;
    stream.flush()?;
    // Until the client has it and is gone.
    while stream.read(&mut piece)? > 0 {}
    Ok(())
}
