//! Keeping: who looks after certificates from an authority while the proxy runs.

use super::certificates::ordered;
use super::picture::Picture;
use crate::acme::{Keeper, SharedOutlook};
use crate::domain::names::NamePattern;
use crate::domain::settings::AcmeSettings;
use crate::runtime::{Deadline, Shutdown, ShutdownWatch, Tasks, now};
use crate::telemetry::Metrics;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The keeper that runs, if one does, and what it keeps.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    running: Option<Work>,
    /// Rung when there is another certificate.
    pub(super) obtained: Arc<Notify>,
    /// What the keeper is about to do.
    pub(super) outlook: SharedOutlook,
}

/// A keeper that began.
#[derive(Debug)]
struct Work {
    kept: Kept,
    end: Shutdown,
    begun: Instant,
    /// Gone when the keeper is.
    alive: Weak<()>,
}

/// A keeper that panicked gets a successor no sooner than this after its own start.
const AGAIN: Duration = Duration::from_secs(60);

impl Work {
    fn begin<W>(kept: Kept, tasks: &Tasks, work: impl FnOnce(ShutdownWatch) -> W) -> Self
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let (end, watch) = Shutdown::new();
        let lives = Arc::new(());
        let alive = Arc::downgrade(&lives);
        let work = work(watch);
        tasks.spawn("certificates", async move {
            let _lives = lives;
            work.await;
        });
        Self { kept, end, begun: now(), alive }
    }

    /// Whether it ended without being told to.
    fn has_failed(&self, now: Instant) -> bool {
        self.alive.strong_count() == 0 && now.saturating_duration_since(self.begun) >= AGAIN
    }
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
        if let Some(work) = self.running.take() {
            work.end.drain(Deadline::at(now()));
            // It may still have something to say, which is not true any more.
            self.outlook = SharedOutlook::default();
        }
    }

    /// Whether the keeper has ended by a panic, and another one may begin.
    pub(super) fn has_failed(&self, now: Instant) -> bool {
        self.running.as_ref().is_some_and(|work| work.has_failed(now))
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
        if self.running.as_ref().is_some_and(|work| work.kept == kept) {
            return;
        }
        self.stop();
        if settings.acme.enabled {
            let (challenges, metrics) = (picture.challenges().clone(), metrics.worker(0));
            let (obtained, outlook) = (Arc::clone(&self.obtained), self.outlook.clone());
            let keeper = Keeper::new(settings, kept.names.clone(), challenges, metrics, obtained, outlook);
            self.running = Some(Work::begin(kept, tasks, |end| keeper.run(end)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settings::{Domains, Settings};
    use std::num::NonZeroUsize;

    fn kept() -> Kept {
        let settings = Settings::public(Domains::Any, NonZeroUsize::MIN);
        Kept { acme: settings.acme, folder: PathBuf::new(), names: Vec::new(), listeners: [true; 2] }
    }

    #[tokio::test]
    async fn one_that_panics_is_noticed_and_one_that_waits_is_left_alone() {
        let (broken, whole) = (Tasks::new(), Tasks::new());
        let failed = Work::begin(kept(), &broken, |_| async { panic!("on purpose") });
        let waits = Work::begin(kept(), &whole, |mut end| async move {
            let _ = end.draining().await;
        });
        broken.drained().await;
        assert!(!failed.has_failed(failed.begun), "not in a loop");
        assert!(failed.has_failed(failed.begun + AGAIN));
        assert!(!waits.has_failed(waits.begun + AGAIN));
        waits.end.drain(Deadline::at(now()));
        whole.drained().await;
    }
}
