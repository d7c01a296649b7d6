//! One worker from start to end: its listeners, its tick, its drain.

use crate::domain::facts::ListenerKind;
use crate::listener::AcceptorCell;
use crate::request::Worker;
use crate::runtime::{Deadline, ShutdownWatch, Tasks};
use crate::telemetry::{Counter, WorkerMetrics};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Interval;

/// Between two rounds of housekeeping: idle connections closed, log lines handed on.
const TICK: Duration = Duration::from_secs(1);

/// Accept on one more socket.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) kind: ListenerKind,
    pub(super) socket: TcpListener,
    /// When to stop.
    pub(super) open: ShutdownWatch,
    /// Told once the socket is accepted on.
    pub(super) done: oneshot::Sender<io::Result<()>>,
}

/// What one worker runs.
pub(super) struct WorkerMain {
    pub(super) cell: AcceptorCell,
    pub(super) worker: Arc<Worker>,
    pub(super) metrics: WorkerMetrics,
    pub(super) orders: mpsc::Receiver<Order>,
    /// Counts its ticks.
    pub(super) beats: Arc<AtomicU64>,
    pub(super) shutdown: ShutdownWatch,
    pub(super) tasks: Tasks,
    /// Requests that the drain deadline cut off, of the whole process.
    pub(super) cut: Arc<AtomicUsize>,
    /// Closed when all workers are done.
    pub(super) alive: mpsc::Sender<()>,
}

impl WorkerMain {
    /// Accepts until the process drains, then lets running requests finish by the deadline.
    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let deadline = loop {
            tokio::select! {
                deadline = self.shutdown.draining() => break deadline,
                Some(order) = self.orders.recv() => self.listen(order),
                _ = ticks.tick() => self.tick(),
            }
        };
        self.worker.close_pool();
        let ran = self.worker.running();
        self.drain(deadline, &mut ticks).await;
        // What is dropped from here on was not left by its client.
        self.worker.cut_off();
        let cut = self.worker.running();
        self.metrics.add(Counter::RequestsDrained, ran.saturating_sub(cut) as u64);
        self.metrics.add(Counter::RequestsCut, cut as u64);
        self.count_panics();
        self.cut.fetch_add(cut, Ordering::Relaxed);
        drop(self.alive);
    }

    fn tick(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
        self.count_panics();
        self.worker.tick();
    }

    fn count_panics(&self) {
        self.metrics.add(Counter::TasksPanicked, self.tasks.take_panics());
    }

    fn listen(&self, Order { kind, socket, open, done }: Order) {
        let cell = self.cell.clone();
        self.tasks.spawn("listener", async move { cell.accept(kind, socket, open, done).await });
    }

    /// Waits for all tasks, until the deadline, and keeps house meanwhile. A second stop signal moves the deadline to now.
    async fn drain(&self, deadline: Deadline, ticks: &mut Interval) {
        let mut deadline = deadline;
        let mut watch = self.shutdown.clone();
        loop {
            tokio::select! {
                () = self.tasks.drained() => return,
                () = deadline.wait() => return,
                moved = watch.moved(deadline) => deadline = moved,
                _ = ticks.tick() => self.tick(),
            }
        }
    }
}
