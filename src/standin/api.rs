//! The API server: logging in, and the few calls that the SDK and the demo page make around it.
//!
//! Owns: the envelope, authorization, the actions. Leaves: what a path and a body mean to `call`.
//! Limits: request bodies of `BODY_MAX`.
//! Source: clearml-server `apiserver/server_init/request_handlers.py`, `service_repo/`, `services/`.

use super::answer::{Answer, coding_refused, double_date, flask_text, share, werkzeug};
use super::call::{CallPath, data, version_value};
use super::place::{COOKIE_NAME, Place, authorization, cookie_token};
use super::token::{API_VERSION, COMPANY, SERVER_VERSION, USER, check_basic};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Map, Value, json};
use std::error::Error;

/// Above the SDK's own cap of 15 MiB; the real server has no limit.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// Answers from this many bytes on are compressed by the real server, which then says the date twice.
const COMPRESSED_FROM: usize = 500;

/// An action: its name, the version it came with, and whether it needs a login.
struct Action {
    name: &'static str,
    since: &'static str,
    login: bool,
}

const ACTIONS: &[Action] = &[
    Action { name: "debug.ping", since: "1.0", login: false },
    Action { name: "login.supported_modes", since: "1.0", login: false },
    Action { name: "auth.login", since: "1.0", login: true },
    Action { name: "auth.logout", since: "2.2", login: true },
    Action { name: "login.logout", since: "2.13", login: true },
    Action { name: "auth.validate_token", since: "1.0", login: true },
    Action { name: "users.get_current_user", since: "1.0", login: true },
    Action { name: "users.get_preferences", since: "1.0", login: true },
    Action { name: "server.info", since: "2.12", login: true },
    Action { name: "server.report_stats_option", since: "2.4", login: true },
];

/// How a call ended.
struct Outcome {
    status: StatusCode,
    subcode: u16,
    message: String,
    data: Value,
    cookie: Option<Cookie>,
}

/// What becomes of the login cookie.
enum Cookie {
    Set(String),
    Clear,
}

impl Outcome {
    fn ok(data: Value) -> Self {
        Self { status: StatusCode::OK, subcode: 0, message: "OK".into(), data, cookie: None }
    }

    fn failed(status: StatusCode, subcode: u16, message: impl Into<String>) -> Self {
        Self { status, subcode, message: message.into(), data: json!({}), cookie: None }
    }
}

/// Answers one request as the API server does.
///
/// # Cancel safety
/// Nothing is lost when dropped.
pub(super) async fn answer<B>(place: &Place, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let (head, body) = request.into_parts();
    let mut answer = if head.method == Method::OPTIONS {
        flask_text(StatusCode::OK, "")
    } else if let Some(refused) = coding_refused(&head.headers) {
        refused
    } else {
        call(place, &head, body).await
    };
    share(&mut answer, &head.headers, true);
    answer
}

async fn call<B>(place: &Place, head: &Parts, body: B) -> Answer
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let path = CallPath::parse(head.uri.path());
    let action = path.as_ref().and_then(|path| ACTIONS.iter().find(|action| action.name == path.name));
    let outcome = match (&path, action) {
        (None, _) => Outcome::failed(StatusCode::BAD_REQUEST, 0, format!("Invalid request path {}", head.uri.path())),
        (Some(path), None) => Outcome::failed(
            StatusCode::NOT_FOUND,
            0,
            format!(
                "Unable to find endpoint for name {} and version {}",
                path.name,
                path.version.unwrap_or(API_VERSION)
            ),
        ),
        (Some(_), Some(action)) => perform(place, action, head, body).await,
    };
    let (name, version) = path.map_or(("", "1.0"), |path| (path.name, path.version.unwrap_or(API_VERSION)));
    envelope(place, head, (name, version, action.map(|action| action.since)), outcome)
}

/// As the real server does, authorization comes first, and the body is read only after it.
async fn perform<B>(place: &Place, action: &Action, head: &Parts, body: B) -> Outcome
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let login = authorize(place, &head.headers);
    if let (true, Err(refused)) = (action.login, &login) {
        return Outcome::failed(StatusCode::UNAUTHORIZED, refused.subcode(), refused.message());
    }
    let body = match Limited::new(body, BODY_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Outcome::failed(StatusCode::BAD_REQUEST, 0, error.to_string()),
    };
    let batch = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json-lines");
    match data(&body, batch, head.uri.query()) {
        Ok(data) => act(place, action.name, data, login.is_ok()),
        Err(message) => Outcome::failed(StatusCode::BAD_REQUEST, 0, message),
    }
}

fn act(place: &Place, name: &str, mut data: Map<String, Value>, authenticated: bool) -> Outcome {
    match name {
        "debug.ping" => {
            data.entry("msg").or_insert_with(|| Value::from("ClearML server"));
            Outcome::ok(Value::Object(data))
        }
        "login.supported_modes" => Outcome::ok(json!({
            "basic": { "enabled": false, "guest": { "enabled": false } },
            "server_errors": { "missed_es_upgrade": false, "es_connection_error": false },
            "sso": {},
            "sso_providers": [],
            "authenticated": authenticated,
        })),
        "auth.login" => {
            let token = place.tokens.issue(data.get("expiration_sec").and_then(Value::as_u64));
            Outcome { cookie: Some(Cookie::Set(token.clone())), ..Outcome::ok(json!({ "token": token })) }
        }
        "auth.logout" | "login.logout" => Outcome { cookie: Some(Cookie::Clear), ..Outcome::ok(json!({})) },
        "auth.validate_token" => {
            let token = data.get("token").and_then(Value::as_str).unwrap_or_default();
            Outcome::ok(if place.tokens.valid(token) {
                json!({ "valid": true, "user": USER, "company": COMPANY })
            } else {
                json!({ "valid": false, "msg": "invalid token" })
            })
        }
        "users.get_current_user" => Outcome::ok(json!({
            "user": {
                "id": USER, "name": "Demo", "given_name": "Demo", "family_name": "", "role": "user",
                "company": { "id": COMPANY, "name": "clearway" },
            },
            "getting_started": null,
            "settings": { "max_download_items": 1000 },
        })),
        "users.get_preferences" => Outcome::ok(json!({ "preferences": {} })),
        "server.info" => Outcome::ok(json!({
            "version": SERVER_VERSION, "build": "0", "commit": "stand-in", "uid": USER, "api_version": API_VERSION,
        })),
        "server.report_stats_option" => Outcome::ok(json!({ "supported": false })),
        other => Outcome::failed(StatusCode::NOT_FOUND, 0, format!("Unable to find endpoint for name {other}")),
    }
}

/// Why a request is not logged in; subcodes and texts as in clearml-server `apiserver/apierrors/errors.conf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    BadType,
    Missing,
    Malformed,
    Credentials,
    Token,
}

impl Refused {
    const fn subcode(self) -> u16 {
        match self {
            Self::BadType => 10,
            Self::Missing => 20,
            Self::Malformed => 21,
            Self::Credentials => 22,
            Self::Token => 30,
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::BadType => "unauthorized (bad authentication header type)",
            Self::Missing => "unauthorized (missing credentials)",
            Self::Malformed => "unauthorized (malformed credentials)",
            Self::Credentials => "unauthorized (invalid credentials) (failed to locate provided credentials)",
            Self::Token => "invalid token (invalid jwt token)",
        }
    }
}

/// The header beats the cookie.
fn authorize(place: &Place, headers: &HeaderMap) -> Result<(), Refused> {
    let token = match (authorization(headers), cookie_token(headers)) {
        (None, None) => return Err(Refused::Missing),
        (None, Some(token)) => token,
        (Some(header), _) => match header.split_once(' ').unwrap_or((header, "")) {
            ("Bearer", token) => token,
            ("Basic", pair) => {
                return match check_basic(pair) {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(Refused::Credentials),
                    Err(_) => Err(Refused::Malformed),
                };
            }
            _ => return Err(Refused::BadType),
        },
    };
    if place.tokens.valid(token) { Ok(()) } else { Err(Refused::Token) }
}

fn envelope(place: &Place, head: &Parts, asked: (&str, &str, Option<&str>), outcome: Outcome) -> Answer {
    let (name, version, since) = asked;
    let id = place.tokens.id();
    let trx = head.headers.get("x-clearml-trx").and_then(|trx| trx.to_str().ok()).unwrap_or(&id);
    let body = json!({
        "meta": {
            "id": id,
            "trx": trx,
            "endpoint": {
                "name": name,
                "requested_version": version_value(version),
                "actual_version": since.map(|since| if version_value(version).is_string() {
                    Value::from(since)
                } else {
                    version_value(since)
                }),
            },
            "result_code": outcome.status.as_u16(),
            "result_subcode": outcome.subcode,
            "result_msg": outcome.message,
            "error_stack": null,
            "error_data": {},
        },
        "data": outcome.data,
    })
    .to_string();
    let compressed = body.len() >= COMPRESSED_FROM && head.headers.contains_key(ACCEPT_ENCODING);
    let mut answer = werkzeug(outcome.status, "application/json", body);
    if compressed {
        double_date(&mut answer);
    }
    if let Some(cookie) = outcome.cookie.as_ref().and_then(set_cookie) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    answer
}

/// As a server sends it with its defaults: for its own host alone, and not for TLS alone.
///
/// Source: clearml-server `apiserver/config/default/apiserver.conf`, `auth.cookies`.
fn set_cookie(cookie: &Cookie) -> Option<HeaderValue> {
    let (value, expires, max_age) = match cookie {
        Cookie::Set(token) => (token.as_str(), "Mon, 09 Oct 5195 05:00:14 GMT", 99_999_999_999_u64),
        Cookie::Clear => ("", "Thu, 01 Jan 1970 00:00:00 GMT", 0),
    };
    HeaderValue::from_str(&format!(
        "{COOKIE_NAME}={value}; Expires={expires}; Max-Age={max_age}; HttpOnly; Path=/; SameSite=Lax"
    ))
    .ok()
}
