//! The service behind the proxies: sized answers, uploads taken and counted, with and without keep-alive.

use crate::Failure;
use crate::ask::{BLOCK, COUNT_DIGITS};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::convert::Infallible;
use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::net::{TcpListener, TcpStream};

/// Serves on two ports of its own until standard input ends.
pub(crate) async fn serve() -> Result<String, Failure> {
    let keeping = TcpListener::bind("127.0.0.1:0").await?;
    let closing = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", json!({ "keeping": keeping.local_addr()?.port(), "closing": closing.local_addr()?.port() }));
    // A thread for each, so that uploads and downloads do not keep small requests waiting here.
    for (listener, keep_alive) in [(keeping, true), (closing, false)] {
        let listener = listener.into_std()?;
        std::thread::spawn(move || run(listener, keep_alive));
    }
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(json!({ "ended": true }).to_string())
}

fn run(listener: std::net::TcpListener, keep_alive: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        accept(TcpListener::from_std(listener)?, keep_alive).await;
        Ok(())
    })
}

async fn accept(listener: TcpListener, keep_alive: bool) {
    // Without descriptors the origin cannot go on; the clients then see it.
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(converse(socket, keep_alive));
    }
}

/// A closing origin says `Connection: close` on each answer and closes, as ClearML's Python servers do.
async fn converse(socket: TcpStream, keep_alive: bool) {
    if socket.set_nodelay(true).is_ok() {
        let connection =
            http1::Builder::new().keep_alive(keep_alive).serve_connection(TokioIo::new(socket), service_fn(answer));
        // A proxy may leave at any time.
        drop(connection.await);
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Sized>, hyper::Error> {
    let wanted = request.uri().path().strip_prefix("/bytes/").and_then(|count| count.parse().ok());
    let mut body = request.into_body();
    let mut taken = 0;
    while let Some(frame) = body.frame().await {
        taken += frame?.data_ref().map_or(0, Bytes::len);
    }
    let answer = match wanted {
        Some(left) => Sized::Block { left },
        None => Sized::Text(Bytes::from(format!("{taken:0COUNT_DIGITS$}"))),
    };
    let mut answer = Response::new(answer);
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(header::SERVER, header::HeaderValue::from_static("gunicorn"));
    Ok(answer)
}

/// A body of known length.
enum Sized {
    Text(Bytes),
    Block { left: u64 },
}

impl Body for Sized {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match self.get_mut() {
            Self::Text(text) => std::mem::take(text),
            Self::Block { left } => {
                let piece = usize::try_from(*left).unwrap_or(usize::MAX).min(BLOCK.len());
                *left -= piece as u64;
                Bytes::from_static(BLOCK.get(..piece).unwrap_or_default())
            }
        };
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Text(text) => text.len() as u64,
            Self::Block { left } => *left,
        })
    }
}
