//! Verdicts: what rules about client certificates said of one connection's certificate, lately.

use crate::domain::facts::{ClientCertificate, RuleId};
use crate::runtime::now;
use crate::telemetry::TlsFailure;
use crate::tls::ClientRule;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A chain is looked at again after this long: certificates and lists run out by themselves.
const VERDICT_AGE: Duration = Duration::from_secs(60);

/// Rules of which one connection keeps the verdict.
const VERDICTS_MAX: usize = 4;

/// What the rules said of one connection's certificate, lately.
#[derive(Debug, Default)]
pub(super) struct Verdicts(Mutex<Vec<Verdict>>);

#[derive(Debug)]
struct Verdict {
    rule: RuleId,
    at: Instant,
    accepted: Result<(), TlsFailure>,
}

impl Verdicts {
    /// What `rule` says of `client` at `wall`, or said less than a minute ago.
    pub(super) fn of(&self, rule: &ClientRule, client: &ClientCertificate, wall: SystemTime) -> Result<(), TlsFailure> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        known.retain(|verdict| now.saturating_duration_since(verdict.at) < VERDICT_AGE);
        if let Some(verdict) = known.iter().find(|verdict| verdict.rule == rule.id()) {
            return verdict.accepted;
        }
        let accepted = rule.check(client, wall);
        known.truncate(VERDICTS_MAX - 1);
        known.push(Verdict { rule: rule.id(), at: now, accepted });
        accepted
    }
}
