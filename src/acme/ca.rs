//! Talking to the authority: one connection for each request, its certificate checked, every wait bounded.

use super::asides::Asides;
use crate::domain::addr::TargetAddr;
use crate::runtime::{Deadline, wall};
use crate::tls::ClientTls;
use crate::upstream::open_tls;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::response::Parts;
use http::{Request, Uri};
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};
use std::pin::{Pin, pin};
use std::time::Duration;

/// Bytes of one answer; the longest chains have some 20 KiB.
const ANSWER_MAX: usize = 1024 * 1024;

/// Characters shown of an answer that is none.
const SHOWN_MAX: usize = 120;

/// The HTTP side of an account.
pub(super) struct Ca {
    tls: ClientTls,
    asides: Asides,
    /// For one request and its answer.
    wait: Duration,
}

impl Ca {
    pub(super) const fn new(tls: ClientTls, asides: Asides, wait: Duration) -> Self {
        Self { tls, asides, wait }
    }
}

impl HttpClient for Ca {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (tls, asides) = (self.tls.clone(), self.asides.clone());
        let (deadline, begun) = (Deadline::after(self.wait), wall());
        Box::pin(async move {
            let answer = deadline.bound(exchange(&tls, request, deadline)).await;
            let (parts, body) = answer.ok_or_else(|| strange("the authority did not answer in time".into()))??;
            asides.note_clock(&parts.headers, begun);
            let refused = parts.status.is_client_error() || parts.status.is_server_error();
            if refused {
                asides.note_refusal(&parts.headers);
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
