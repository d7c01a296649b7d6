//! Running: what the life cycle holds while the proxy serves.

use super::agenda::Agenda;
use super::crew::Crew;
use super::default_keys::DefaultKeyCheck;
use super::exporting::{Exporting, NewSender};
use super::keeping::Keeping;
use super::listeners::Listeners;
use super::manager::Manager;
use super::picture::Picture;
use super::watch::Watch;
use crate::admin::{AdminSocket, AdminWeb, Feeds, ReloadView};
use crate::config::{Basis, Environment};
use crate::request::Maintenance;
use crate::runtime::{Deadline, FreedMemory, Shutdown, Tasks, now};
use crate::telemetry::{AccessWriter, Counter, History, KeyWatch, Metrics, Recents};
use crate::tls::Tickets;
use crate::upstream::{Connector, Watch as TargetWatch};
use std::sync::Arc;
use std::time::Instant;

/// A proxy that serves.
#[derive(Debug)]
pub(super) struct Running {
    /// What the configuration came from.
    pub(super) basis: Basis,
    pub(super) picture: Picture,
    pub(super) listeners: Listeners,
    /// Listeners that are gone, whose connections may not be.
    pub(super) leaving: Vec<Shutdown>,
    pub(super) tickets: Tickets,
    pub(super) access: AccessWriter,
    pub(super) metrics: Metrics,
    /// Single requests.
    pub(super) recents: Recents,
    /// The last seconds.
    pub(super) history: History,
    pub(super) crew: Crew,
    pub(super) watch: Watch,
    pub(super) maintenance: Maintenance,
    /// Whether published default keys open the API server.
    pub(super) keys: Arc<KeyWatch>,
    /// Ends the check of now.
    pub(super) key_check: Option<Shutdown>,
    pub(super) manager: Manager,
    pub(super) started: Instant,
    pub(super) last_reload: Option<ReloadView>,
    pub(super) shutdown: Shutdown,
    /// What runs beside the workers, and its end.
    pub(super) tasks: Tasks,
    pub(super) tasks_end: Shutdown,
    /// Certificates from an authority.
    pub(super) keeping: Keeping,
    /// Shows how all this is.
    pub(super) web: AdminWeb,
    /// Sends recorded requests to a collector.
    pub(super) exporting: Exporting,
    /// By which it is asked.
    pub(super) feeds: Feeds,
    /// Whether it finishes what runs and takes nothing new.
    pub(super) stopping: bool,
    /// What the process needs no longer.
    pub(super) freed: FreedMemory,
    /// Certificates that come to their end.
    pub(super) agenda: Agenda,
}

impl Running {
    /// Watches the targets that nobody watches yet, on the executor of the calling thread.
    pub(super) fn watch_targets(&self) {
        let metrics = self.metrics.worker(0);
        let (timeouts, limits) = (&self.picture.settings.timeouts, &self.picture.settings.limits);
        let connector = Connector::new(metrics.clone(), timeouts.connect, limits.answer_head.as_usize());
        let watch = TargetWatch::new(connector, metrics, self.tasks.clone(), self.tasks_end.watch());
        self.picture.groups().iter().for_each(|(_, group)| watch.over(group));
    }

    /// Lets recorded requests be sent by `sender`.
    pub(super) fn export(&mut self, sender: NewSender) {
        self.exporting.change(sender, self.access.spans(), &self.tasks);
    }

    /// Lets certificates from an authority be looked after as the picture says.
    pub(super) fn keep_certificates(&mut self) {
        self.keeping.keep(&self.picture, &self.metrics, &self.tasks);
    }

    /// Begins again where whoever looks after certificates ended by a panic.
    pub(super) fn replace_keeper(&mut self) {
        if self.keeping.has_failed(now()) {
            tracing::error!("who looks after certificates ended by a panic; another one begins");
            self.keeping.stop();
            self.keep_certificates();
        }
    }

    /// Counts tasks beside the workers that ended by a panic.
    pub(super) fn count_panics(&self) {
        self.metrics.worker(0).add(Counter::TasksPanicked, self.tasks.take_panics());
    }

    /// Serves with the certificate that was obtained, from the next handshake on.
    pub(super) fn take_certificates(&mut self) {
        match self.picture.renew_certificates() {
            Ok(()) => {
                self.crew.replace(&self.picture, &self.listeners);
                self.agenda.hurry();
                tracing::info!("the new certificate is served");
            }
            Err(error) => tracing::error!(%error, hint = error.hint(), "the certificates in use stay"),
        }
    }

    /// Checks for default keys by the settings of now, and no longer by those of before.
    pub(super) fn check_keys(&mut self) {
        let check = DefaultKeyCheck {
            settings: Arc::clone(&self.picture.settings),
            groups: Arc::clone(self.picture.groups()),
            keys: Arc::clone(&self.keys),
            metrics: self.metrics.worker(0),
        };
        let (end, watch) = Shutdown::new();
        self.tasks.spawn("default keys", check.run(watch));
        if let Some(before) = self.key_check.replace(end) {
            before.drain(Deadline::at(now()));
        }
    }

    /// Opens the admin socket, in its configured place or the first usable one. Without it the proxy runs all the same.
    pub(super) fn open_admin(&self, environment: &Environment, take_over: bool) -> Option<AdminSocket> {
        let settings = &self.picture.settings.admin;
        if !settings.enabled {
            return None;
        }
        let places = settings.socket.clone().map_or_else(|| environment.admin_sockets(), |path| vec![path]);
        let mut last = None;
        for path in places {
            match AdminSocket::open(&path, take_over) {
                Ok(socket) => {
                    tracing::info!(path = %socket.path().display(), "admin socket open");
                    return Some(socket);
                }
                Err(error) => last = Some(error),
            }
        }
        if let Some(error) = last {
            tracing::warn!(%error, "there is no admin socket; clearway status and its like cannot reach this proxy");
        }
        None
    }

    /// Tells the service manager that all workers live, if they do.
    pub(super) fn sign(&self) {
        if self.crew.moves(now()) {
            self.manager.alive();
        } else {
            tracing::warn!("a worker stands still; the service manager gets no sign of life");
        }
    }

    /// Leaves to another process: no new connections, each of ours ends with its next answer, all of it by `deadline`.
    pub(super) fn leave(&mut self, deadline: Deadline) {
        self.stopping = true;
        let idle = Deadline::after(self.picture.settings.timeouts.leave).min(deadline);
        self.listeners.leave(idle);
        self.shutdown.drain(deadline);
    }

    /// Takes nothing new; what runs may finish by `deadline`. A second call moves the deadline.
    pub(super) fn drain(&mut self, deadline: Deadline) {
        self.stopping = true;
        self.shutdown.drain(deadline);
        self.listeners.drain(deadline);
        self.leaving.iter().for_each(|listener| listener.drain(deadline));
    }
}
