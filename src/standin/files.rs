//! The file server: uploads, downloads, removal.
//!
//! Owns: its routes and the header lines of a download. Leaves: the disk to `store`, ranges to `conditional`.
//! Source: clearml-server `fileserver/fileserver.py` and `auth.py`; Flask's `send_from_directory`.

use super::answer::{
    Answer, coding_refused, double_date, flask_text, method_not_allowed, set, share, werkzeug, werkzeug_error,
};
use super::body::{AnswerBody, FileBody};
use super::call::decode;
use super::conditional::{Plan, Version, plan};
use super::date::http_date;
use super::place::{Place, authorization, cookie_token};
use super::store::Stored;
use super::upload::{UploadError, store};
use crate::runtime::wall;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    EXPIRES, LAST_MODIFIED,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Map, Value, json};
use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime};
use tokio::io::AsyncSeekExt as _;

/// How long a download may be kept.
///
/// Source: clearml-server `fileserver/config/default/fileserver.conf`, `download.cache_timeout_sec`.
const CACHE_SEC: u64 = 300;

/// The largest list of files to remove at once.
const LIST_MAX: usize = 16 * 1024 * 1024;

/// Answers one request as the file server does.
///
/// # Cancel safety
/// An upload that is dropped stores nothing.
pub(super) async fn answer<B>(place: &Place, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (head, body) = request.into_parts();
    let mut answer = match coding_refused(&head.headers) {
        Some(refused) => refused,
        None => routed(place, &head, body).await,
    };
    share(&mut answer, &head.headers, false);
    answer
}

async fn routed<B>(place: &Place, head: &Parts, body: B) -> Answer
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let Some(path) = decode(head.uri.path(), false) else { return werkzeug_error(StatusCode::NOT_FOUND) };
    let name = path.trim_start_matches('/');
    let login = authorize(place, &head.headers);
    match (name, head.method.as_str()) {
        ("", "OPTIONS") => options("GET, HEAD, OPTIONS, POST"),
        ("delete_many", "OPTIONS") => options("DELETE, GET, HEAD, OPTIONS, POST"),
        (_, "OPTIONS") => options("DELETE, GET, HEAD, OPTIONS"),
        ("", "GET" | "HEAD") => match login {
            Err(refused) if refused.is_forged() => refused.answer(),
            _ => flask_text(StatusCode::OK, "OK"),
        },
        ("", "PUT" | "DELETE") => method_not_allowed("GET, HEAD, OPTIONS, POST"),
        // 401 before the body: what the client still sends is not read.
        ("" | "delete_many", "POST") | (_, "GET" | "HEAD" | "DELETE") => match login {
            Err(refused) => refused.answer(),
            Ok(()) => performed(place, head, name, body).await.unwrap_or_else(|error| failed(&error)),
        },
        (_, _) => method_not_allowed("DELETE, GET, HEAD, OPTIONS"),
    }
}

async fn performed<B>(place: &Place, head: &Parts, name: &str, body: B) -> io::Result<Answer>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    match (name, head.method.as_str()) {
        ("", "POST") => uploaded(place, head, body).await,
        ("delete_many", "POST") => removed_many(place, body).await,
        (_, "DELETE") if place.store.remove(name).await? => {
            Ok(flask_text(StatusCode::OK, Value::from(name).to_string()))
        }
        (_, "DELETE") => Ok(flask_text(StatusCode::NOT_FOUND, format!("File {name} not found"))),
        _ => match place.store.open(name).await? {
            Some(stored) => download(head, name, stored).await,
            None => Ok(werkzeug_error(StatusCode::NOT_FOUND)),
        },
    }
}

/// Why a request may not touch files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Missing,
    NoBearer,
    Token,
}

impl Refused {
    /// Whether something was sent that is no login.
    const fn is_forged(self) -> bool {
        matches!(self, Self::NoBearer | Self::Token)
    }

    fn answer(self) -> Answer {
        match self {
            Self::Missing => werkzeug_error(StatusCode::UNAUTHORIZED),
            Self::NoBearer => flask_text(StatusCode::UNAUTHORIZED, "Only bearer token authorization is supported"),
            Self::Token => flask_text(StatusCode::UNAUTHORIZED, "invalid token"),
        }
    }
}

fn authorize(place: &Place, headers: &HeaderMap) -> Result<(), Refused> {
    let token = match authorization(headers) {
        Some(header) => header.strip_prefix("Bearer ").ok_or(Refused::NoBearer)?,
        None => cookie_token(headers).ok_or(Refused::Missing)?,
    };
    if place.tokens.valid(token) { Ok(()) } else { Err(Refused::Token) }
}

fn options(allowed: &'static str) -> Answer {
    let mut answer = flask_text(StatusCode::OK, "");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn failed(error: &io::Error) -> Answer {
    tracing::warn!(%error, "the file stand-in cannot use its folder");
    werkzeug_error(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn uploaded<B>(place: &Place, head: &Parts, body: B) -> io::Result<Answer>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    Ok(match store(&place.store, content_type, body).await {
        Ok(names) => flask_text(StatusCode::OK, Value::from(names).to_string()),
        Err(UploadError::Disk(error)) => return Err(error),
        // Flask takes a body that is no form for one without files.
        Err(UploadError::Body(multer::Error::NoMultipart | multer::Error::DecodeContentType(_))) => {
            flask_text(StatusCode::OK, "[]")
        }
        Err(UploadError::Name) => werkzeug_error(StatusCode::NOT_FOUND),
        Err(UploadError::Parts) => werkzeug_error(StatusCode::PAYLOAD_TOO_LARGE),
        Err(error @ UploadError::Body(_)) => {
            tracing::debug!(error = &error as &dyn Error, "the file stand-in got a broken upload");
            werkzeug_error(StatusCode::BAD_REQUEST)
        }
    })
}

async fn removed_many<B>(place: &Place, body: B) -> io::Result<Answer>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let list = match Limited::new(body, LIST_MAX).collect().await {
        Ok(list) => serde_json::from_slice::<Value>(&list.to_bytes()).unwrap_or_default(),
        Err(_) => Value::Null,
    };
    let Some(files) = list.get("files").and_then(Value::as_array) else {
        return Ok(flask_text(StatusCode::BAD_REQUEST, "files are missing"));
    };
    let (mut deleted, mut errors) = (Map::new(), Map::<String, Value>::new());
    for file in files.iter().filter_map(Value::as_str) {
        let path = decode(file, true).unwrap_or_default();
        let problem = if path.trim_matches('/').is_empty() {
            Some("Empty path not allowed")
        } else if place.store.remove_all(&path).await? {
            None
        } else {
            Some("Not found")
        };
        match problem {
            None => drop(deleted.insert(file.to_owned(), Value::from(path))),
            Some(problem) => {
                if let Some(list) = errors.entry(problem).or_insert_with(|| json!([])).as_array_mut() {
                    list.push(Value::from(file));
                }
            }
        }
    }
    Ok(flask_text(StatusCode::OK, json!({ "deleted": deleted, "errors": errors }).to_string()))
}

async fn download(head: &Parts, name: &str, mut stored: Stored) -> io::Result<Answer> {
    let version = Version { etag: etag(name, &stored), modified: stored.modified, length: stored.length };
    let (status, start, length) = match plan(&head.headers, &version) {
        Plan::Whole => (StatusCode::OK, 0, version.length),
        Plan::Part { start, length } => (StatusCode::PARTIAL_CONTENT, start, length),
        Plan::NotModified => (StatusCode::NOT_MODIFIED, 0, 0),
        Plan::PreconditionFailed => return Ok(werkzeug_error(StatusCode::PRECONDITION_FAILED)),
        Plan::Unsatisfiable => {
            let mut answer = werkzeug_error(StatusCode::RANGE_NOT_SATISFIABLE);
            set(answer.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", version.length));
            return Ok(answer);
        }
    };
    let mut answer = werkzeug(status, content_type(name), "");
    let headers = answer.headers_mut();
    let attachment = head.uri.query().is_some_and(|query| query.split(['&', '=']).any(|part| part == "download"));
    set(headers, CONTENT_DISPOSITION, &disposition(name, attachment));
    set(headers, LAST_MODIFIED, &http_date(version.modified));
    set(headers, CACHE_CONTROL, &format!("public, max-age={CACHE_SEC}"));
    set(headers, EXPIRES, &http_date(wall() + Duration::from_secs(CACHE_SEC)));
    set(headers, ETAG, &version.etag);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    match status {
        StatusCode::NOT_MODIFIED => drop(headers.remove(CONTENT_TYPE)),
        _ => set(headers, CONTENT_LENGTH, &length.to_string()),
    }
    if status == StatusCode::PARTIAL_CONTENT {
        set(headers, CONTENT_RANGE, &format!("bytes {start}-{}/{}", start + length - 1, version.length));
    }
    if status != StatusCode::NOT_MODIFIED && head.method != Method::HEAD {
        stored.file.seek(io::SeekFrom::Start(start)).await?;
        *answer.body_mut() = AnswerBody::File(FileBody::new(stored.file, length));
    }
    double_date(&mut answer);
    Ok(answer)
}

/// Time of writing, length and a checksum of the name.
///
/// Source: Werkzeug `utils.py`, `send_file`.
fn etag(name: &str, stored: &Stored) -> String {
    let written = stored.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in name.bytes() {
        low = (low + u32::from(byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    format!("\"{}.{:07}-{}-{}\"", written.as_secs(), written.subsec_nanos() / 100, stored.length, high << 16 | low)
}

fn disposition(name: &str, attachment: bool) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    let kind = if attachment { "attachment" } else { "inline" };
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !file.is_empty() && file.chars().all(token) {
        return format!("{kind}; filename={file}");
    }
    let plain = file.chars().filter(|c| matches!(c, ' '..='~') && !"\"\\".contains(*c)).collect::<String>();
    if plain == file {
        return format!("{kind}; filename=\"{file}\"");
    }
    let encoded = file.bytes().fold(String::new(), |encoded, byte| match char::from(byte) {
        plain if plain.is_ascii_alphanumeric() || "!#$&+-.^_`|~".contains(plain) => {
            encoded + plain.encode_utf8(&mut [0])
        }
        _ => encoded + &format!("%{byte:02X}"),
    });
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

fn content_type(name: &str) -> &'static str {
    let extension =
        name.rsplit('/').next().and_then(|file| file.rsplit_once('.')).map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "txt" | "log" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml; charset=utf-8",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "mp4" => "video/mp4",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}
