//! Login shield: guessing passwords is slowed and then refused; whoever has good credentials is let through.
//!
//! Owns: who may try now, and what is remembered of tries. Leaves: what a try is and how it ended to `clearml::LoginTry`,
//! the arithmetic to `domain::throttle`. `docs/design/login-shield.md` has the policy with its reasons.
//!
//! One for the process: a guesser's connections are spread over the workers. The lock is held for a look-up, and only
//! for requests that try to log in. Of names and credentials only hashes are kept.
//! Limits: `protection.logins`, `WAITING_MAX`.

use crate::clearml::{LoginEnd, LoginTry};
use crate::domain::failing::counted_address;
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::recent::Recent;
use crate::domain::settings::Logins as Rules;
use crate::domain::throttle::{Standing, Throttle};
use crate::runtime::{Deadline, now};
use crate::telemetry::{Counter, Pace, WorkerMetrics};
use http::StatusCode;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Logins that are made to wait at the same time; each holds its request and no more.
const WAITING_MAX: usize = 1_024;

/// Said to whoever finds no place to wait, or waited in vain.
const COME_BACK: Duration = Duration::from_secs(5);

/// What is known of logins; one for the process.
#[derive(Debug, Default)]
pub(super) struct LoginShield {
    hashes: [RandomState; 2],
    state: Mutex<State>,
    ended: Notify,
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    users: Throttle,
    addresses: Throttle,
    /// Credentials that logged in.
    good: Recent,
    /// Users, each with a network that they logged in from.
    familiar: Recent,
}

/// What a try is known by.
#[derive(Clone, Copy, Debug)]
struct Marks {
    credentials: Option<u128>,
    user: Option<u64>,
    address: u64,
    /// User and address together.
    pair: Option<u128>,
    access_key: bool,
}

/// One try on its way.
#[derive(Debug)]
pub(super) struct Attempt {
    shield: Arc<LoginShield>,
    tried: LoginTry,
    marks: Marks,
    rules: Rules,
    metrics: WorkerMetrics,
    client: IpAddr,
    held: Held,
}

/// Against whom a try is held until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// It has not begun, or has ended.
    Nobody,
    /// Its credentials logged in lately.
    Trusted,
    /// Its user and its address.
    Both,
}

/// Whether a try may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Trusted,
    After(Duration),
    Busy,
    Blocked(Duration),
}

impl LoginShield {
    /// Lets a try of `client` through, at once or after a wait.
    ///
    /// # Errors
    /// `TooManyLogins` (429).
    ///
    /// # Cancel safety
    /// What is dropped was no try.
    pub(super) async fn admit(
        self: &Arc<Self>,
        tried: LoginTry,
        client: IpAddr,
        rules: &Rules,
        metrics: &WorkerMetrics,
    ) -> Result<Attempt, Fault> {
        let marks = self.marks(&tried, client);
        let (shield, rules, metrics) = (Arc::clone(self), rules.clone(), metrics.clone());
        let mut attempt = Attempt { shield, tried, marks, rules, metrics, client, held: Held::Nobody };
        let wait = match attempt.begin() {
            Verdict::Trusted => Duration::ZERO,
            Verdict::After(wait) => wait,
            Verdict::Blocked(wait) => return Err(attempt.blocked(wait)),
            Verdict::Busy => attempt.wait_turn().await?,
        };
        if !wait.is_zero() {
            let _place = attempt.place(self)?;
            attempt.metrics.add(Counter::LoginsDelayed, 1);
            Deadline::after(wait).wait().await;
        }
        Ok(attempt)
    }

    fn marks(&self, tried: &LoginTry, client: IpAddr) -> Marks {
        let network = counted_address(client);
        let user = tried.user.as_deref();
        let short = |value: u128| u64::try_from(value >> 64).unwrap_or_default();
        Marks {
            credentials: tried.credentials.as_deref().map(|credentials| self.hash(credentials)),
            user: user.map(|user| short(self.hash(user))),
            address: short(self.hash(network)),
            pair: user.map(|user| self.hash((user, network))),
            access_key: tried.has_access_key(),
        }
    }

    fn hash(&self, value: impl Hash) -> u128 {
        let [high, low] = self.hashes.each_ref().map(|hash| u128::from(hash.hash_one(&value)));
        high << 64 | low
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    fn begin(&mut self) -> Verdict {
        let (verdict, forgotten) = self.shield.lock().begin(&self.marks, &self.rules, now());
        self.held = match verdict {
            Verdict::Trusted => Held::Trusted,
            Verdict::After(_) => Held::Both,
            Verdict::Busy | Verdict::Blocked(_) => Held::Nobody,
        };
        if forgotten {
            self.metrics.add(Counter::LoginsForgotten, 1);
        }
        verdict
    }

    /// Waits until so few others are under way that it may begin.
    async fn wait_turn(&mut self) -> Result<Duration, Fault> {
        let shield = Arc::clone(&self.shield);
        let _place = self.place(&shield)?;
        let patience = Deadline::after(self.rules.delay);
        loop {
            let mut ended = std::pin::pin!(shield.ended.notified());
            // From here on no end is missed.
            ended.as_mut().enable();
            match self.begin() {
                Verdict::Trusted => return Ok(Duration::ZERO),
                Verdict::After(wait) => return Ok(wait),
                Verdict::Blocked(wait) => return Err(self.blocked(wait)),
                Verdict::Busy if patience.passed() => return Err(self.blocked(COME_BACK)),
                Verdict::Busy => drop(patience.bound(ended).await),
            }
        }
    }

    /// A place among those that wait.
    fn place<'a>(&self, shield: &'a LoginShield) -> Result<Place<'a>, Fault> {
        let before = shield.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place(&shield.waiting);
        if before >= WAITING_MAX {
            self.metrics.add(Counter::LoginsWaitingFull, 1);
            return Err(self.blocked(COME_BACK));
        }
        Ok(place)
    }

    fn blocked(&self, wait: Duration) -> Fault {
        static PACE: Pace = Pace::every_second();
        if let Some(suppressed) = PACE.allow(now()) {
            tracing::warn!(client = %self.client, suppressed, "logins are refused; too many failed");
        }
        let detail = "too many logins from this address or as this user failed";
        Fault::new(FaultKind::TooManyLogins, detail).again_after(wait.max(Duration::from_secs(1)))
    }

    /// The API server answered with `status`; whether the credentials are good.
    pub(super) fn answered(mut self, status: StatusCode) -> bool {
        let end = self.tried.ended(status);
        if end == LoginEnd::Refused {
            self.metrics.add(Counter::LoginsFailed, 1);
        }
        self.end(end);
        end == LoginEnd::Good
    }

    fn end(&mut self, end: LoginEnd) {
        let held = std::mem::replace(&mut self.held, Held::Nobody);
        let forgotten = self.shield.lock().end(&self.marks, held, end, &self.rules, now());
        if forgotten {
            self.metrics.add(Counter::LoginsForgotten, 1);
        }
        if held == Held::Both {
            self.shield.ended.notify_waiters();
        }
    }
}

impl Drop for Attempt {
    /// No answer: nobody learned anything.
    fn drop(&mut self) {
        if self.held != Held::Nobody {
            self.end(LoginEnd::Open);
        }
    }
}

impl State {
    /// Judges a try, and begins it where it may go on; whether something had to be forgotten for it.
    fn begin(&mut self, marks: &Marks, rules: &Rules, now: Instant) -> (Verdict, bool) {
        if marks.credentials.is_some_and(|hash| self.good.contains(hash, now)) {
            return (Verdict::Trusted, false);
        }
        let familiar = marks.pair.is_some_and(|pair| self.familiar.contains(pair, now));
        let user = marks.user.map_or(Standing::Free(0), |user| self.users.standing(user, now, rules.user));
        // Whoever guesses somebody's password from afar must not lock them out.
        let user = wait_of(user, rules.user.burst, rules.delay, familiar);
        let address = self.addresses.standing(marks.address, now, rules.address);
        let address = wait_of(address, rules.address.burst, rules.delay, marks.access_key);
        let verdict = stricter(user, address);
        let mut forgotten = false;
        if matches!(verdict, Verdict::After(_)) {
            let most = rules.remembered.get();
            forgotten = self.addresses.begin(marks.address, now, most);
            if let Some(user) = marks.user {
                forgotten |= self.users.begin(user, now, most);
            }
        }
        (verdict, forgotten)
    }

    fn end(&mut self, marks: &Marks, held: Held, end: LoginEnd, rules: &Rules, now: Instant) -> bool {
        let failed = match held {
            Held::Nobody => return false,
            // The answer to good credentials gives no hint to a guesser.
            Held::Trusted => end == LoginEnd::Refused,
            Held::Both => matches!(end, LoginEnd::Refused | LoginEnd::Unproven),
        };
        let most = rules.remembered.get();
        let mut forgotten = false;
        if failed && held == Held::Trusted {
            // Revoked, or another password.
            marks.credentials.iter().for_each(|hash| self.good.remove(*hash));
            forgotten = self.addresses.begin(marks.address, now, most);
            forgotten |= marks.user.is_some_and(|user| self.users.begin(user, now, most));
        }
        if failed || held == Held::Both {
            self.addresses.end(marks.address, failed, now, rules.address);
            marks.user.iter().for_each(|user| self.users.end(*user, failed, now, rules.user));
        }
        if end == LoginEnd::Good {
            forgotten |= marks.credentials.is_some_and(|hash| self.good.insert(hash, now, rules.remember, most));
            forgotten |= marks.pair.is_some_and(|pair| self.familiar.insert(pair, now, rules.remember, most));
        }
        forgotten
    }
}

/// What a standing means: from half of the failures that are borne on, each try waits longer. Where it is `lenient` it
/// is never refused, but waits longest.
fn wait_of(standing: Standing, burst: u32, delay: Duration, lenient: bool) -> Verdict {
    match standing {
        Standing::Free(failures) => {
            let over = failures.saturating_mul(2).saturating_sub(burst);
            Verdict::After(delay.mul_f64(f64::from(over) / f64::from(burst.max(1))))
        }
        Standing::Busy | Standing::Blocked(_) if lenient => Verdict::After(delay),
        Standing::Busy => Verdict::Busy,
        Standing::Blocked(wait) => Verdict::Blocked(wait),
    }
}

fn stricter(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Blocked(one), Verdict::Blocked(other)) => Verdict::Blocked(one.max(other)),
        (blocked @ Verdict::Blocked(_), _) | (_, blocked @ Verdict::Blocked(_)) => blocked,
        (Verdict::Busy, _) | (_, Verdict::Busy) => Verdict::Busy,
        (Verdict::After(one), Verdict::After(other)) => Verdict::After(one.max(other)),
        (Verdict::Trusted, verdict) | (verdict, Verdict::Trusted) => verdict,
    }
}

/// One of those that wait.
#[derive(Debug)]
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
