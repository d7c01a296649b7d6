//! The keeper: one task that sees to it that there is a certificate, for as long as the process runs.
//!
//! It looks at the folder again and again instead of sleeping until a certificate is due: another instance may have
//! renewed it meanwhile, and the clock of a machine that slept may have jumped.

mod issued;
mod window;

use super::account::Access;
use super::answers::Ground;
use super::asides::Asides;
use super::dns;
use super::draws::{draw_of, drawn};
use super::folder::Folder;
use super::ledger::LedgerEntry;
use super::order::{Plan, certificate_id};
use super::order_error::OrderError;
use super::outlook::{Cause, Outlook, SharedOutlook, reason};
use super::ways::ways;
use crate::domain::names::NamePattern;
use crate::domain::renewal::{Draw, Life, Rules, Turn, Window, due};
use crate::domain::settings::{AcmeSettings, AuthoritySettings, Settings};
use crate::runtime::{Deadline, ShutdownWatch, wall};
use crate::telemetry::{Counter, WorkerMetrics};
use crate::tls::{Challenges, LoadedCertificate};
use instant_acme::ChallengeType;
use std::error::Error;
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

/// Looks after the certificates for one set of names.
#[derive(Debug)]
pub struct Keeper {
    settings: AcmeSettings,
    /// The authority that is asked first.
    first: AuthoritySettings,
    /// The one that stands in.
    second: Option<AuthoritySettings>,
    /// The ways to answer challenges, the preferred one first.
    ways: Vec<ChallengeType>,
    names: Vec<NamePattern>,
    folder: Folder,
    challenges: Challenges,
    metrics: WorkerMetrics,
    /// Rung when there is another certificate in the folder.
    changed: Arc<Notify>,
    outlook: SharedOutlook,
    asides: Asides,
    /// Of the certificate that is in the folder.
    window: Option<Window>,
    /// When the authority is asked for it again.
    window_due: SystemTime,
    /// The certificate that was seen last, by its number.
    seen: Option<(Vec<u8>, Vec<u8>)>,
    /// What was said last of one that cannot be served.
    said: String,
    /// The same of one that waits for the clock.
    early: String,
    spread: Draw,
}

impl Keeper {
    /// A keeper of a certificate for `names`, as `settings` describe. `changed` is rung when there is a new one.
    #[must_use]
    pub fn new(
        settings: &Settings,
        names: Vec<NamePattern>,
        challenges: Challenges,
        metrics: WorkerMetrics,
        changed: Arc<Notify>,
        outlook: SharedOutlook,
    ) -> Self {
        Self {
            ways: ways(settings),
            first: settings.acme.first(),
            second: settings.acme.second(),
            settings: settings.acme.clone(),
            names,
            folder: Folder::of(settings),
            challenges,
            metrics,
            changed,
            outlook,
            asides: Asides::default(),
            window: None,
            window_due: SystemTime::UNIX_EPOCH,
            seen: None,
            said: String::new(),
            early: String::new(),
            spread: drawn(),
        }
    }

    /// Looks after it until `shutdown`.
    ///
    /// # Cancel safety
    /// An order under way is given up; what was written is whole.
    pub async fn run(mut self, mut shutdown: ShutdownWatch) {
        match self.folder.make() {
            Ok(()) => self.challenges.share(&self.folder.challenges()),
            Err(error) => self.say_unusable(&error),
        }
        self.seen = self.certificate(wall()).and_then(|certificate| certificate.renewal_id());
        tokio::select! {
            () = self.sweep_records() => {}
            _ = shutdown.draining() => return,
        }
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
        let (wanted, cause) = match &certificate {
            Some(certificate) if self.covers(certificate) => {
                self.ask_for_window(certificate, now).await;
                let cause = if self.window.is_some() { Cause::Window } else { Cause::Age };
                (due(life(certificate), self.window, draw_of(certificate)), cause)
            }
            Some(_) => (now, Cause::Names),
            None => (now, Cause::None),
        };
        let (next, _) = self.foresee(now, wanted, cause);
        let wait = next.duration_since(now).ok().filter(|wait| !wait.is_zero());
        let wait = wait.map(|wait| wait.clamp(LOOK_MIN, LOOK));
        if let Some(wait) = wait.filter(|_| !self.folder.has_issued()) {
            return wait;
        }
        match self.folder.make().and_then(|()| self.folder.lock()) {
            // Another instance orders; its certificate will be found.
            Ok(None) => LOOK_MIN * 5,
            Ok(Some(_lock)) => match self.take_issued(now).or(wait) {
                Some(wait) => wait,
                None => self.order(now, certificate.as_ref(), cause).await,
            },
            Err(error) => {
                self.say_unusable(&error);
                LOOK
            }
        }
    }

    /// When the next attempt is and why, which the outlook says as well.
    fn foresee(&self, now: SystemTime, wanted: SystemTime, cause: Cause) -> (SystemTime, String) {
        let attempts = self.folder.attempts();
        let held = attempts.next(now, &self.rules(), self.spread).filter(|(at, _)| *at > wanted);
        let next = held.map_or(wanted, |(at, _)| at);
        let reason = reason(cause, held.map(|(_, hold)| hold));
        let (turn, _) = attempts.turn(next.max(now), &self.rules());
        self.outlook.set(Some(Outlook {
            next,
            reason: reason.clone(),
            authority: self.authority(turn).directory.to_string(),
            failures: attempts.failures,
            last: self.folder.ledger().pop(),
        }));
        (next, reason)
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

    fn certificate(&mut self, now: SystemTime) -> Option<LoadedCertificate> {
        match self.folder.certificate(now) {
            Ok(certificate) => {
                self.said.clear();
                certificate
            }
            Err(error) => {
                let told = error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
                if told != self.said {
                    tracing::warn!(
                        error = told,
                        "the certificate from the authority cannot be served; another one is asked for"
                    );
                    self.said = told;
                }
                None
            }
        }
    }

    /// Removes records that a process which was killed has left, unless another instance may need them now.
    async fn sweep_records(&self) {
        if let Ok(Some(_lock)) = self.folder.lock() {
            dns::sweep(&self.settings.dns, &self.folder).await;
        }
    }

    fn covers(&self, certificate: &LoadedCertificate) -> bool {
        let has = |wanted: &NamePattern| match wanted {
            NamePattern::Exact(name) => certificate.names().iter().any(|pattern| pattern.covers(name.as_str())),
            NamePattern::Wildcard(_) => certificate.names().contains(wanted),
        };
        self.names.iter().all(has)
    }

    /// One attempt. Counted before it begins, so that nothing that ends the process makes it be forgotten.
    async fn order(&mut self, now: SystemTime, before: Option<&LoadedCertificate>, cause: Cause) -> Duration {
        // Another instance may have been first, between the look and the lock.
        if self.certificate(now).as_ref().and_then(LoadedCertificate::renewal_id)
            != before.and_then(LoadedCertificate::renewal_id)
        {
            return LOOK_MIN;
        }
        // Not beside a rehearsal: answers are told apart by names alone.
        let _turn = self.challenges.turn().take().await;
        // What it said when it was asked for a window is not about this order.
        self.asides.take_patience();
        let mut attempts = self.folder.attempts();
        let (turn, count) = attempts.turn(now, &self.rules());
        attempts.begin(now, turn);
        if let Err(error) = self.folder.keep_attempts(&attempts) {
            // Without a memory there would be no limit.
            self.say_unusable(&error);
            return LOOK;
        }
        self.metrics.add(Counter::CertificateOrders, 1);
        let way = self.ways.get(count as usize % self.ways.len().max(1)).cloned();
        let outcome = match &way {
            Some(way) => self.attempt(turn, way, before).await,
            None => Err(OrderError::NoChallenge(String::from("any name"))),
        };
        match &outcome {
            Ok(()) => {
                let (file, authority) = (self.folder.certificate_file(), &self.authority(turn).directory);
                tracing::info!(names = self.named(), %authority, file = %file.display(), "certificate obtained");
                attempts.succeed();
            }
            Err(_) => attempts.fail(wall(), turn, self.asides.take_patience()),
        }
        self.spread = drawn();
        if let Err(error) = self.folder.keep_attempts(&attempts) {
            self.say_unusable(&error);
        }
        self.note(turn, &outcome);
        if let Err(error) = outcome {
            let (next, reason) = self.foresee(wall(), wall(), cause);
            self.say_failed(turn, &error, next, &reason);
        }
        LOOK_MIN
    }

    async fn attempt(
        &self,
        turn: Turn,
        way: &ChallengeType,
        before: Option<&LoadedCertificate>,
    ) -> Result<(), OrderError> {
        let accounts = self.folder.beside(self.authority(turn));
        let plan = Plan {
            access: self.access(turn, &accounts),
            names: &self.names,
            ground: Ground { way, challenges: &self.challenges, dns: &self.settings.dns, folder: &self.folder },
            // Only an authority that named a window wants to know, and only of its own.
            replaces: before.filter(|before| self.window.is_some() && self.issuer(before) == turn),
        };
        plan.run().await
    }

    fn access<'a>(&'a self, turn: Turn, folder: &'a Folder) -> Access<'a> {
        Access {
            authority: self.authority(turn),
            email: self.settings.email.as_deref(),
            folder,
            timeout: self.settings.timeout,
            asides: &self.asides,
        }
    }

    fn authority(&self, turn: Turn) -> &AuthoritySettings {
        match turn {
            Turn::First => &self.first,
            // Its turn comes only where there is one.
            Turn::Second => self.second.as_ref().unwrap_or(&self.first),
        }
    }

    /// Who issued `certificate`; the first authority where nobody wrote it down.
    fn issuer(&self, certificate: &LoadedCertificate) -> Turn {
        let id = certificate_id(certificate).map(|id| id.to_string());
        let issued = self.folder.ledger().into_iter().rev().find(|entry| entry.outcome == Ok(id.clone()));
        let second = self.second.as_ref().map(|second| second.directory.as_str());
        if issued.is_some_and(|entry| Some(entry.authority.as_str()) == second) { Turn::Second } else { Turn::First }
    }

    fn rules(&self) -> Rules {
        let after = self.settings.fallback.after.get().try_into().unwrap_or(u32::MAX);
        Rules {
            per_day: self.settings.attempts_per_day.get(),
            first_pause: self.settings.first_pause,
            second_after: self.second.as_ref().map(|_| after),
        }
    }

    /// Writes down how an order ended. Without it nothing but the telling is lost.
    fn note(&mut self, turn: Turn, outcome: &Result<(), OrderError>) {
        let issued = || self.folder.certificate(wall()).ok().flatten().and_then(|new| certificate_id(&new));
        let outcome = match outcome {
            Ok(()) => Ok(issued().map(|id| id.to_string())),
            Err(error) => Err(error.to_string()),
        };
        let noted = self.folder.note(LedgerEntry {
            at: wall(),
            authority: self.authority(turn).directory.to_string(),
            names: self.names.iter().map(ToString::to_string).collect(),
            outcome,
        });
        if let Err(error) = noted {
            self.say_unusable(&error);
        }
    }

    fn say_failed(&self, turn: Turn, error: &OrderError, next: SystemTime, reason: &str) {
        self.metrics.add(Counter::CertificateOrdersFailed, 1);
        let (names, next, authority) = (self.named(), rfc3339(next), &self.authority(turn).directory);
        tracing::error!(names, %authority, %error, hint = error.hint(), next, reason, "no certificate obtained; what is served stays");
    }

    fn named(&self) -> String {
        self.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    fn say_unusable(&self, error: &io::Error) {
        let hint =
            "make certificate_folder writable for the user that runs this program, and see that its disk is not full";
        tracing::error!(%error, folder = %self.folder.path().display(), hint, "certificates cannot be looked after");
    }
}

fn rfc3339(at: SystemTime) -> String {
    OffsetDateTime::from(at).format(&Rfc3339).unwrap_or_default()
}

fn life(certificate: &LoadedCertificate) -> Life {
    Life { not_before: certificate.not_before(), not_after: certificate.not_after() }
}
