//! Crew: the workers as the life cycle sees them: what is told to each, and what they run by.

use super::listeners::{Listener, Listeners, copies};
use super::picture::Picture;
use super::worker::{Order, WorkerMain};
use crate::connection::Connections;
use crate::domain::facts::ListenerKind;
use crate::listener::{Acceptor, AcceptorCell, Handshakes};
use crate::request::{Common, Worker};
use crate::runtime::{Deadline, Places, ShutdownWatch, Tasks, WorkerId, Workers, start_workers};
use crate::telemetry::{AccessWriter, Metrics, Recents, WorkerMetrics};
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Orders that wait for one worker: more listeners than that are never opened at once.
const ORDERS_MAX: usize = 256;

/// How long a worker may take to begin to listen.
const LISTEN_WAIT: Duration = Duration::from_secs(10);

/// A worker that ticked less long ago may tick in a moment, where a watchdog wants to know more often than that.
const TICK_MISSED: Duration = Duration::from_secs(3);

/// A worker that has not ticked for this long stands still; it ticks every second.
const STILL_AFTER: Duration = Duration::from_secs(10);

/// One worker, from outside.
#[derive(Debug)]
struct Seat {
    worker: Arc<Worker>,
    metrics: WorkerMetrics,
    tasks: Tasks,
    cell: AcceptorCell,
    orders: mpsc::Sender<Order>,
    /// Ticks so far, and those of the last look.
    beats: Arc<AtomicU64>,
    /// As the watchdog saw it, and as somebody who asks how things are.
    signed: Beat,
    shown: Beat,
}

/// Ticks at the last look that saw another number, and when.
#[derive(Debug, Default)]
struct Beat(Mutex<Option<(u64, Instant)>>);

impl Beat {
    /// For how long nothing has changed, as far as was looked at.
    fn still(&self, beats: &AtomicU64, now: Instant) -> Duration {
        let beats = beats.load(Ordering::Relaxed);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, since) = *last.get_or_insert((beats, now));
        if seen != beats {
            *last = Some((beats, now));
            return Duration::ZERO;
        }
        now.saturating_duration_since(since)
    }
}

/// All workers.
#[derive(Debug)]
pub(super) struct Crew {
    seats: Vec<Seat>,
    shared: Shared,
}

/// What all workers share for as long as the process runs.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    places: Places,
    handshakes: Handshakes,
    numbers: Arc<AtomicU64>,
    watch: ShutdownWatch,
    common: Common,
}

impl Shared {
    pub(super) fn new(picture: &Picture, watch: ShutdownWatch, common: Common) -> Self {
        let places = Places::new(picture.settings.limits.connections.get());
        let handshakes = Handshakes::new(&picture.settings.tls.handshakes);
        Self { places, handshakes, numbers: Arc::default(), watch, common }
    }

    /// What a worker needs to serve connections by `picture`.
    fn acceptor(
        &self,
        picture: &Picture,
        https_port: u16,
        worker: &Arc<Worker>,
        metrics: &WorkerMetrics,
        tasks: &Tasks,
    ) -> Acceptor {
        let connections = Connections {
            limits: Arc::new(picture.settings.limits.clone()),
            timeouts: Arc::new(picture.settings.timeouts.clone()),
            park: picture.settings.memory.park,
            metrics: metrics.clone(),
            tasks: tasks.clone(),
            shutdown: self.watch.clone(),
        };
        Acceptor {
            connections,
            worker: Arc::clone(worker),
            tls: Arc::clone(&picture.tls),
            places: self.places.clone(),
            handshakes: self.handshakes.clone(),
            numbers: Arc::clone(&self.numbers),
            https_port,
        }
    }
}

impl Crew {
    /// Starts a thread for each worker; none listens yet. `alive` closes when all are done, `cut` counts requests that
    /// the drain deadline cut off.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn start(
        picture: &Picture,
        listeners: &Listeners,
        shared: Shared,
        (access, metrics, recents): (&AccessWriter, &Metrics, &Recents),
        (alive, cut): (&mpsc::Sender<()>, &Arc<AtomicUsize>),
    ) -> io::Result<(Self, Workers)> {
        let (plan, port) = (picture.plan(), listeners.https_port(&picture.settings));
        let mut seats = Vec::new();
        let workers = start_workers(picture.settings.workers, |WorkerId(id)| {
            let (tasks, shard) = (Tasks::new(), metrics.worker(id));
            let log = access.for_worker(shard.clone(), recents.worker(id), crate::runtime::now);
            let worker = Worker::new(&plan, log, shard.clone(), tasks.clone(), shared.common.clone());
            let (worker, beats) = (Arc::new(worker), Arc::new(AtomicU64::new(0)));
            let cell = AcceptorCell::new(shared.acceptor(picture, port, &worker, &shard, &tasks));
            let (orders, inbox) = mpsc::channel(ORDERS_MAX);
            let main = WorkerMain {
                cell: cell.clone(),
                worker: Arc::clone(&worker),
                metrics: shard.clone(),
                orders: inbox,
                beats: Arc::clone(&beats),
                shutdown: shared.watch.clone(),
                tasks: tasks.clone(),
                cut: Arc::clone(cut),
                alive: alive.clone(),
            };
            seats.push(Seat {
                worker,
                metrics: shard,
                tasks,
                cell,
                orders,
                beats,
                signed: Beat::default(),
                shown: Beat::default(),
            });
            main.run()
        })?;
        Ok((Self { seats, shared }, workers))
    }

    /// Lets every worker accept on its socket of `listener`, for connections of this kind; returns when all do.
    ///
    /// # Errors
    /// The operating system's, when a socket cannot be used.
    pub(super) async fn listen(&self, kind: ListenerKind, listener: &Listener) -> io::Result<()> {
        let mut answers = Vec::new();
        for (index, socket) in copies(&listener.sockets)?.into_iter().enumerate() {
            let (done, answer) = oneshot::channel();
            let order = Order { kind, socket, open: listener.shutdown.watch(), done };
            let seat = self.seats.get(index % self.seats.len().max(1));
            let seat = seat.ok_or_else(|| io::Error::other("there is no worker"))?;
            seat.orders.send(order).await.map_err(|_| io::Error::other("a worker is gone"))?;
            answers.push(answer);
        }
        let deadline = Deadline::after(LISTEN_WAIT);
        for answer in answers {
            let answer = deadline.bound(answer).await.ok_or(io::ErrorKind::TimedOut)?;
            answer.map_err(|_| io::Error::other("a worker is gone"))??;
        }
        Ok(())
    }

    /// Shows every worker another picture: requests and connections that begin from now on see it.
    pub(super) fn replace(&self, picture: &Picture, listeners: &Listeners) {
        let limits = &picture.settings.limits;
        self.shared.places.resize(limits.connections.get());
        self.shared.handshakes.resize(&picture.settings.tls.handshakes);
        self.shared.common.tunnels.resize(limits.tunnels.get());
        self.shared.common.maintenance.resize(picture.settings.maintenance.held);
        let (plan, port) = (picture.plan(), listeners.https_port(&picture.settings));
        for Seat { worker, metrics, tasks, cell, .. } in &self.seats {
            worker.replace(&plan);
            cell.replace(self.shared.acceptor(picture, port, worker, metrics, tasks));
        }
    }

    /// TLS handshakes.
    pub(super) const fn handshakes(&self) -> &Handshakes {
        &self.shared.handshakes
    }

    /// Whether every worker has done something since the last time this was asked, or in a few seconds.
    pub(super) fn moves(&self, now: Instant) -> bool {
        let moves = |seat: &&Seat| seat.signed.still(&seat.beats, now) < TICK_MISSED;
        // Each is looked at, also behind one that stands.
        self.seats.iter().filter(moves).count() == self.seats.len()
    }

    /// How many workers have done nothing for `STILL_AFTER`, as far as this was asked before.
    pub(super) fn standing(&self, now: Instant) -> usize {
        self.seats.iter().filter(|seat| seat.shown.still(&seat.beats, now) > STILL_AFTER).count()
    }

    /// The counters of the first worker, for what happens once in a process.
    pub(super) fn metrics(&self) -> Option<&WorkerMetrics> {
        self.seats.first().map(|seat| &seat.metrics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stillness_is_measured_from_the_look_that_saw_the_last_beat() {
        let (beat, beats, begun) = (Beat::default(), AtomicU64::new(0), crate::runtime::now());
        let still = |count: u64, seconds: u64| {
            beats.store(count, Ordering::Relaxed);
            beat.still(&beats, begun + Duration::from_secs(seconds)).as_secs()
        };
        let looks = [(5, 0), (5, 1), (6, 2), (6, 4), (6, 22), (7, 23)].map(|(count, at)| still(count, at));
        assert_eq!(looks, [0, 1, 0, 2, 20, 0]);
    }
}
