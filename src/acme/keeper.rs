//! The keeper: one task that sees to it that there is a certificate, for as long as the process runs.
//!
//! It looks at the folder again and again instead of sleeping until a certificate is due: another instance may have
//! renewed it meanwhile, and the clock of a machine that slept may have jumped.

use super::ca::Patience;
use super::folder::Folder;
use super::order::{OrderError, Plan, certificate_id};
use crate::domain::names::HostName;
use crate::domain::renewal::{Draw, Life, Window, due};
use crate::domain::settings::{AcmeSettings, ChallengeChoice, Settings};
use crate::runtime::{Deadline, ShutdownWatch, wall};
use crate::telemetry::{Counter, WorkerMetrics};
use crate::tls::{Challenges, LoadedCertificate};
use instant_acme::ChallengeType;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Notify;

/// Between two looks at the folder.
const LOOK: Duration = Duration::from_secs(30);

/// The shortest wait, where something is due in a moment.
const LOOK_MIN: Duration = Duration::from_millis(200);

/// For one whole order.
const ORDER_WAIT: Duration = Duration::from_secs(600);

/// Between two questions for the authority's window, unless it names another time.
const WINDOW_EVERY: Duration = Duration::from_secs(6 * 3_600);

/// The bounds of what it names.
const WINDOW_EVERY_MIN: Duration = Duration::from_secs(3_600);
const WINDOW_EVERY_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Looks after the certificates from one authority.
#[derive(Debug)]
pub struct Keeper {
    settings: AcmeSettings,
    /// The ways to answer challenges, the preferred one first.
    ways: Vec<ChallengeType>,
    names: Vec<HostName>,
    folder: Folder,
    challenges: Challenges,
    metrics: WorkerMetrics,
    /// Rung when there is another certificate in the folder.
    changed: Arc<Notify>,
    patience: Patience,
    /// Of the certificate that is in the folder.
    window: Option<Window>,
    /// When the authority is asked for it again.
    window_due: SystemTime,
    /// The certificate that was seen last, by its number.
    seen: Option<(Vec<u8>, Vec<u8>)>,
    spread: Draw,
}

impl Keeper {
    /// A keeper of certificates for `names`, as `settings` describe. `changed` is rung when there is a new one.
    #[must_use]
    pub fn new(
        settings: &Settings,
        names: Vec<HostName>,
        challenges: Challenges,
        metrics: WorkerMetrics,
        changed: Arc<Notify>,
    ) -> Self {
        Self {
            ways: ways(settings),
            settings: settings.acme.clone(),
            names,
            folder: Folder::of(settings),
            challenges,
            metrics,
            changed,
            patience: Patience::default(),
            window: None,
            window_due: SystemTime::UNIX_EPOCH,
            seen: None,
            spread: drawn(),
        }
    }

    /// Looks after them until `shutdown`.
    ///
    /// # Cancel safety
    /// An order under way is given up; what was written is whole.
    pub async fn run(mut self, mut shutdown: ShutdownWatch) {
        match self.folder.make() {
            Ok(()) => self.challenges.share(&self.folder.challenges()),
            Err(error) => self.say_unusable(&error),
        }
        self.seen = self.certificate(wall()).and_then(|certificate| certificate.renewal_id());
        loop {
            let wait = tokio::select! {
                wait = self.look() => wait,
                _ = shutdown.draining() => return,
            };
            tokio::select! {
                () = Deadline::after(wait).wait() => {}
                _ = shutdown.draining() => return,
            }
        }
    }

    /// Does what is due; how long to wait before the next look.
    async fn look(&mut self) -> Duration {
        let now = wall();
        let certificate = self.certificate(now);
        self.notice(certificate.as_ref());
        let wanted = match &certificate {
            Some(certificate) if self.covers(certificate) => {
                self.ask_for_window(certificate, now).await;
                due(life(certificate), self.window, draw_of(certificate))
            }
            _ => now,
        };
        let next = wanted.max(self.folder.attempts().next(now, self.settings.attempts_per_day.get(), self.spread));
        if next > now {
            return next.duration_since(now).unwrap_or_default().clamp(LOOK_MIN, LOOK);
        }
        match self.folder.make().and_then(|()| self.folder.lock()) {
            // Another instance orders; its certificate will be found.
            Ok(None) => LOOK_MIN * 5,
            Ok(Some(_lock)) => self.order(now, certificate.as_ref()).await,
            Err(error) => {
                self.say_unusable(&error);
                LOOK
            }
        }
    }

    /// Rings when the folder has another certificate than at the last look.
    fn notice(&mut self, certificate: Option<&LoadedCertificate>) {
        let id = certificate.and_then(LoadedCertificate::renewal_id);
        if id.is_some() && id != self.seen {
            self.seen = id;
            self.window = None;
            self.window_due = SystemTime::UNIX_EPOCH;
            self.changed.notify_one();
        }
    }

    fn certificate(&self, now: SystemTime) -> Option<LoadedCertificate> {
        self.folder.certificate(now).unwrap_or_else(|error| {
            tracing::warn!(%error, "the certificate from the authority cannot be served; another one is asked for");
            None
        })
    }

    fn covers(&self, certificate: &LoadedCertificate) -> bool {
        self.names.iter().all(|name| certificate.names().iter().any(|pattern| pattern.covers(name.as_str())))
    }

    /// One attempt. Counted before it begins, so that nothing that ends the process makes it be forgotten.
    async fn order(&mut self, now: SystemTime, before: Option<&LoadedCertificate>) -> Duration {
        // Another instance may have been first, between the look and the lock.
        if self.certificate(now).as_ref().and_then(LoadedCertificate::renewal_id)
            != before.and_then(LoadedCertificate::renewal_id)
        {
            return LOOK_MIN;
        }
        let mut attempts = self.folder.attempts();
        let way = attempts.failures as usize % self.ways.len().max(1);
        attempts.begin(now);
        if let Err(error) = self.folder.keep_attempts(&attempts) {
            // Without a memory there would be no limit.
            self.say_unusable(&error);
            return LOOK;
        }
        self.metrics.add(Counter::CertificateOrders, 1);
        let outcome = match self.ways.get(way).cloned() {
            Some(way) => {
                let plan = self.plan(way, before);
                let order = Deadline::after(ORDER_WAIT).bound(plan.run());
                order.await.unwrap_or(Err(OrderError::Late))
            }
            None => Err(OrderError::NoChallenge(String::from("any name"))),
        };
        match &outcome {
            Ok(()) => attempts.succeed(),
            Err(_) => attempts.fail(wall(), self.patience.take()),
        }
        self.spread = drawn();
        if let Err(error) = self.folder.keep_attempts(&attempts) {
            self.say_unusable(&error);
        }
        let next = attempts.next(wall(), self.settings.attempts_per_day.get(), self.spread);
        self.say(&outcome, next);
        LOOK_MIN
    }

    fn plan<'a>(&'a self, challenge: ChallengeType, before: Option<&'a LoadedCertificate>) -> Plan<'a> {
        Plan {
            settings: &self.settings,
            names: &self.names,
            challenge,
            folder: &self.folder,
            challenges: &self.challenges,
            patience: &self.patience,
            // Only an authority that named a window wants to know.
            replaces: before.filter(|_| self.window.is_some()),
        }
    }

    /// Asks when the authority would like `certificate` to be renewed. One that cannot say changes nothing.
    async fn ask_for_window(&mut self, certificate: &LoadedCertificate, now: SystemTime) {
        if now < self.window_due {
            return;
        }
        self.window_due = now + WINDOW_EVERY;
        let (Ok(Some(_)), Some(id)) = (self.folder.account(), certificate_id(certificate)) else { return };
        let plan = self.plan(ChallengeType::Http01, None);
        let Ok(account) = plan.account().await else { return };
        match account.renewal_info(&id).await {
            Ok((info, again)) => {
                let window = info.suggested_window;
                self.window = Some(Window { start: window.start.into(), end: window.end.into() });
                self.window_due = now + again.clamp(WINDOW_EVERY_MIN, WINDOW_EVERY_MAX);
            }
            Err(error) => tracing::debug!(%error, "the authority does not say when to renew"),
        }
    }

    fn say(&self, outcome: &Result<(), OrderError>, next: SystemTime) {
        let names = self.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match outcome {
            Ok(()) => tracing::info!(names, file = %self.folder.certificate_file().display(), "certificate obtained"),
            Err(error) => {
                self.metrics.add(Counter::CertificateOrdersFailed, 1);
                let next = OffsetDateTime::from(next).format(&Rfc3339).unwrap_or_default();
                tracing::error!(names, %error, hint = error.hint(), next, "no certificate obtained; what is served stays");
            }
        }
    }

    fn say_unusable(&self, error: &io::Error) {
        let hint = "make certificate_folder writable for the user that runs this program";
        tracing::error!(%error, folder = %self.folder.path().display(), hint, "certificates cannot be looked after");
    }
}

/// The ways that the listeners allow.
fn ways(settings: &Settings) -> Vec<ChallengeType> {
    let http = settings.http.enabled.then_some(ChallengeType::Http01);
    let tls = settings.https.enabled.then_some(ChallengeType::TlsAlpn01);
    match settings.acme.challenge {
        ChallengeChoice::Auto => http.into_iter().chain(tls).collect(),
        ChallengeChoice::Http => http.into_iter().collect(),
        ChallengeChoice::TlsAlpn => tls.into_iter().collect(),
    }
}

fn life(certificate: &LoadedCertificate) -> Life {
    Life { not_before: certificate.not_before(), not_after: certificate.not_after() }
}

/// The same for a certificate in every instance and after every restart.
fn draw_of(certificate: &LoadedCertificate) -> Draw {
    let mut hasher = DefaultHasher::new();
    certificate.renewal_id().hash(&mut hasher);
    Draw::of((hasher.finish() >> 32).try_into().unwrap_or(0))
}

/// Another one each time.
fn drawn() -> Draw {
    // The standard hasher is keyed from the operating system's randomness, anew for each state.
    Draw::of((RandomState::new().hash_one(0_u8) >> 32).try_into().unwrap_or(0))
}
