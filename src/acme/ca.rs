//! Talking to the authority: one connection for each request, its certificate checked, every wait bounded.

use crate::domain::addr::TargetAddr;
use crate::runtime::Deadline;
use crate::tls::ClientTls;
use crate::upstream::open_tls;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::response::Parts;
use http::{Request, Uri};
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Bytes of one answer; the longest chains have some 20 KiB.
const ANSWER_MAX: usize = 1024 * 1024;

/// Characters shown of an answer that is none.
const SHOWN_MAX: usize = 120;

/// The patience that the authority asked for last.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience(Arc<Mutex<Option<SystemTime>>>);

impl Patience {
    /// Until when; forgotten once it is taken.
    pub(super) fn take(&self) -> Option<SystemTime> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, headers: &HeaderMap) {
        let until = headers.get(header::RETRY_AFTER).and_then(|value| until(value, crate::runtime::wall()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// `Retry-After` in either of its forms. Source: RFC 9110 section 10.2.3.
fn until(value: &HeaderValue, now: SystemTime) -> Option<SystemTime> {
    let text = value.to_str().ok()?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => Some(now + Duration::from_secs(seconds.into())),
        Err(_) => httpdate::parse_http_date(text).ok(),
    }
}

/// The HTTP side of an account.
pub(super) struct Ca {
    tls: ClientTls,
    patience: Patience,
    /// For one request and its answer.
    wait: Duration,
}

impl Ca {
    pub(super) const fn new(tls: ClientTls, patience: Patience, wait: Duration) -> Self {
        Self { tls, patience, wait }
    }
}

impl HttpClient for Ca {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (tls, patience) = (self.tls.clone(), self.patience.clone());
        let deadline = Deadline::after(self.wait);
        Box::pin(async move {
            let answer = deadline.bound(exchange(&tls, request, deadline)).await;
            let (parts, body) = answer.ok_or_else(|| strange("the authority did not answer in time".into()))??;
            let refused = parts.status.is_client_error() || parts.status.is_server_error();
            if refused {
                patience.note(&parts.headers);
                // Something in front of the authority speaks, or it is broken.
                if serde_json::from_slice::<Problem>(&body).is_err() {
                    return Err(strange(format!("the authority answered {} {}", parts.status, shown(&body))));
                }
            }
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}

async fn exchange(
    tls: &ClientTls,
    mut request: Request<BodyWrapper<Bytes>>,
    deadline: Deadline,
) -> Result<(Parts, Bytes), Error> {
    let addr = address(request.uri())?;
    let host = request.uri().authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
    let host = HeaderValue::from_maybe_shared(Bytes::from(host)).map_err(other)?;
    request.headers_mut().insert(header::HOST, host);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>()?;
    let stream = open_tls(&addr, tls, deadline).await.map_err(other)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(other)?;
    let exchange = async {
        let (parts, body) = sender.send_request(request).await.map_err(other)?.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await.map_err(Error::Other)?.to_bytes();
        Ok((parts, body))
    };
    let (mut exchange, connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        answer = &mut exchange => answer,
        // What was read before the end is still handed over.
        _ = connection => exchange.await,
    }
}

fn address(uri: &Uri) -> Result<TargetAddr, Error> {
    let (Some("https"), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(Error::Str("https in a URL of the authority"));
    };
    TargetAddr::parse(&format!("https://{host}:{}", uri.port_u16().unwrap_or(443)))
        .map_err(|error| Error::Other(error.to_string().into()))
}

/// The beginning of what is no answer, in one line.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.chars().take(SHOWN_MAX).collect::<String>() {
        words if words.is_empty() => String::from("and nothing else"),
        words => format!("and \"{}\"", words.escape_debug()),
    }
}

fn strange(what: String) -> Error {
    Error::Other(what.into())
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_comes_in_seconds_or_as_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("-5", None),
            ("soon", None),
            ("99999999999999999999", None),
        ] {
            let expected = seconds.map(|seconds| now + Duration::from_secs(seconds));
            assert_eq!(until(&HeaderValue::from_static(text), now), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_answer_is_shown_in_one_line() {
        for (body, expected) in [
            (&b""[..], "and nothing else"),
            (b" \n ", "and nothing else"),
            (b"<html>\n  <b>502</b>\x1b[31m", "and \"<html> <b>502</b>\\u{1b}[31m\""),
            (b"\xff", "and \"\u{fffd}\""),
        ] {
            assert_eq!(shown(body), expected);
        }
        assert!(shown(&[b'x'; 10_000]).len() < 200);
    }

    #[test]
    fn only_https_is_spoken() {
        for (url, addr) in [
            ("https://ca.example/dir", Some("https://ca.example:443")),
            ("https://127.0.0.1:14000/dir?x", Some("https://127.0.0.1:14000")),
            ("https://[::1]:14000/dir", Some("https://[::1]:14000")),
            ("http://ca.example/dir", None),
            ("/dir", None),
        ] {
            let found = address(&url.parse().unwrap()).ok().map(|addr| addr.to_string());
            assert_eq!(found.as_deref(), addr, "{url}");
        }
    }
}
