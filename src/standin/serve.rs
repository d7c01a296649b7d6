//! Sockets to answers: accepting, HTTP/1.1, closing, draining.
//!
//! Owns: which connections stay open (nginx's do, the Python servers' do not) and how they close. Leaves: the answers
//! to `api`, `files` and `app`.
//! Limits: `CONNECTIONS_MAX` at a time for each service; more wait in the kernel's queue.

use super::answer::Answer;
use super::place::Place;
use super::store::Store;
use super::token::Tokens;
use super::{api, app, files};
use crate::domain::names::{PerService, ServiceName};
use crate::runtime::{Deadline, ShutdownWatch, Tasks, listen};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

const CONNECTIONS_MAX: u32 = 4_096;

/// Read from a socket at once, so that an upload reaches the disk in large pieces but holds little memory.
const READ_BUFFER: usize = 256 * 1024;

/// nginx's own `keepalive_timeout`.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// After an answer the Python servers read on, so that it reaches a client that is still sending; until it is silent
/// for so long, or has sent `LINGER_BYTES`.
///
/// Source: Werkzeug `serving.py`, `WSGIRequestHandler.run_wsgi`.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 10_000_000_000;

/// A client that takes nothing for this long is given up.
const PATIENCE: Duration = Duration::from_secs(300);

/// When accepting fails, usually for want of descriptors, some may be free again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens on a free loopback port for each service.
///
/// # Errors
/// The operating system's.
pub fn sockets() -> io::Result<PerService<TcpListener>> {
    let free = || listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), PATIENCE).map_err(|error| error.source);
    Ok(PerService { app: free()?, api: free()?, files: free()? })
}

/// Serves the three stand-ins on `sockets` (non-blocking, as `sockets` makes them) until draining has ended. Uploads
/// go below `folder`.
///
/// # Errors
/// The operating system's, where a socket cannot be used.
///
/// # Cancel safety
/// Dropping it stops accepting; running connections end with `tasks`.
pub async fn serve(
    sockets: PerService<TcpListener>,
    folder: PathBuf,
    tasks: Tasks,
    shutdown: ShutdownWatch,
) -> io::Result<()> {
    let place = Arc::new(Place { store: Store::new(folder), tokens: Tokens::default() });
    let accepting = |service, socket: TcpListener| Accepting {
        service,
        socket,
        place: Arc::clone(&place),
        tasks: tasks.clone(),
        shutdown: shutdown.clone(),
    };
    tokio::try_join!(
        accepting(ServiceName::App, sockets.app).run(),
        accepting(ServiceName::Api, sockets.api).run(),
        accepting(ServiceName::Files, sockets.files).run(),
    )?;
    Ok(())
}

/// One service's listening socket and what its connections need.
struct Accepting {
    service: ServiceName,
    socket: TcpListener,
    place: Arc<Place>,
    tasks: Tasks,
    shutdown: ShutdownWatch,
}

impl Accepting {
    async fn run(mut self) -> io::Result<()> {
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
        let listener = tokio::net::TcpListener::from_std(self.socket)?;
        let deadline = loop {
            let accepted = async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                (listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accepted => accepted,
                deadline = self.shutdown.draining() => break deadline,
            };
            match accepted {
                Ok((socket, _)) => {
                    let connection = connection(self.service, Arc::clone(&self.place), socket, self.shutdown.clone());
                    self.tasks.spawn("stand-in connection", async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(service = %self.service, %error, "a stand-in cannot accept");
                    Deadline::after(ACCEPT_PAUSE).wait().await;
                }
            }
        };
        drop(listener);
        // All permits are back when the last connection has ended.
        drop(deadline.bound(permits.acquire_many(CONNECTIONS_MAX)).await);
        Ok(())
    }
}

/// Serves one connection to its end.
async fn connection(service: ServiceName, place: Arc<Place>, socket: TcpStream, mut shutdown: ShutdownWatch) {
    // Without these options the connection still works, only slower.
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(service == ServiceName::App)
        .header_read_timeout(KEEP_ALIVE)
        .max_buf_size(READ_BUFFER)
        .title_case_headers(true)
        .serve_connection(
            TokioIo::new(socket),
            service_fn(move |request| respond(service, Arc::clone(&place), request)),
        );
    let ended = tokio::select! {
        ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => Some(ended),
        deadline = shutdown.draining() => {
            Pin::new(&mut connection).graceful_shutdown();
            deadline.bound(poll_fn(|cx| connection.poll_without_shutdown(cx))).await
        }
    };
    match ended {
        Some(Ok(())) => linger(connection.into_parts().io.into_inner()).await,
        // The peer went away or sent nonsense; both are its own affair.
        Some(Err(error)) => tracing::debug!(%service, %error, "a connection to a stand-in broke"),
        None => {}
    }
}

/// Ends our side, then reads and drops what still comes: closing with bytes unread would reset the connection, and
/// could take the answer with it.
async fn linger(mut socket: TcpStream) {
    if socket.shutdown().await.is_err() {
        return;
    }
    let (mut rest, mut bytes) = (vec![0; 64 * 1024], 0);
    while let Some(Ok(read @ 1..)) = Deadline::after(LINGER).bound(socket.read(&mut rest)).await {
        bytes += read as u64;
        if bytes > LINGER_BYTES {
            return;
        }
    }
}

/// Answers one request; boxed, because `poll_without_shutdown` asks for a future that can be moved.
fn respond(
    service: ServiceName,
    place: Arc<Place>,
    request: http::Request<Incoming>,
) -> Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>> {
    Box::pin(async move {
        Ok(match service {
            ServiceName::App => app::answer(&place, request).await,
            ServiceName::Api => api::answer(&place, request).await,
            ServiceName::Files => files::answer(&place, request).await,
        })
    })
}
