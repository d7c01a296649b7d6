//! The admin listener: plain HTTP/1.1 for whoever wants to see how the proxy is. It shows and never changes anything.
//!
//! Served beside the life cycle, on the thread that no request of a client's ever waits for.

use super::entry::Entry;
use super::events::Feeds;
use super::pages::{self, Sources};
use crate::runtime::{Deadline, Place, Places, ShutdownWatch, Stop, Tasks, wall};
use crate::telemetry::{Counter, Metrics, WorkerMetrics};
use arc_swap::ArcSwap;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// From accept, or the end of an answer, to the end of the next head.
const HEAD_WAIT: Duration = Duration::from_secs(10);

/// Bytes of a request's head: a scrape's has some hundred.
const HEAD_MAX: usize = 16 * 1024;

/// Fields of a request's head.
const FIELDS_MAX: usize = 64;

/// How long answers may take to leave once the listener is gone.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Between an accept that failed and the next.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Everything that its listeners share; cheap to clone.
#[derive(Clone, Debug)]
pub struct AdminWeb(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    entry: ArcSwap<Entry>,
    places: Places,
    sources: Sources,
    counts: WorkerMetrics,
    tasks: Tasks,
}

impl AdminWeb {
    /// Asks by `feeds` how things are, and shows `metrics`; `connections` at once. Connections run as `tasks`.
    #[must_use]
    pub fn new(entry: Entry, connections: usize, feeds: Feeds, metrics: &Metrics, tasks: Tasks) -> Self {
        let (entry, places) = (ArcSwap::from_pointee(entry), Places::new(connections));
        let sources = Sources { feeds, metrics: metrics.clone(), started: wall() };
        Self(Arc::new(Inner { entry, places, sources, counts: metrics.worker(0), tasks }))
    }

    /// Lets in by other rules from the next request on.
    pub fn replace(&self, entry: Entry, connections: usize) {
        self.0.entry.store(Arc::new(entry));
        self.0.places.resize(connections);
    }

    /// Accepts on `socket` until `open` says otherwise, as a task on the executor of the calling thread.
    ///
    /// # Errors
    /// The operating system's, when the socket cannot be used.
    pub fn listen(&self, socket: TcpListener, open: ShutdownWatch) -> io::Result<()> {
        let socket = tokio::net::TcpListener::from_std(socket)?;
        let inner = Arc::clone(&self.0);
        self.0.tasks.spawn("admin listener", async move {
            let mut gone = pin!(open.clone().beyond(Stop::Running));
            loop {
                tokio::select! {
                    _ = &mut gone => break,
                    accepted = socket.accept() => match accepted {
                        Ok((stream, _)) => inner.begin(stream, &open),
                        Err(error) => {
                            tracing::warn!(%error, "cannot accept on the admin listener");
                            Deadline::after(ACCEPT_PAUSE).wait().await;
                        }
                    },
                }
            }
        });
        Ok(())
    }
}

impl Inner {
    fn begin(self: &Arc<Self>, stream: TcpStream, open: &ShutdownWatch) {
        let Some(place) = self.places.try_take() else {
            self.counts.add(Counter::AdminConnectionsFull, 1);
            return;
        };
        let (inner, open) = (Arc::clone(self), open.clone());
        self.tasks.spawn("admin page", inner.serve(stream, open, place));
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, open: ShutdownWatch, _place: Place) {
        let service = service_fn(|request: Request<Incoming>| {
            let inner = Arc::clone(&self);
            async move {
                let (answer, let_in) = pages::answer(&request, &inner.entry.load_full(), &inner.sources).await;
                if !let_in {
                    inner.counts.add(Counter::AdminRefused, 1);
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let serving = Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WAIT)
            .max_buf_size(HEAD_MAX)
            .max_headers(FIELDS_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let mut serving = pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => ended,
            _ = open.beyond(Stop::Running) => {
                serving.as_mut().graceful_shutdown();
                // What streams for ever is cut off then.
                Deadline::after(LAST_WORDS).bound(serving).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection to the admin listener ended early");
        }
    }
}
