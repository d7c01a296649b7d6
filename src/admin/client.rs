//! The other end of the socket, for the command line: one request, one answer.

use serde_json::Value;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A status with thousands of targets has less.
const ANSWER_MAX: u64 = 16 << 20;

/// Why there is no answer.
#[derive(Debug)]
pub enum CallError {
    /// Nobody answers at the socket.
    Connect(io::Error),
    /// The answer did not come, or not whole.
    Broken(io::Error),
    /// What came is no answer of a proxy.
    Unreadable,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "no proxy answers: {error}"),
            Self::Broken(error) => write!(f, "the proxy gave no answer: {error}"),
            Self::Unreadable => f.write_str("what came back is no answer of a proxy"),
        }
    }
}

impl std::error::Error for CallError {}

/// Sends one request to the socket at `path` and waits for its answer, at most `patience` without a byte; the status
/// and the JSON that came.
///
/// # Errors
/// `CallError`.
pub fn call(
    path: &Path,
    method: &str,
    target: &str,
    body: Option<&Value>,
    patience: Duration,
) -> Result<(u16, Value), CallError> {
    let mut stream = UnixStream::connect(path).map_err(CallError::Connect)?;
    let body = body.map(ToString::to_string).unwrap_or_default();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: clearway\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut exchange = || {
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        Read::by_ref(&mut stream).take(ANSWER_MAX).read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(CallError::Broken)?;
    parse(&answer).ok_or(CallError::Unreadable)
}

/// Our own server sends a length and closes, so the body is everything behind the head.
fn parse(answer: &[u8]) -> Option<(u16, Value)> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, serde_json::from_str(body).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_answers_are_read() {
        let answer = b"HTTP/1.1 409 Conflict\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
        assert_eq!(parse(answer), Some((409, serde_json::json!({ "ok": true }))));
        for cut in [0, 9, 20, 45, answer.len() - 1] {
            assert_eq!(parse(&answer[..cut]), None, "{cut}");
        }
    }
}
