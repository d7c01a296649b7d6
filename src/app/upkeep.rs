//! Upkeep: leaves that are signed here are replaced in time, and the end of any certificate is said in time.
//!
//! It looks at the wall clock again at least every hour: that of a machine that slept may have jumped.

use super::running::Running;
use crate::domain::expiry::{Ending, Said, Step};
use crate::runtime::{Deadline, wall};
use crate::telemetry::Counter;
use crate::tls::LoadedCertificate;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;

/// Between two looks at most.
const LOOK_MAX: Duration = Duration::from_secs(3_600);

/// Between two looks at least.
const LOOK_MIN: Duration = Duration::from_millis(200);

impl Running {
    /// Does what is due.
    pub(super) fn look_after_certificates(&mut self) {
        if self.picture.certificates.renew_at.is_some_and(|at| at <= wall()) {
            self.renew_local();
        }
        let now = wall();
        let endings = self.endings();
        self.say_endings(&endings, now);
        let next = Said::next(&endings, now).into_iter().chain(self.picture.certificates.renew_at).min();
        let wait = next.map_or(LOOK_MAX, |at| at.duration_since(now).unwrap_or_default());
        self.agenda.wait(Deadline::after(wait.clamp(LOOK_MIN, LOOK_MAX)));
    }

    /// The lives of the certificates in use, in their order.
    pub(super) fn endings(&self) -> Vec<Ending> {
        let replaced = self.picture.settings.certificates.is_empty();
        self.picture.store().certificates().iter().map(|certificate| ending(certificate, replaced)).collect()
    }

    /// Replaces the leaves that are due, and serves with the new ones from the next handshake on.
    fn renew_local(&mut self) {
        let before = self.picture.store();
        match self.picture.renew_certificates() {
            Ok(()) => {
                self.crew.replace(&self.picture, &self.listeners);
                let old = |new: &LoadedCertificate| before.certificates().iter().any(|old| old.id() == new.id());
                let store = self.picture.store();
                for new in store.certificates().iter().filter(|new| !old(new)) {
                    self.metrics.worker(0).add(Counter::CertificatesRenewed, 1);
                    tracing::info!(
                        file = %new.file().display(),
                        not_after = %OffsetDateTime::from(new.not_after()).date(),
                        "a certificate was replaced before its end"
                    );
                }
                let failed = store.certificates().iter().filter(|certificate| certificate.could_not_be_replaced());
                self.metrics.worker(0).add(Counter::CertificateRenewalsFailed, failed.count() as u64);
            }
            Err(error) => {
                let hint = error.hint();
                self.metrics.worker(0).add(Counter::CertificateRenewalsFailed, 1);
                let next = self.picture.put_renewal_off(wall());
                let next = OffsetDateTime::from(next).time();
                tracing::error!(%error, hint, %next, "a certificate could not be replaced; the one in use stays");
            }
        }
    }

    fn say_endings(&mut self, endings: &[Ending], now: SystemTime) {
        let store = self.picture.store();
        for (position, step) in self.agenda.news(endings, now) {
            let Some(certificate) = store.certificates().get(position) else { continue };
            let names = certificate.names().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let not_after = OffsetDateTime::from(certificate.not_after());
            let file = certificate.file().display();
            match step {
                Step::Within(days) => {
                    tracing::warn!(days, %not_after, %file, names, "a certificate ends soon; renew it");
                }
                Step::Over => {
                    tracing::error!(%not_after, %file, names, "a certificate has expired; clients refuse it");
                }
            }
        }
    }
}

/// The life of `certificate`.
fn ending(certificate: &LoadedCertificate, replaced: bool) -> Ending {
    Ending { id: certificate.id(), not_before: certificate.not_before(), not_after: certificate.not_after(), replaced }
}
