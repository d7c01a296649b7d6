//! Load: clients that call as ClearML's SDK does, and clients that upload to whoever serves a port.

use super::{API, APP, Client, DEADLINE, FILES, Pki, Proxy, post};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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

/// Clients that upload, each file larger than the one's before, and take nothing but 200 for an answer. Some stay on one
/// connection, some come anew each time.
pub(crate) struct Uploaders {
    served: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Uploaders {
    /// Six of them, to the port of `proxy`, until `end`.
    pub(crate) fn start(proxy: &Proxy) -> Self {
        let (served, stop, addr) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)), proxy.https());
        let threads = (0..6).map(|number| {
            let (served, stop) = (Arc::clone(&served), Arc::clone(&stop));
            thread::spawn(move || {
                let body = "x".repeat(20_000 * number);
                while !stop.load(Ordering::Relaxed) {
                    let mut client = Client::tls(addr, APP, Pki::shared().client(&["http/1.1"])).unwrap();
                    for _ in 0..[1, 10, 1_000][number % 3] {
                        let answer = client.send(post(FILES, "/", &body)).answer();
                        assert_eq!(answer.status, 200);
                        served.fetch_add(1, Ordering::Relaxed);
                        // As every client does.
                        if answer.fields.to_string().contains("close") || stop.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                }
            })
        });
        Self { threads: threads.collect(), served, stop }
    }

    /// Waits for so many more uploads.
    pub(crate) fn wait(&self, more: usize) {
        let (begun, before) = (Instant::now(), self.served.load(Ordering::Relaxed));
        while self.served.load(Ordering::Relaxed) < before + more {
            assert!(begun.elapsed() < DEADLINE, "the uploads stand still");
            thread::yield_now();
        }
    }

    /// Ends them; one that failed fails the test.
    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
