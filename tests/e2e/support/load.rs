//! Load: clients that call as ClearML's SDK does.

use super::{API, Client, DEADLINE, Proxy, post};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Clients as the SDK is: one connection each, one request after another, tried again on 429, 502 and 503.
pub(crate) struct Load {
    calls: Arc<AtomicUsize>,
    stop: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<Outcome>>,
}

/// What came of it.
#[derive(Default, Debug)]
pub(crate) struct Outcome {
    /// Calls that ended with 200.
    pub(crate) good: usize,
    /// Statuses that the SDK tries again.
    pub(crate) retried: Vec<u16>,
    /// Statuses that end an experiment.
    pub(crate) failed: Vec<u16>,
}

impl Load {
    /// So many clients, until `end`.
    pub(crate) fn start(proxy: &Proxy, clients: usize) -> Self {
        let (calls, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads = (0..clients).map(|number| {
            let mut client = Client::https(proxy);
            let (calls, stop) = (Arc::clone(&calls), Arc::clone(&stop));
            thread::spawn(move || {
                let mut outcome = Outcome::default();
                for call in 0.. {
                    if stop.load(Ordering::Relaxed) > 0 {
                        break;
                    }
                    let path = format!("/v2.23/events.add_batch?{number}-{call}");
                    loop {
                        let answer = client.send(post(API, &path, "{}")).answer();
                        match answer.status {
                            200 => break outcome.good += 1,
                            status @ (429 | 502 | 503) => outcome.retried.push(status),
                            status => break outcome.failed.push(status),
                        }
                    }
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                outcome
            })
        });
        Self { threads: threads.collect(), calls, stop }
    }

    /// Waits for so many more finished calls.
    pub(crate) fn wait(&self, more: usize) {
        let (begun, before) = (Instant::now(), self.calls.load(Ordering::Relaxed));
        while self.calls.load(Ordering::Relaxed) < before + more {
            assert!(begun.elapsed() < DEADLINE, "the load stands still");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it; what came of it.
    pub(crate) fn end(self) -> Outcome {
        self.stop.store(1, Ordering::Relaxed);
        let outcomes = self.threads.into_iter().map(|thread| thread.join().unwrap());
        outcomes.fold(Outcome::default(), |mut all, one| {
            all.good += one.good;
            all.retried.extend(one.retried);
            all.failed.extend(one.failed);
            all
        })
    }
}
