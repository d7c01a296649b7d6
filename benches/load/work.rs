//! How much is done: requests dealt out to lanes, as fast as answers come or at a fixed rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How much.
#[derive(clap::Args, Clone)]
pub(crate) struct Amount {
    /// Requests in all; pages for page loads
    #[arg(long, default_value_t = 1)]
    pub(crate) requests: u64,
    /// Connections at the same time
    #[arg(long, default_value_t = 1)]
    pub(crate) connections: u64,
    /// Requests per second over all connections, whether answers come or not; otherwise as fast as answers come
    #[arg(long)]
    pub(crate) rate: Option<u32>,
    /// A new connection for each request
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Connections after the first resume its TLS session
    #[arg(long)]
    pub(crate) resume: bool,
}

/// Requests that are still to be made, shared by all lanes.
#[derive(Debug)]
pub(crate) struct Work {
    left: AtomicU64,
}

impl Work {
    pub(crate) fn new(requests: u64) -> Self {
        Self { left: AtomicU64::new(requests) }
    }

    /// Takes one request; `false` when there are none left.
    pub(crate) fn take(&self) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// When a lane's requests are due.
#[derive(Debug)]
pub(crate) struct Pace {
    due: Instant,
    step: Option<Duration>,
}

impl Pace {
    /// The pace of lane number `lane`, so that all lanes together keep the rate and none two at once.
    pub(crate) fn new(begin: Instant, amount: &Amount, lane: u64) -> Self {
        let second = |share: u64| Duration::from_secs_f64(share as f64 / f64::from(amount.rate.unwrap_or(1)));
        let step = amount.rate.map(|_| second(amount.connections));
        let due = if step.is_some() { begin + second(lane) } else { begin };
        Self { due, step }
    }

    /// Waits for the next request's turn. Its time counts from what is returned: from when it was due, if the answer
    /// before it came too late for that; from now otherwise, so that a late timer is not charged to the proxy.
    pub(crate) async fn turn(&mut self) -> Instant {
        let Some(step) = self.step else { return Instant::now() };
        let due = self.due;
        self.due += step;
        if Instant::now() >= due {
            return due;
        }
        tokio::time::sleep_until(due.into()).await;
        Instant::now()
    }
}
