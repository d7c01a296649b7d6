//! HTTP/2 streams whose client stops taking the answer.
//!
//! A client can keep a stream's window shut while its connection stays busy with pings; the kernel notices nothing,
//! and the answer would stay in memory. Each stream's task is therefore watched: when the answer's body was not asked
//! for its next bytes for `timeouts.stalled_answer`, the stream is reset.

use crate::runtime::{Tasks, now};
use crate::telemetry::{Counter, WorkerMetrics};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep_until};

tokio::task_local! {
    static CURRENT: Arc<StreamWatch>;
}

/// What a stream's body tells its watch.
#[derive(Debug)]
pub(super) struct StreamWatch {
    opened: Instant,
    /// The client has bytes to take.
    waiting: AtomicBool,
    /// Milliseconds from `opened` to the last time the body was asked.
    asked: AtomicU64,
}

impl StreamWatch {
    fn new() -> Arc<Self> {
        Arc::new(Self { opened: now(), waiting: AtomicBool::new(false), asked: AtomicU64::new(0) })
    }

    /// The watch of the HTTP/2 stream whose task is running, if one is.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// The body was asked; `gave` when it had a frame, which the client must now take.
    pub(super) fn polled(&self, gave: bool) {
        let asked = u64::try_from(now().saturating_duration_since(self.opened).as_millis()).unwrap_or(u64::MAX);
        self.asked.store(asked, Ordering::Relaxed);
        self.waiting.store(gave, Ordering::Relaxed);
    }

    fn waiting_since(&self) -> Option<Instant> {
        let waiting = self.waiting.load(Ordering::Relaxed);
        waiting.then(|| self.opened + Duration::from_millis(self.asked.load(Ordering::Relaxed)))
    }
}

/// Runs the streams of one connection as tasks of the worker.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) tasks: Tasks,
    pub(super) metrics: WorkerMetrics,
    pub(super) patience: Duration,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let watch = StreamWatch::new();
        let inner = CURRENT.scope(Arc::clone(&watch), stream);
        let watched = Watched { inner, watch, timer: None, patience: self.patience, metrics: self.metrics.clone() };
        self.tasks.spawn("stream", watched);
    }
}

pin_project! {
    struct Watched<F> {
        #[pin]
        inner: F,
        watch: Arc<StreamWatch>,
        timer: Option<Pin<Box<Sleep>>>,
        patience: Duration,
        metrics: WorkerMetrics,
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.inner.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            let Some(since) = this.watch.waiting_since() else { return Poll::Pending };
            let patience = *this.patience;
            // Made once for a stream and only moved on when it fires: most answers never wait this long.
            let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until((since + patience).into())));
            ready!(timer.as_mut().poll(cx));
            if since + patience <= now() {
                this.metrics.add(Counter::StalledAnswers, 1);
                return Poll::Ready(());
            }
            timer.as_mut().reset((since + patience).into());
        }
    }
}
