//! Rehearsals of an order: inside the proxy that runs, else in one that runs for that alone.

use super::build::App;
use super::certificates::ordered;
use super::lifecycle::RunError;
use super::reload::ConfigSource;
use super::running::Running;
use crate::acme::{Rehearsal, rehearse};
use crate::admin::{Outcome, RehearsalView, RehearsedWayView};
use crate::domain::names::NamePattern;
use crate::domain::settings::Settings;
use crate::runtime::{Deadline, now, run_here};
use crate::tls::Challenges;
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;

impl App {
    /// A folder for what is thrown away; gone when dropped.
    ///
    /// # Errors
    /// The operating system's.
    pub fn rehearsal_folder() -> io::Result<tempfile::TempDir> {
        tempfile::tempdir()
    }

    /// Listens until a rehearsal is over, and says how it went. Targets are left alone.
    ///
    /// # Errors
    /// `RunError` when threads or a temporary folder cannot be had.
    pub fn rehearse(self, source: &ConfigSource) -> Result<RehearsalView, RunError> {
        let mut started = self.start(source)?;
        let (running, done) = (&mut started.running, &mut started.done);
        let rehearsed = run_here(async {
            for listener in running.listeners.iter() {
                running.listen(listener).await?;
            }
            let (settings, names, challenges) = running.rehearsed();
            let view = carry_out(&settings, &names, &challenges).await;
            running.drain(Deadline::at(now()));
            let _ = done.recv().await;
            view
        });
        let view = rehearsed.and_then(|view| view);
        let panicked = started.workers.join();
        started.running.access.finish();
        if panicked > 0 {
            tracing::error!(panicked, "workers ended by a panic");
        }
        view.map_err(RunError::new)
    }
}

impl Running {
    /// Begins a rehearsal beside everything else, but for another one or an order; `reply` has how it went.
    pub(super) fn begin_rehearsal(&self, reply: oneshot::Sender<Outcome>) {
        let (settings, names, challenges) = self.rehearsed();
        let Some(turn) = challenges.turn().try_take() else {
            let why = String::from("an order or a rehearsal is under way; try again when it is over");
            // Whoever asked may be gone.
            return drop(reply.send(Outcome::Refused(why)));
        };
        self.tasks.spawn("rehearsal", async move {
            let _turn = turn;
            let outcome = match carry_out(&settings, &names, &challenges).await {
                Ok(view) => Outcome::Rehearsal(view),
                Err(error) => Outcome::Refused(format!("no temporary folder can be had: {error}")),
            };
            // Whoever asked may be gone.
            drop(reply.send(outcome));
        });
    }

    fn rehearsed(&self) -> (Arc<Settings>, Vec<NamePattern>, Challenges) {
        let settings = Arc::clone(&self.picture.settings);
        let names = ordered(&settings.layout, settings.acme.wildcard);
        (settings, names, self.picture.challenges().clone())
    }
}

async fn carry_out(settings: &Settings, names: &[NamePattern], challenges: &Challenges) -> io::Result<RehearsalView> {
    let folder = tempfile::tempdir()?;
    let Rehearsal { authority, names, ways } = match names {
        [] => Rehearsal { authority: settings.acme.staging_directory.to_string(), names: Vec::new(), ways: Vec::new() },
        names => rehearse(settings, names, challenges, folder.path()).await,
    };
    let ok = ways.last().is_some_and(|last| last.failure.is_none());
    let ways = ways.into_iter().map(|each| {
        let (error, hint) = each.failure.unzip();
        RehearsedWayView { way: each.way.to_owned(), error, hint: hint.map(str::to_owned) }
    });
    Ok(RehearsalView { ok, authority, names, ways: ways.collect() })
}
