//! Start, serve, drain, stop.

use super::build::App;
use super::default_keys::DefaultKeyCheck;
use super::worker::WorkerMain;
use crate::connection::Connections;
use crate::domain::facts::ListenerKind;
use crate::domain::names::{PerService, ServiceName};
use crate::listener::{Acceptor, Bound};
use crate::request::{Shield, Site, Worker};
use crate::runtime::{Deadline, Shutdown, Tasks, WorkerId, reopen_signal, run_here, start_workers, stop_signals};
use crate::telemetry::{AccessWriter, Metrics, WorkerMetrics};
use crate::upstream::{Connector, Group, Watch};
use std::error::Error;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Requests that the drain deadline cut off.
    pub cut: usize,
}

/// Why it could not run.
#[derive(Debug)]
pub struct RunError(io::Error);

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the workers cannot be started: {}", self.0)
    }
}

impl Error for RunError {}

impl App {
    /// Serves until a stop signal, then drains; blocks the calling thread. A second signal ends the drain at once.
    ///
    /// # Errors
    /// `RunError` when threads or signal handlers cannot be had.
    pub fn run(self) -> Result<Ended, RunError> {
        let settings = Arc::clone(&self.settings);
        let (shutdown, watch) = Shutdown::new();
        let (alive, done) = mpsc::channel(1);
        let cut = Arc::new(AtomicUsize::new(0));
        let watched = Watched::new(&self);
        let (mut parts, access, metrics) = self.into_parts();
        let workers = start_workers(settings.workers, |id| {
            let tasks = Tasks::new();
            let acceptor = parts.acceptor(id, &tasks, watch.clone(), &access, &metrics);
            let sockets = parts.take_sockets();
            WorkerMain {
                acceptor,
                sockets,
                shutdown: watch.clone(),
                tasks,
                cut: Arc::clone(&cut),
                alive: alive.clone(),
            }
            .run()
        })
        .map_err(RunError)?;
        drop(alive);
        run_here(watch_and_wait(watched, shutdown, done, settings.timeouts.drain, &access))
            .and_then(|waited| waited)
            .map_err(RunError)?;
        let panicked = workers.join();
        if panicked > 0 {
            tracing::error!(panicked, "workers ended by a panic");
        }
        access.finish();
        let cut = cut.load(Ordering::Relaxed);
        report(&metrics, cut);
        Ok(Ended { cut })
    }

    fn into_parts(self) -> (Parts, AccessWriter, Metrics) {
        let https_port = self.https_port();
        let settings = &self.settings;
        let places = Arc::new(Semaphore::new(settings.limits.connections.get().min(Semaphore::MAX_PERMITS)));
        let tunnels = Arc::new(Semaphore::new(settings.limits.tunnels.get().min(Semaphore::MAX_PERMITS)));
        let template = Site::new(Arc::clone(settings), self.groups, self.covered);
        let parts = Parts {
            template,
            https: self.https,
            http: self.http,
            legacy: self.legacy,
            tls: self.tls,
            places,
            tunnels,
            shield: self.shield,
            numbers: Arc::default(),
            https_port,
        };
        (parts, self.access, self.metrics)
    }
}

/// What workers are made from.
struct Parts {
    template: Site,
    https: Vec<Bound>,
    http: Vec<Bound>,
    legacy: PerService<Vec<Bound>>,
    tls: Arc<crate::tls::ServerTls>,
    places: Arc<Semaphore>,
    tunnels: Arc<Semaphore>,
    shield: Arc<Shield>,
    numbers: Arc<AtomicU64>,
    https_port: u16,
}

impl Parts {
    fn acceptor(
        &self,
        id: WorkerId,
        tasks: &Tasks,
        watch: crate::runtime::ShutdownWatch,
        access: &AccessWriter,
        metrics: &Metrics,
    ) -> Acceptor {
        let settings = &self.template.settings;
        let shard = metrics.worker(id.0);
        let log = access.for_worker(shard.clone(), crate::runtime::now);
        // Counted by worker, so that no request touches memory of another one.
        let share = settings.limits.requests.get().div_ceil(settings.workers.get());
        let site =
            Site::new(Arc::clone(settings), Arc::clone(&self.template.groups), Arc::clone(&self.template.covered));
        let worker = Worker::new(
            site,
            log,
            shard.clone(),
            tasks.clone(),
            share,
            Arc::clone(&self.tunnels),
            Arc::clone(&self.shield),
        );
        let connections = Connections {
            limits: Arc::new(settings.limits.clone()),
            timeouts: Arc::new(settings.timeouts.clone()),
            park: settings.memory.park,
            metrics: shard,
            tasks: tasks.clone(),
            shutdown: watch,
        };
        Acceptor {
            connections,
            worker: Arc::new(worker),
            tls: Arc::clone(&self.tls),
            places: Arc::clone(&self.places),
            numbers: Arc::clone(&self.numbers),
            https_port: self.https_port,
        }
    }

    /// One socket of each address, for the next worker.
    fn take_sockets(&mut self) -> Vec<(ListenerKind, TcpListener)> {
        let https = self.https.iter_mut().map(|bound| (ListenerKind::Https, bound));
        let http = self.http.iter_mut().map(|bound| (ListenerKind::Http, bound));
        let PerService { app, api, files } = &mut self.legacy;
        let legacy = [(ServiceName::App, app), (ServiceName::Api, api), (ServiceName::Files, files)];
        let legacy = legacy
            .into_iter()
            .flat_map(|(service, bound)| bound.iter_mut().map(move |bound| (ListenerKind::Legacy(service), bound)));
        https
            .chain(http)
            .chain(legacy)
            .filter_map(|(kind, bound)| bound.sockets.pop().map(|socket| (kind, socket)))
            .collect()
    }
}

/// What the watchers of targets need, which run beside the workers.
struct Watched {
    groups: Arc<PerService<Group>>,
    connector: Connector,
    metrics: WorkerMetrics,
    check: DefaultKeyCheck,
}

impl Watched {
    fn new(app: &App) -> Self {
        let metrics = app.metrics.worker(0);
        let (timeouts, limits) = (&app.settings.timeouts, &app.settings.limits);
        let connector = Connector::new(metrics.clone(), timeouts.connect, limits.answer_head.as_usize());
        let check = DefaultKeyCheck {
            settings: Arc::clone(&app.settings),
            groups: Arc::clone(&app.groups),
            keys: Arc::clone(&app.keys),
            metrics: metrics.clone(),
        };
        Self { groups: Arc::clone(&app.groups), connector, metrics, check }
    }
}

/// Watches the targets until all workers are done: requests wait for targets during a drain too.
async fn watch_and_wait(
    watched: Watched,
    shutdown: Shutdown,
    done: mpsc::Receiver<()>,
    patience: Duration,
    access: &AccessWriter,
) -> io::Result<()> {
    let (stop, stopped) = Shutdown::new();
    let tasks = Tasks::new();
    let Watched { groups, connector, metrics, check } = watched;
    tasks.spawn("default keys", check.run(stopped.clone()));
    let watch = Watch::new(connector, metrics, tasks.clone(), stopped);
    groups.iter().for_each(|(_, group)| watch.over(group));
    let waited = wait(shutdown, done, patience, access).await;
    stop.drain(Deadline::after(Duration::ZERO));
    tasks.drained().await;
    waited
}

/// Waits for a stop signal, drains, and returns when all workers are done.
async fn wait(
    shutdown: Shutdown,
    mut done: mpsc::Receiver<()>,
    patience: Duration,
    access: &AccessWriter,
) -> io::Result<()> {
    let mut signals = stop_signals()?;
    let mut moved = reopen_signal()?;
    tracing::info!("ready");
    let signal = loop {
        tokio::select! {
            signal = signals.next() => break signal,
            () = moved.next() => {
                tracing::info!(signal = "SIGUSR1", "the access log is opened anew");
                access.reopen();
            }
            // Without workers there is nothing to wait for.
            _ = done.recv() => return Ok(()),
        }
    };
    tracing::info!(signal, deadline_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX), "stopping");
    shutdown.drain(Deadline::after(patience));
    tokio::select! {
        _ = done.recv() => {}
        signal = signals.next() => {
            tracing::warn!(signal, "stopping at once; running requests are cut off");
            shutdown.drain(Deadline::after(Duration::ZERO));
            done.recv().await;
        }
    }
    Ok(())
}

fn report(metrics: &Metrics, cut: usize) {
    for (name, labels, value) in metrics.snapshot() {
        tracing::debug!(name, labels = %labels, value, "counted");
    }
    for worker in metrics.traffic().workers {
        tracing::debug!(worker = %worker.name, requests = worker.requests, failed = worker.failed, "a worker's requests");
    }
    if cut > 0 {
        tracing::warn!(cut, "stopped");
    } else {
        tracing::info!(cut, "stopped");
    }
}
