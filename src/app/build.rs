//! Settings to parts: the only wiring.

use super::build_error::BuildError;
use super::certificates::Certificates;
use super::exporting::NewSender;
use super::handover::GivenSocket;
use super::listeners::Listeners;
use super::picture::Picture;
use super::showing::entry;
use crate::admin::Entry;
use crate::domain::settings::Settings;
use crate::request::Shield;
use crate::runtime::{Deadline, now, wall};
use crate::telemetry::{AccessWriter, KeyWatch, Metrics, Recents};
use crate::tls::Tickets;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// A whole proxy: built, bound, not yet running.
#[derive(Debug)]
pub struct App {
    pub(super) picture: Picture,
    pub(super) listeners: Listeners,
    pub(super) tickets: Tickets,
    pub(super) access: AccessWriter,
    pub(super) metrics: Metrics,
    pub(super) recents: Recents,
    pub(super) keys: Arc<KeyWatch>,
    pub(super) shield: Arc<Shield>,
    pub(super) entry: Entry,
    pub(super) sender: NewSender,
}

impl App {
    /// Builds everything that `settings` describes and binds its sockets, but for those that are `given`.
    ///
    /// # Errors
    /// `BuildError` with the first part that cannot be had.
    pub fn build(settings: Settings, given: Vec<GivenSocket>) -> Result<Self, BuildError> {
        let tickets = Tickets::new().map_err(BuildError::TicketKeys)?;
        let picture = Picture::build(settings, &tickets, None)?;
        let settings = &picture.settings;
        let entry = entry(settings)?;
        let mut listeners = Listeners::with_spare(given);
        let change = listeners.prepare(settings).map_err(first)?;
        listeners.commit(change, settings, Deadline::at(now()));
        listeners.close_spare();
        let access = AccessWriter::start(&settings.access_log, wall).map_err(BuildError::AccessLog)?;
        let metrics = Metrics::new(settings.workers.get());
        let sender = NewSender::build(&settings.traces, access.spans(), metrics.worker(0))?;
        let recents = Recents::new(settings.workers.get(), &settings.recent);
        let keys = Arc::new(KeyWatch::new(metrics.worker(0)));
        let shield = Arc::new(Shield::new(&settings.protection, Arc::clone(&keys)));
        Ok(Self { listeners, tickets, access, metrics, recents, keys, shield, entry, sender, picture })
    }

    /// What it runs by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.picture.settings
    }

    /// The certificates in use, with what is to be said about them.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        &self.picture.certificates
    }

    /// The addresses that are listened on, with what is spoken there.
    pub fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        self.listeners.iter().map(|listener| (listener.role.as_str(), listener.addr))
    }

    /// The port that clients reach https on: the public one, else the one we listen on.
    #[must_use]
    pub fn https_port(&self) -> u16 {
        self.listeners.https_port(&self.picture.settings)
    }
}

fn first(errors: Vec<BuildError>) -> BuildError {
    let unknown = || BuildError::Sockets(io::Error::other("no reason was given"));
    errors.into_iter().next().unwrap_or_else(unknown)
}
