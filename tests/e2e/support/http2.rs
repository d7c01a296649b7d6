//! Http2: a well-behaved HTTP/2 client.

use super::answer::{Answer, End};
use super::message::{Fields, Head};
use super::pki::Pki;
use super::proxy::Proxy;
use super::{API, DEADLINE};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;

/// One connection.
pub(crate) struct Http2 {
    runtime: Runtime,
    send: SendRequest<Bytes>,
}

/// A request without body.
pub(crate) fn empty(method: &str, host: &str, path: &str) -> Request<Bytes> {
    body_of(method, host, path, Bytes::new())
}

/// A request with a body; no `content-length` is added.
pub(crate) fn body_of(method: &str, host: &str, path: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    let uri = format!("https://{host}{path}");
    Request::builder().method(method).uri(uri).version(http::Version::HTTP_2).body(body.into()).unwrap()
}

impl Http2 {
    /// Connects with the name of the api service.
    pub(crate) fn connect(proxy: &Proxy) -> Self {
        Self::connect_as(proxy, API, Pki::shared().client(&["h2"]))
    }

    /// Connects with a chosen name and settings.
    pub(crate) fn connect_as(proxy: &Proxy, name: &str, config: ClientConfig) -> Self {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let addr = proxy.https();
        let send = runtime.block_on(async move {
            let connector = TlsConnector::from(Arc::new(config));
            let socket = TcpStream::connect(addr).await.unwrap();
            let stream = connector.connect(name, socket).await.unwrap();
            let mut builder = h2::client::Builder::new();
            builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 20).enable_push(false);
            let (send, connection) = builder.handshake(stream).await.unwrap();
            tokio::spawn(connection);
            send
        });
        Self { runtime, send }
    }

    /// Runs `work` with the sending half, with a deadline.
    pub(crate) fn run<T>(&self, work: impl AsyncFnOnce(SendRequest<Bytes>) -> T) -> T {
        let send = self.send.clone();
        let all = async { tokio::time::timeout(DEADLINE, work(send)).await.expect("HTTP/2 work ends in time") };
        self.runtime.block_on(all)
    }

    /// Sends a request and reads its answer whole.
    pub(crate) fn send(&self, request: Request<Bytes>) -> Answer {
        let answer = self.try_send(request).expect("an answer");
        assert_eq!(answer.end, End::Whole, "{} was cut", answer.status);
        answer
    }

    /// Sends a request and reads its answer; an error where there is none.
    pub(crate) fn try_send(&self, request: Request<Bytes>) -> Result<Answer, h2::Error> {
        self.run(async |send| exchange(send, request, None).await)
    }

    /// Sends a request with trailers behind its body.
    pub(crate) fn send_with_trailers(&self, request: Request<Bytes>, trailers: HeaderMap) -> Answer {
        self.run(async |send| exchange(send, request, Some(trailers)).await).expect("an answer")
    }

    /// Sends all requests at once; their answers in order.
    pub(crate) fn send_all(&self, requests: Vec<Request<Bytes>>) -> Vec<Answer> {
        self.run(async |send| {
            let tasks = requests.into_iter().map(|request| tokio::spawn(exchange(send.clone(), request, None)));
            let mut answers = Vec::new();
            for task in tasks.collect::<Vec<_>>() {
                answers.push(task.await.unwrap().expect("an answer"));
            }
            answers
        })
    }
}

async fn exchange(
    send: SendRequest<Bytes>,
    request: Request<Bytes>,
    trailers: Option<HeaderMap>,
) -> Result<Answer, h2::Error> {
    let mut send = send.ready().await?;
    let (head, body) = request.into_parts();
    let ends = body.is_empty() && trailers.is_none();
    let (answer, mut stream) = send.send_request(Request::from_parts(head, ()), ends)?;
    if !ends {
        // An early answer may end our half: then there is still an answer to read.
        let _ended = stream.send_data(body, trailers.is_none());
        if let Some(trailers) = trailers {
            let _ended = stream.send_trailers(trailers);
        }
    }
    collect(answer).await
}

/// Reads an answer to its end, or to where it was cut.
pub(crate) async fn collect(mut answer: ResponseFuture) -> Result<Answer, h2::Error> {
    let mut interim = Vec::new();
    // What comes before the answer wakes whoever waits for the answer too.
    let head = poll_fn(|cx| {
        while let Poll::Ready(Some(Ok(head))) = answer.poll_informational(cx) {
            interim.push(Head { line: format!("HTTP/2 {}", head.status().as_u16()), fields: fields(head.headers()) });
        }
        Pin::new(&mut answer).poll(cx)
    });
    let (head, mut stream) = head.await?.into_parts();
    let mut answer = Answer {
        status: head.status.as_u16(),
        fields: fields(&head.headers),
        body: Vec::new(),
        trailers: Fields::default(),
        interim,
        end: End::Whole,
    };
    while let Some(data) = stream.data().await {
        let Ok(data) = data else {
            answer.end = End::Cut;
            return Ok(answer);
        };
        answer.body.extend_from_slice(&data);
        stream.flow_control().release_capacity(data.len())?;
    }
    match stream.trailers().await {
        Ok(trailers) => answer.trailers = trailers.as_ref().map(fields).unwrap_or_default(),
        Err(_) => answer.end = End::Cut,
    }
    Ok(answer)
}

fn fields(map: &HeaderMap) -> Fields {
    Fields(map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect())
}
