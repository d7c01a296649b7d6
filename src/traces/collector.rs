//! Collector: where spans are sent, one request and one connection for each batch, every wait bounded.

use super::messages::{Export, Exported};
use crate::domain::addr::TargetAddr;
use crate::runtime::Deadline;
use crate::tls::ClientTls;
use crate::upstream::{open_plain, open_tls};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use prost::Message;
use std::error::Error;
use std::fmt;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes of an answer.
const ANSWER_MAX: usize = 64 * 1024;

/// Where spans are sent.
#[derive(Debug)]
pub(super) struct Collector {
    url: Uri,
    addr: TargetAddr,
    tls: ClientTls,
}

/// Why spans were not taken.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) why: String,
    /// Whether it may be another matter later. Source: OTLP 1.x, "Retryable Response Codes".
    pub(super) later: bool,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Refused {
    fn later(error: impl fmt::Display) -> Self {
        Self { why: error.to_string(), later: true }
    }
}

impl Collector {
    /// The one at `url`; `None` where that is none.
    pub(super) fn at(url: &str, tls: ClientTls) -> Option<Self> {
        let url = url.parse::<Uri>().ok()?;
        let (scheme, port) = match url.scheme_str()? {
            "http" => ("", 80),
            "https" => ("https://", 443),
            _ => return None,
        };
        let addr = format!("{scheme}{}:{}", url.host()?, url.port_u16().unwrap_or(port));
        Some(Self { addr: TargetAddr::parse(&addr).ok()?, url, tls })
    }

    /// Sends `export`; how many of its spans were not taken, and why.
    ///
    /// # Errors
    /// `Refused` when none was.
    ///
    /// # Cancel safety
    /// Dropped, the collector may have them or not.
    pub(super) async fn send(&self, export: &Export, deadline: Deadline) -> Result<(u64, String), Refused> {
        let request = self.request(export.encode_to_vec())?;
        let sent = async {
            if self.addr.tls {
                let stream = open_tls(&self.addr, &self.tls, deadline).await.map_err(Refused::later)?;
                exchange(stream, request).await
            } else {
                let stream = open_plain(&self.addr, deadline).await.map_err(Refused::later)?;
                exchange(stream, request).await
            }
        };
        deadline.bound(sent).await.unwrap_or_else(|| Err(Refused::later("the collector did not answer in time")))
    }

    fn request(&self, body: Vec<u8>) -> Result<Request<Full<Bytes>>, Refused> {
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        let host = self.url.authority().map_or("", |authority| authority.as_str());
        let request = Request::post(path).header(HOST, host).header(CONTENT_TYPE, "application/x-protobuf");
        request.body(Full::from(body)).map_err(|error| Refused { why: error.to_string(), later: false })
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(u64, String), Refused>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opened = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(Refused::later)?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(Refused::later)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        let body = body.map_err(|error: Box<dyn Error + Send + Sync>| Refused::later(error))?.to_bytes();
        judge(status, &body)
    };
    let (mut exchange, connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        told = &mut exchange => told,
        // What was read before the end is still handed over.
        _ = connection => exchange.await,
    }
}

fn judge(status: StatusCode, body: &[u8]) -> Result<(u64, String), Refused> {
    if !status.is_success() {
        let later = matches!(status.as_u16(), 429 | 502 | 503 | 504);
        return Err(Refused { why: format!("the collector answered {status}"), later });
    }
    // An answer that cannot be read says nothing of spans that were not taken.
    let partly = Exported::decode(body).ok().and_then(|exported| exported.partial_success);
    Ok(partly.map_or((0, String::new()), |partly| {
        (u64::try_from(partly.rejected_spans).unwrap_or_default(), partly.error_message)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::messages::PartialSuccess;

    #[test]
    fn an_answer_says_what_was_taken_and_whether_to_try_again() {
        let partly = PartialSuccess { rejected_spans: 3, error_message: String::from("too old") };
        let body = Exported { partial_success: Some(partly) }.encode_to_vec();
        assert_eq!(judge(StatusCode::OK, &body).unwrap(), (3, String::from("too old")));
        assert_eq!(judge(StatusCode::OK, b"").unwrap(), (0, String::new()));
        assert_eq!(judge(StatusCode::OK, b"{}").unwrap(), (0, String::new()));
        for (status, later) in [(400, false), (401, false), (404, false), (429, true), (500, false), (503, true)] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap(), b"").unwrap_err().later, later, "{status}");
        }
    }

    #[test]
    fn urls_lead_to_addresses() {
        for (url, addr) in [
            ("http://127.0.0.1:4318/v1/traces", Some("127.0.0.1:4318")),
            ("http://collector/v1/traces", Some("collector:80")),
            ("https://collector.example/v1/traces", Some("https://collector.example:443")),
            ("ftp://collector/", None),
            ("/v1/traces", None),
        ] {
            let collector = Collector::at(url, ClientTls::public().unwrap());
            assert_eq!(collector.map(|collector| collector.addr.to_string()).as_deref(), addr, "{url}");
        }
    }
}
