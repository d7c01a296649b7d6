//! A client of one request: connect, perhaps TLS with anybody, ask, read a bounded answer.
//!
//! Owns: deadlines and sizes of one exchange. Leaves: what is asked to `gather`.
//! Limits: `PATIENCE` for a connection and for an answer, `BODY_MAX` of a body; a longer one is cut.

use super::evidence::{Answer, Heard, Unheard};
use super::url::Url;
use crate::domain::addr::TargetHost;
use crate::domain::names::HostName;
use crate::runtime::{Deadline, Tasks, wall};
use crate::tls::ClientTls;
use crate::upstream::{ConnectError, open_at, secure};
use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// For one connection with its handshake.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// For the answer to a question; ClearML's own take milliseconds.
pub(super) const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// What is kept of an answer. ClearML's pages name themselves in their first lines.
const BODY_MAX: usize = 256 * 1024;

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) fields: Vec<(HeaderName, String)>,
    pub(super) body: AskBody,
    pub(super) patience: Duration,
}

impl Ask {
    /// A GET.
    pub(super) fn get(target: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            target: target.into(),
            fields: Vec::new(),
            body: AskBody::Bytes(Bytes::new()),
            patience: ANSWER_PATIENCE,
        }
    }

    /// A POST.
    pub(super) fn post(target: impl Into<String>, body: AskBody) -> Self {
        Self { method: Method::POST, body, ..Self::get(target) }
    }

    /// With one more field.
    pub(super) fn field(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// With a JSON body.
    pub(super) fn json(mut self, text: &'static str) -> Self {
        self.body = AskBody::Bytes(Bytes::from_static(text.as_bytes()));
        self.field(http::header::CONTENT_TYPE, "application/json")
    }
}

/// The body of a question.
#[derive(Clone, Debug)]
pub(super) enum AskBody {
    /// All of it.
    Bytes(Bytes),
    /// So many bytes are announced, and none is sent.
    Announced(u64),
    /// Begin, this many bytes made on the way, end.
    Made { begin: Bytes, made: Pattern, end: Bytes },
}

/// Bytes that are other at each place and cannot be compressed, the same each time.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    state: u64,
    left: u64,
}

/// Made at once.
const PIECE: u64 = 64 * 1024;

impl Pattern {
    pub(super) const fn of(length: u64) -> Self {
        Self { state: 0x9e37_79b9_7f4a_7c15, left: length }
    }

    /// The next bytes; `None` at the end.
    pub(super) fn next_piece(&mut self) -> Option<Bytes> {
        let length = self.left.min(PIECE);
        if length == 0 {
            return None;
        }
        self.left -= length;
        let mut piece = Vec::new();
        while (piece.len() as u64) < length {
            // xorshift64: enough to be different everywhere.
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            piece.extend_from_slice(&self.state.to_le_bytes());
        }
        piece.truncate(usize::try_from(length).unwrap_or_default());
        Some(piece.into())
    }
}

impl Body for AskBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.get_mut() {
            // Nothing more comes, and nothing says so: the connection is dropped by its deadline.
            Self::Announced(_) => return Poll::Pending,
            Self::Bytes(bytes) => taken(bytes),
            Self::Made { begin, made, end } => taken(begin).or_else(|| made.next_piece()).or_else(|| taken(end)),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Announced(length) => *length,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Made { begin, made, end } => begin.len() as u64 + made.left + end.len() as u64,
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.is_empty())
    }
}

fn taken(bytes: &mut Bytes) -> Option<Bytes> {
    (!bytes.is_empty()).then(|| std::mem::take(bytes))
}

/// Asks over TLS at `addr`, whatever certificate is shown.
pub(super) async fn ask_tls(tls: &ClientTls, addr: SocketAddr, url: &Url, ask: Ask) -> Answer {
    let deadline = Deadline::after(PATIENCE);
    let stream = open_at(addr, deadline).await.map_err(unreachable)?;
    let stream = secure(stream, addr, &target_host(&url.host), tls, deadline).await.map_err(unreachable)?;
    exchange(stream, &url.authority(443), ask).await
}

/// Asks in plain http at `addr`, as a client of `authority`.
pub(super) async fn ask_plain(addr: SocketAddr, authority: &str, ask: Ask) -> Answer {
    let stream = open_at(addr, Deadline::after(PATIENCE)).await.map_err(unreachable)?;
    exchange(stream, authority, ask).await
}

/// The name that a certificate is asked for.
pub(super) fn target_host(host: &str) -> TargetHost {
    match (host.parse::<IpAddr>(), HostName::parse(host)) {
        (Ok(ip), _) => TargetHost::Ip(ip),
        (Err(_), Ok(name)) => TargetHost::Name(name),
        (Err(_), Err(_)) => TargetHost::Ip(IpAddr::from([0, 0, 0, 0])),
    }
}

fn unreachable(error: ConnectError) -> Unheard {
    Unheard::Unreachable(error.to_string())
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, host: &str, ask: Ask) -> Answer {
    let deadline = Deadline::after(ask.patience);
    let whole = async {
        let (head, body) = begin(stream, host, ask).await?.into_parts();
        let at = Some(wall());
        Ok(Heard { status: head.status, headers: head.headers, body: start_of(body).await?, at })
    };
    deadline.bound(whole).await.unwrap_or(Err(Unheard::Silent))
}

/// Asks over TLS for something long; whether what comes is exactly `expected`.
///
/// # Errors
/// `Unheard`, also where the answer is no 200.
pub(super) async fn compare(
    tls: &ClientTls,
    addr: SocketAddr,
    url: &Url,
    ask: Ask,
    expected: Pattern,
) -> Result<bool, Unheard> {
    let deadline = Deadline::after(ask.patience);
    let stream = open_at(addr, deadline).await.map_err(unreachable)?;
    let stream = secure(stream, addr, &target_host(&url.host), tls, deadline).await.map_err(unreachable)?;
    let whole = async {
        let (head, body) = begin(stream, &url.authority(443), ask).await?.into_parts();
        if head.status != StatusCode::OK {
            return Err(Unheard::Broken(format!("the answer is {}", head.status)));
        }
        same(body, expected).await
    };
    deadline.bound(whole).await.unwrap_or(Err(Unheard::Silent))
}

async fn same(mut body: Incoming, mut expected: Pattern) -> Result<bool, Unheard> {
    let mut wanted = Bytes::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Unheard::Broken(error.to_string()))?;
        let mut got = frame.into_data().unwrap_or_default();
        while !got.is_empty() {
            if wanted.is_empty() {
                let Some(piece) = expected.next_piece() else { return Ok(false) };
                wanted = piece;
            }
            let length = got.len().min(wanted.len());
            if got.split_to(length) != wanted.split_to(length) {
                return Ok(false);
            }
        }
    }
    Ok(wanted.is_empty() && expected.next_piece().is_none())
}

async fn begin(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    ask: Ask,
) -> Result<Response<Incoming>, Unheard> {
    let mut request = Request::new(ask.body);
    *request.method_mut() = ask.method;
    *request.uri_mut() = ask.target.parse().map_err(|_| Unheard::Broken(String::from("no path")))?;
    let own =
        [(HOST, host), (USER_AGENT, concat!("clearway-doctor/", env!("CARGO_PKG_VERSION"))), (CONNECTION, "close")];
    let own = own.into_iter().map(|(name, value)| (name, value.to_owned()));
    for (name, value) in own.chain(ask.fields) {
        let value = HeaderValue::try_from(value).map_err(|error| Unheard::Broken(error.to_string()))?;
        request.headers_mut().append(name, value);
    }
    let broken = |error: hyper::Error| Unheard::Broken(error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with the exchange: whoever asks is dropped then, and with it the connection.
    Tasks::new().spawn("doctor's connection", async move { drop(connection.await) });
    sender.send_request(request).await.map_err(broken)
}

async fn start_of(mut body: Incoming) -> Result<Vec<u8>, Unheard> {
    let mut start = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Unheard::Broken(error.to_string()))?;
        start.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if start.len() >= BODY_MAX {
            start.truncate(BODY_MAX);
            break;
        }
    }
    Ok(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_as_long_as_asked_and_the_same_each_time() {
        for length in [0, 1, 7, PIECE, PIECE + 1, 3 * PIECE - 5] {
            let whole = |mut pattern: Pattern| {
                let mut bytes = Vec::new();
                while let Some(piece) = pattern.next_piece() {
                    bytes.extend_from_slice(&piece);
                }
                bytes
            };
            let bytes = whole(Pattern::of(length));
            assert_eq!(bytes.len() as u64, length);
            assert_eq!(bytes, whole(Pattern::of(length)));
        }
    }
}
