//! Keeping: who looks after certificates from an authority while the proxy runs.

use super::certificates::ordered;
use super::picture::Picture;
use crate::acme::{Keeper, SharedOutlook};
use crate::domain::names::NamePattern;
use crate::domain::settings::AcmeSettings;
use crate::runtime::{Deadline, Shutdown, Tasks, now};
use crate::telemetry::Metrics;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Notify;

/// The keeper that runs, if one does, and what it keeps.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    running: Option<(Kept, Shutdown)>,
    /// Rung when there is another certificate.
    pub(super) obtained: Arc<Notify>,
    /// What the keeper is about to do.
    pub(super) outlook: SharedOutlook,
}

/// What a keeper was made for.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    acme: AcmeSettings,
    folder: PathBuf,
    names: Vec<NamePattern>,
    /// Whether the http and the https listener are enabled.
    listeners: [bool; 2],
}

impl Keeping {
    /// An order under way is given up.
    pub(super) fn stop(&mut self) {
        if let Some((_, end)) = self.running.take() {
            end.drain(Deadline::at(now()));
            // It may still have something to say, which is not true any more.
            self.outlook = SharedOutlook::default();
        }
    }

    /// Lets them be looked after as `picture` says, on the executor of the calling thread.
    pub(super) fn keep(&mut self, picture: &Picture, metrics: &Metrics, tasks: &Tasks) {
        let settings = &picture.settings;
        let kept = Kept {
            acme: settings.acme.clone(),
            folder: settings.certificate_folder.clone(),
            names: ordered(&settings.layout, settings.acme.wildcard),
            listeners: [settings.http.enabled, settings.https.enabled],
        };
        if self.running.as_ref().is_some_and(|(before, _)| *before == kept) {
            return;
        }
        self.stop();
        if settings.acme.enabled {
            let (challenges, metrics) = (picture.challenges().clone(), metrics.worker(0));
            let (obtained, outlook) = (Arc::clone(&self.obtained), self.outlook.clone());
            let keeper = Keeper::new(settings, kept.names.clone(), challenges, metrics, obtained, outlook);
            let (end, watch) = Shutdown::new();
            tasks.spawn("certificates", keeper.run(watch));
            self.running = Some((kept, end));
        }
    }
}
