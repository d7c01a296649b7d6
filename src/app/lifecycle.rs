//! Start, serve, reload, hand over, drain, stop.

use super::agenda::Agenda;
use super::build::App;
use super::control::{COMMANDS_MAX, Ears, Ending, until_ended};
use super::crew::{Crew, Shared};
use super::exporting::{Exporting, NewSender};
use super::handover::Handover;
use super::keeping::Keeping;
use super::manager::Manager;
use super::reload::{ConfigSource, named_files};
use super::running::Running;
use super::watch::Watch;
use crate::admin::{AdminWeb, Asked, Feeds};
use crate::request::{Common, Maintenance};
use crate::runtime::{Deadline, FreedMemory, Places, Shutdown, Tasks, Workers, now, run_here};
use crate::telemetry::{History, Metrics};
use std::error::Error;
use std::fmt;
use std::hash::RandomState;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Requests that the drain deadline cut off.
    pub cut: usize,
}

/// Why it could not run.
#[derive(Debug)]
pub struct RunError(io::Error);

impl RunError {
    pub(super) const fn new(error: io::Error) -> Self {
        Self(error)
    }
}

/// A proxy whose workers run.
pub(super) struct Started {
    pub(super) running: Running,
    pub(super) workers: Workers,
    /// Of spans; not started yet.
    sender: NewSender,
    /// What the admin listeners ask for, on its way.
    commands: mpsc::Receiver<Asked>,
    /// Ends when the last worker does.
    pub(super) done: mpsc::Receiver<()>,
    /// Requests that the drain deadline cut off.
    pub(super) cut: Arc<AtomicUsize>,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the workers cannot be started: {}", self.0)
    }
}

impl Error for RunError {}

/// How long answers of the admin socket may take to leave when all else is done.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl App {
    /// Serves until a stop signal, then drains; blocks the calling thread. A second signal ends the drain at once.
    /// Meanwhile `source` is loaded again when its files change or somebody asks for it, and the admin socket is
    /// answered. Where there is a `handover`, the process before this one is told that it may leave.
    ///
    /// # Errors
    /// `RunError` when threads or signal handlers cannot be had.
    pub fn run(self, source: &ConfigSource, handover: Option<Handover>) -> Result<Ended, RunError> {
        let Started { running, workers, sender, commands, done, cut } = self.start(source)?;
        let serving = serve(running, source, (handover, sender), commands, done);
        let running = run_here(serving).and_then(|served| served).map_err(RunError)?;
        let panicked = workers.join();
        if panicked > 0 {
            tracing::error!(panicked, "workers ended by a panic");
        }
        running.access.finish();
        let cut = cut.load(Ordering::Relaxed);
        report(&running.metrics, cut);
        Ok(Ended { cut })
    }

    /// Starts the workers, which do not listen yet.
    pub(super) fn start(self, source: &ConfigSource) -> Result<Started, RunError> {
        let Self { picture, listeners, tickets, access, metrics, recents, keys, shield, entry, sender } = self;
        let (shutdown, watch) = Shutdown::new();
        let (alive, done) = mpsc::channel(1);
        let cut = Arc::new(AtomicUsize::new(0));
        let maintenance = Maintenance::new(picture.settings.maintenance.held);
        let tunnels = Places::new(picture.settings.limits.tunnels.get());
        let common = Common { tunnels, maintenance: maintenance.clone(), shield, hashes: RandomState::new() };
        let shared = Shared::new(&picture, watch, common);
        let (crew, workers) = Crew::start(&picture, &listeners, shared, (&access, &metrics, &recents), (&alive, &cut))
            .map_err(RunError)?;
        drop(alive);
        let mut files = source.files();
        files.extend(named_files(&picture.settings, &files));
        let watch = Watch::new(files);
        let (asking, asked) = mpsc::channel(COMMANDS_MAX);
        let (tasks, places) = (Tasks::new(), picture.settings.admin_listener.connections.get());
        // Its task begins with the executor.
        let exporting = Exporting::default();
        let subscribers = Places::new(picture.settings.recent.subscribers);
        let feeds = Feeds::new(asking, subscribers, metrics.worker(0));
        let web = AdminWeb::new(entry, places, feeds.clone(), &metrics, tasks.clone());
        let running = Running {
            basis: source.begun.clone(),
            picture,
            listeners,
            leaving: Vec::new(),
            tickets,
            access,
            history: History::new(metrics.clone(), now()),
            metrics,
            recents,
            crew,
            watch,
            maintenance,
            keys,
            key_check: None,
            manager: Manager::of(&source.request.environment),
            started: now(),
            last_reload: None,
            shutdown,
            tasks,
            tasks_end: Shutdown::new().0,
            keeping: Keeping::default(),
            web,
            feeds,
            exporting,
            stopping: false,
            freed: FreedMemory::default(),
            agenda: Agenda::new(),
        };
        Ok(Started { running, workers, sender, commands: asked, done, cut })
    }
}

/// Serves until it ends, drains, and returns when all workers are done.
async fn serve(
    mut running: Running,
    source: &ConfigSource,
    (handover, sender): (Option<Handover>, NewSender),
    mut asked: mpsc::Receiver<Asked>,
    mut done: mpsc::Receiver<()>,
) -> io::Result<Running> {
    let mut ears = Ears::open()?;
    for listener in running.listeners.iter() {
        running.listen(listener).await?;
    }
    running.watch_targets();
    running.check_keys();
    running.keep_certificates();
    running.export(sender);
    let mut handover = handover;
    if let Some(handover) = &mut handover {
        running.continue_from(handover);
        handover.ready();
    }
    let admin = running.open_admin(&source.request.environment, handover.is_some());
    running.manager.ready("serving");
    if let Some(handover) = handover {
        handover.done();
    }
    tracing::info!("ready");
    let ending = until_ended(&mut running, source, admin.as_ref(), &mut asked, &mut ears, &mut done).await;
    drop(admin);
    running.keeping.stop();
    let patience = running.picture.settings.timeouts.drain;
    let deadline = Deadline::after(patience);
    match ending {
        // Without workers there is nothing to wait for.
        Ending::Over => return Ok(running),
        Ending::Stop(signal) => {
            running.manager.stopping("finishing what runs");
            let deadline_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(signal, deadline_ms, "stopping");
            running.drain(deadline);
        }
        Ending::Upgraded => running.leave(deadline),
    }
    let mut at_once = matches!(ending, Ending::Stop(_));
    loop {
        tokio::select! {
            _ = done.recv() => break,
            Some(asked) = asked.recv() => running.answer_stopping(asked),
            signal = ears.stop.next() => {
                let deadline = if at_once { Deadline::at(now()) } else { deadline };
                match at_once {
                    true => tracing::warn!(signal, "stopping at once; running requests are cut off"),
                    false => tracing::info!(signal, "stopping"),
                }
                at_once = true;
                running.drain(deadline);
            }
        }
    }
    // Requests wait for targets during a drain too, so those were watched until here.
    running.tasks_end.drain(Deadline::at(now()));
    running.listeners.close();
    running.exporting.stop();
    // Whoever follows the feed is told the end.
    drop(asked);
    // Its end is seen as one.
    running.key_check = None;
    let _ = Deadline::after(LAST_WORDS).bound(running.tasks.drained()).await;
    running.count_panics();
    Ok(running)
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
