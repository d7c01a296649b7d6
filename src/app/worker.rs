//! One worker from start to end: its listeners, its tick, its drain.

use crate::domain::facts::ListenerKind;
use crate::listener::Acceptor;
use crate::runtime::{ShutdownWatch, Tasks};
use crate::telemetry::Counter;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// Between two rounds of housekeeping: idle connections closed, log lines handed on.
const TICK: Duration = Duration::from_secs(1);

/// What one worker runs.
pub(super) struct WorkerMain {
    pub(super) acceptor: Acceptor,
    pub(super) sockets: Vec<(ListenerKind, TcpListener)>,
    pub(super) shutdown: ShutdownWatch,
    pub(super) tasks: Tasks,
    /// Requests that the drain deadline cut off, of the whole process.
    pub(super) cut: Arc<AtomicUsize>,
    /// Closed when all workers are done.
    pub(super) alive: Sender<()>,
}

impl WorkerMain {
    /// Accepts until the process drains, then lets running requests finish by the deadline.
    pub(super) async fn run(mut self) {
        for (kind, socket) in std::mem::take(&mut self.sockets) {
            let acceptor = self.acceptor.clone();
            self.tasks.spawn("listener", async move {
                if let Err(error) = acceptor.accept(kind, socket).await {
                    tracing::error!(%error, listener = kind.as_str(), "a listener cannot accept");
                }
            });
        }
        let worker = Arc::clone(&self.acceptor.worker);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let deadline = loop {
            tokio::select! {
                deadline = self.shutdown.draining() => break deadline,
                _ = ticks.tick() => worker.tick(),
            }
        };
        worker.close_pool();
        let metrics = &self.acceptor.connections.metrics;
        metrics.add(Counter::RequestsDrained, worker.running() as u64);
        self.drain(deadline).await;
        let cut = worker.running();
        metrics.add(Counter::RequestsCut, cut as u64);
        metrics.add(Counter::TasksPanicked, self.tasks.count().panicked as u64);
        self.cut.fetch_add(cut, Ordering::Relaxed);
        drop(self.alive);
    }

    /// Waits for all tasks, until the deadline. A second stop signal moves the deadline to now.
    async fn drain(&self, deadline: crate::runtime::Deadline) {
        let mut deadline = deadline;
        let mut watch = self.shutdown.clone();
        loop {
            tokio::select! {
                () = self.tasks.drained() => return,
                () = deadline.wait() => return,
                moved = watch.moved() => deadline = moved,
            }
        }
    }
}
