//! Reload: the same sources read again, built beside what runs, swapped whole or refused with every problem named.

use super::build_error::BuildError;
use super::certificates::losses;
use super::demo::Demo;
use super::exporting::NewSender;
use super::listeners::Change;
use super::picture::Picture;
use super::running::Running;
use super::showing::entry;
use crate::admin::{Entry, ProblemView, ReloadView, timestamp};
use crate::config::{Basis, LoadRequest, Loaded, Problems, Severity, candidates, changed_keys, hold_back, load};
use crate::domain::settings::Settings;
use crate::runtime::{Deadline, Shutdown, now, wall};
use crate::telemetry::{CertificateRefusal, Counter, LogHandle, OpenedLog};
use std::path::PathBuf;

/// Where the configuration comes from, each time.
#[derive(Debug)]
pub struct ConfigSource {
    /// Files, environment and flags.
    pub request: LoadRequest,
    /// The filter of the event log.
    pub log: LogHandle,
    /// Stand-ins that take the place of the configured targets.
    pub demo: Option<Demo>,
    /// What the configuration of the start came from.
    pub begun: Basis,
}

impl ConfigSource {
    /// Loads it as it is now.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Loaded, Problems> {
        let mut loaded = load(&self.request)?;
        if let Some(demo) = &self.demo {
            demo.take_over(&mut loaded.settings);
        }
        Ok(loaded)
    }

    /// The files to look at, apart from those that the configuration names.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        candidates(&self.request)
    }
}

/// What asked for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    Signal,
    Files,
    Command,
}

impl Trigger {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Files => "files",
            Self::Command => "command",
        }
    }
}

/// What a reload changed.
#[derive(Clone, Debug)]
pub(super) struct Changed {
    /// Keys with other values than before.
    pub(super) keys: Vec<&'static str>,
    /// Keys whose new values need a restart.
    pub(super) restart: Vec<&'static str>,
}

/// One reason to leave everything as it was.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) problem: String,
    pub(super) hint: String,
    /// What certificates have wrong.
    certificates: Vec<CertificateRefusal>,
}

impl Refused {
    fn new(error: &BuildError) -> Self {
        let certificates = match error {
            BuildError::Certificate(error) => error.reasons(),
            BuildError::TargetAuthorities(error) | BuildError::ClientRules(error) => vec![error.reason()],
            _ => Vec::new(),
        };
        Self { problem: error.to_string(), hint: error.hint(), certificates }
    }
}

/// Everything that takes effect at once.
struct Next {
    basis: Basis,
    picture: Picture,
    listeners: Change,
    access: OpenedLog,
    entry: Entry,
    sender: NewSender,
    changed: Changed,
}

impl Running {
    /// Reads the sources again and runs by what they say now, or goes on as before.
    pub(super) async fn reload(&mut self, source: &ConfigSource, trigger: Trigger) -> ReloadView {
        let begun = now();
        self.manager.reloading();
        self.watch.begin(source.files());
        let outcome = match self.next(source) {
            Ok(next) => self.swap(next, source).await,
            Err(refused) => Err(refused),
        };
        let took_ms = u64::try_from(now().saturating_duration_since(begun).as_millis()).unwrap_or(u64::MAX);
        self.say(trigger, &outcome, took_ms);
        let view = view(trigger, outcome);
        self.manager.ready(if view.ok { "serving" } else { "serving; the last reload was refused" });
        self.last_reload = Some(view.clone());
        view
    }

    /// Builds it all beside what runs.
    fn next(&mut self, source: &ConfigSource) -> Result<Next, Vec<Refused>> {
        let loaded = source.load().and_then(|loaded| loaded.after(&self.basis));
        let (basis, mut settings) = match loaded {
            Ok(loaded) => (loaded.basis(), loaded.settings),
            Err(problems) => {
                // They may be what is mended next.
                self.watch.add(named_files(&self.picture.settings, &source.files()));
                return Err(refusals(&problems));
            }
        };
        self.watch.add(named_files(&settings, &source.files()));
        let before = &self.picture.settings;
        let restart = hold_back(before, &mut settings);
        let keys = changed_keys(before, &settings);
        let mut refused = Vec::new();
        let listeners = self.listeners.prepare(&settings);
        let listeners = listeners.map_err(|errors| refused.extend(errors.iter().map(Refused::new)));
        let access = self.access.open(&settings.access_log).map_err(BuildError::AccessLog);
        let access = access.map_err(|error| refused.push(Refused::new(&error)));
        let entry = entry(&settings).map_err(|error| refused.push(Refused::new(&error)));
        let sender = NewSender::build(&settings.traces, self.access.spans(), self.metrics.worker(0));
        let sender = sender.map_err(|error| refused.push(Refused::new(&error)));
        let picture = Picture::build(settings, &self.tickets, Some(&self.picture));
        let picture = picture.map_err(|error| refused.push(Refused::new(&error)));
        if let Ok(picture) = &picture {
            let old = &self.picture;
            let lost = losses(&picture.store(), &picture.certificates, &old.store(), &old.certificates);
            let hint = "put the missing name or certificate in, or restart to run without";
            refused.extend(lost.into_iter().map(|(reason, problem)| Refused {
                problem,
                hint: hint.to_owned(),
                certificates: vec![reason],
            }));
        }
        match (picture, listeners, access, entry, sender) {
            (Ok(picture), Ok(listeners), Ok(access), Ok(entry), Ok(sender)) if refused.is_empty() => {
                Ok(Next { basis, picture, listeners, access, entry, sender, changed: Changed { keys, restart } })
            }
            _ => Err(refused),
        }
    }

    /// From here on the new configuration is the one that counts.
    async fn swap(&mut self, next: Next, source: &ConfigSource) -> Result<Changed, Vec<Refused>> {
        let Next { basis, picture, listeners, access, entry, sender, changed } = next;
        // The last thing that can fail.
        source.log.set_filter(&picture.settings.log.filter).map_err(|error| {
            vec![Refused { problem: error.to_string(), hint: error.hint().to_owned(), certificates: Vec::new() }]
        })?;
        self.access.change(access);
        self.export(sender);
        self.web.replace(entry, picture.settings.admin_listener.connections.get());
        let idle = Deadline::after(picture.settings.timeouts.leave);
        let (opened, gone) = self.listeners.commit(listeners, &picture.settings, idle);
        let before = std::mem::replace(&mut self.picture, picture);
        self.basis = basis;
        self.picture.take_effect();
        self.crew.replace(&self.picture, &self.listeners);
        self.recents.resize(&self.picture.settings.recent);
        self.feeds.resize(self.picture.settings.recent.subscribers);
        self.watch_targets();
        let now = &self.picture.settings;
        let checked = |settings: &Settings| (settings.protection.default_keys.clone(), settings.services.api.clone());
        if checked(&before.settings) != checked(now) {
            self.check_keys();
        }
        self.keep_certificates();
        self.agenda.hurry();
        for listener in opened.into_iter().filter_map(|index| self.listeners.at(index)) {
            match self.listen(listener).await {
                Ok(()) => tracing::info!(listener = listener.role.as_str(), address = %listener.addr, "listening"),
                Err(error) => tracing::error!(%error, address = %listener.addr, "a listener cannot accept"),
            }
        }
        self.leaving.retain(Shutdown::is_watched);
        for listener in gone {
            tracing::info!(listener = listener.role.as_str(), address = %listener.addr, "listens no more");
            self.leaving.push(listener.shutdown);
        }
        Ok(changed)
    }

    fn say(&self, trigger: Trigger, outcome: &Result<Changed, Vec<Refused>>, took_ms: u64) {
        let count = |counter, n| self.crew.metrics().map_or((), |metrics| metrics.add(counter, n));
        match outcome {
            Ok(Changed { keys, restart }) => {
                count(Counter::Reloads, 1);
                if !restart.is_empty() {
                    tracing::warn!(keys = restart.join(", "), "these keys have other values now; they need a restart");
                }
                tracing::info!(trigger = trigger.as_str(), changed = keys.join(", "), took_ms, "reloaded");
            }
            Err(refused) => {
                count(Counter::ReloadsRefused, 1);
                for Refused { problem, hint, certificates } in refused {
                    if let Some(metrics) = self.crew.metrics() {
                        certificates.iter().for_each(|reason| metrics.certificate_refused(*reason));
                    }
                    tracing::error!(problem, hint, "problem in the new configuration");
                }
                let problems = refused.len();
                tracing::error!(trigger = trigger.as_str(), problems, "reload refused; everything goes on as before");
            }
        }
    }
}

fn view(trigger: Trigger, outcome: Result<Changed, Vec<Refused>>) -> ReloadView {
    let named = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
    let view = ReloadView { at: timestamp(wall()), trigger: trigger.as_str().to_owned(), ..ReloadView::default() };
    match outcome {
        Ok(Changed { keys, restart }) => ReloadView { ok: true, changed: named(keys), restart: named(restart), ..view },
        Err(refused) => {
            let problem = |Refused { problem, hint, .. }| ProblemView { problem, hint };
            ReloadView { problems: refused.into_iter().map(problem).collect(), ..view }
        }
    }
}

fn refusals(problems: &Problems) -> Vec<Refused> {
    let errors = problems.list().iter().filter(|problem| problem.severity == Severity::Error);
    errors
        .map(|problem| Refused {
            problem: problem.to_string(),
            hint: problem.hint.clone().unwrap_or_default(),
            certificates: Vec::new(),
        })
        .collect()
}

/// The files that a configuration names, which was read from `configs`. A relative path leads beside one of those once
/// something is there.
pub(super) fn named_files(settings: &Settings, configs: &[PathBuf]) -> Vec<PathBuf> {
    let named = files_of(settings);
    let folders = || configs.iter().filter_map(|config| config.parent());
    let relative = named.iter().filter(|file| file.is_relative());
    let beside = relative.flat_map(|file| folders().map(move |folder| folder.join(file))).collect::<Vec<_>>();
    named.into_iter().chain(beside).collect()
}

fn files_of(settings: &Settings) -> Vec<PathBuf> {
    let pairs = settings.certificates.iter().flat_map(|files| [files.chain.clone(), files.key.clone()]);
    let (tickets, local) = (&settings.tickets, &settings.local_ca);
    let pairs = pairs.chain(tickets.keys.clone()).chain(settings.admin_listener.token_file.clone());
    let pairs = pairs.chain(local.certificate.clone()).chain(local.key.clone());
    let pairs = pairs.chain(settings.traces.ca.clone());
    let rules = settings.tls.client_rules.iter();
    let pairs = pairs.chain(rules.flat_map(|rule| rule.roots.iter().chain(&rule.crls).cloned()));
    pairs.chain(settings.services.iter().filter_map(|(_, service)| service.ca.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settings::{CertificateFiles, Domains};
    use std::num::NonZeroUsize;

    #[test]
    fn a_relative_file_is_looked_for_beside_the_configuration_too() {
        let mut settings = Settings::public(Domains::Any, NonZeroUsize::MIN);
        settings.certificates = vec![CertificateFiles { chain: "site.pem".into(), key: "/keys/site.key".into() }];
        let files = named_files(&settings, &[PathBuf::from("/etc/a/proxy.conf"), PathBuf::from("/etc/b/proxy.conf")]);
        let expected = ["site.pem", "/keys/site.key", "/etc/a/site.pem", "/etc/b/site.pem"];
        assert_eq!(files, expected.map(PathBuf::from));
    }
}
