//! Token gate: whether the API server accepts a token, asked once for all who wait and kept for a short while.
//!
//! Owns: what is remembered, and that any number of requests with one token make one inquiry. Accepted and refused
//! tokens are remembered apart, so that made-up ones cannot push real ones out. Nothing but a hash is kept of a token.
//! Leaves: what an answer means to `clearml`, the inquiry to `upstream`.
//!
//! All workers share it, else each would ask for itself; the lock is held for a look-up, and only while the gate is on.
//! Limits: `protection.token_gate.tokens`, `protection.token_gate.checks`, `protection.token_gate.timeout`.

use crate::clearml::TokenVerdict;
use crate::domain::recent::Recent;
use crate::domain::settings::TokenGate as Rules;
use crate::runtime::{Deadline, now};
use crate::telemetry::{Counter, WorkerMetrics};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OnceCell, Semaphore};

/// What is known of tokens; one for the process.
#[derive(Debug)]
pub(super) struct TokenGate {
    hashes: [RandomState; 2],
    state: Mutex<State>,
    checks: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    accepted: Recent,
    refused: Recent,
    asking: HashMap<u128, Arc<OnceCell<TokenVerdict>>>,
}

impl TokenGate {
    /// A gate that knows no token; `checks` inquiries may run at once.
    pub(super) fn new(checks: usize) -> Self {
        Self {
            hashes: [RandomState::new(), RandomState::new()],
            state: Mutex::default(),
            checks: Semaphore::new(checks.min(Semaphore::MAX_PERMITS)),
        }
    }

    /// What the API server says of `token`: remembered, or by `ask`, which is polled only where nobody else asks.
    ///
    /// # Cancel safety
    /// When whoever asks is dropped, the next one that waits asks in its place.
    pub(super) async fn verdict(
        &self,
        token: &str,
        rules: &Rules,
        metrics: &WorkerMetrics,
        deadline: Deadline,
        ask: impl Future<Output = TokenVerdict>,
    ) -> TokenVerdict {
        let hash = self.hash(token);
        let cell = {
            let mut state = self.lock();
            if let Some(verdict) = state.remembered(hash) {
                return verdict;
            }
            Arc::clone(state.asking.entry(hash).or_default())
        };
        let asking = Asking { gate: self, hash, cell };
        let inquiry = asking.cell.get_or_init(|| async {
            let verdict = self.ask(deadline, metrics, ask).await;
            self.lock().remember(hash, verdict, rules, metrics);
            verdict
        });
        deadline.bound(inquiry).await.copied().unwrap_or(TokenVerdict::Unknown)
    }

    async fn ask(
        &self,
        deadline: Deadline,
        metrics: &WorkerMetrics,
        ask: impl Future<Output = TokenVerdict>,
    ) -> TokenVerdict {
        if self.checks.available_permits() == 0 {
            metrics.add(Counter::TokenChecksFull, 1);
        }
        let Some(Ok(_place)) = deadline.bound(self.checks.acquire()).await else { return TokenVerdict::Unknown };
        metrics.add(Counter::TokenChecks, 1);
        deadline.bound(ask).await.unwrap_or(TokenVerdict::Unknown)
    }

    /// 128 bits under keys of this process: nobody can make two tokens meet.
    fn hash(&self, token: &str) -> u128 {
        let [high, low] = self.hashes.each_ref().map(|hash| u128::from(hash.hash_one(token)));
        high << 64 | low
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remembered(&self, hash: u128) -> Option<TokenVerdict> {
        let at = now();
        let known = [(&self.accepted, TokenVerdict::Accepted), (&self.refused, TokenVerdict::Refused)];
        known.into_iter().find(|(set, _)| set.contains(hash, at)).map(|(_, verdict)| verdict)
    }

    fn remember(&mut self, hash: u128, verdict: TokenVerdict, rules: &Rules, metrics: &WorkerMetrics) {
        let (set, time) = match verdict {
            TokenVerdict::Accepted => (&mut self.accepted, rules.keep_accepted),
            TokenVerdict::Refused => (&mut self.refused, rules.keep_refused),
            // Who waited shares it. Who comes later asks anew: the SDK's next try follows at once, and is one of three.
            TokenVerdict::Unknown => return,
        };
        if set.insert(hash, now(), time, rules.tokens.get()) {
            metrics.add(Counter::TokensForgotten, 1);
        }
    }
}

/// One of those that wait for an inquiry; the last one tidies up.
struct Asking<'a> {
    gate: &'a TokenGate,
    hash: u128,
    cell: Arc<OnceCell<TokenVerdict>>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        // Ours and the map's: nobody else waits. Or it is answered, and whoever comes now finds that remembered.
        let over = Arc::strong_count(&self.cell) <= 2 || self.cell.initialized();
        if over && state.asking.get(&self.hash).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell)) {
            state.asking.remove(&self.hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;
    use TokenVerdict::{Accepted, Refused, Unknown};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// A gate with what its callers bring along.
    #[derive(Clone)]
    struct Bench {
        gate: Arc<TokenGate>,
        metrics: WorkerMetrics,
        wait: Duration,
    }

    impl Bench {
        fn new(checks: usize) -> Self {
            let (gate, metrics) = (Arc::new(TokenGate::new(checks)), Metrics::new(1).worker(0));
            Self { gate, metrics, wait: Duration::from_secs(10) }
        }

        async fn verdict(&self, token: &str, ask: impl Future<Output = TokenVerdict>) -> TokenVerdict {
            let deadline = Deadline::after(self.wait);
            self.gate.verdict(token, &Rules::default(), &self.metrics, deadline, ask).await
        }
    }

    #[tokio::test]
    async fn five_hundred_uploads_with_one_token_make_one_inquiry() {
        let (bench, asked) = (Bench::new(8), Arc::new(AtomicUsize::new(0)));
        let mut uploads = tokio::task::JoinSet::new();
        for _ in 0..512 {
            let (bench, asked) = (bench.clone(), Arc::clone(&asked));
            uploads.spawn(async move {
                let ask = async {
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    Accepted
                };
                bench.verdict("a.b.c", ask).await
            });
        }
        assert!(uploads.join_all().await.iter().all(|verdict| *verdict == Accepted));
        assert_eq!((asked.load(Ordering::Relaxed), bench.gate.lock().asking.len()), (1, 0));
    }

    #[tokio::test]
    async fn each_verdict_is_remembered_and_tokens_are_told_apart() {
        let bench = Bench::new(8);
        assert_eq!(bench.verdict("a", async { Unknown }).await, Unknown);
        for (token, verdict) in [("a", Accepted), ("b", Refused)] {
            assert_eq!(bench.verdict(token, async { verdict }).await, verdict);
            assert_eq!(bench.verdict(token, async { panic!("asked again") }).await, verdict);
        }
    }

    #[tokio::test]
    async fn whoever_leaves_hands_the_question_to_the_next() {
        let bench = Bench::new(8);
        let first = tokio::spawn({
            let bench = bench.clone();
            async move { bench.verdict("a", std::future::pending()).await }
        });
        tokio::task::yield_now().await;
        let second = tokio::spawn({
            let bench = bench.clone();
            async move { bench.verdict("a", async { Accepted }).await }
        });
        tokio::task::yield_now().await;
        first.abort();
        assert_eq!(second.await.unwrap(), Accepted);
        assert!(bench.gate.lock().asking.is_empty());
    }

    #[tokio::test]
    async fn an_api_server_that_is_silent_ends_in_unknown_for_all_who_wait() {
        let bench = Bench { wait: Duration::from_millis(50), ..Bench::new(1) };
        let silent = std::future::pending;
        let verdicts =
            tokio::join!(bench.verdict("a", silent()), bench.verdict("a", silent()), bench.verdict("b", silent()));
        assert_eq!(verdicts, (Unknown, Unknown, Unknown));
        assert!(bench.gate.lock().asking.is_empty());
    }
}
