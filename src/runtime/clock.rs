//! The only reader of time.

use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};
use tokio::time::Timeout;

/// The monotonic clock.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock, for log lines and certificate dates.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// The monotonic clock as the system's other programs count it, in microseconds: the service manager asks for it.
#[must_use]
pub fn monotonic_micros() -> u64 {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let parts = (u64::try_from(at.tv_sec), u64::try_from(at.tv_nsec));
    parts.0.unwrap_or_default() * 1_000_000 + parts.1.unwrap_or_default() / 1_000
}

/// The instant by which a whole operation must end; handed down so that its parts share one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// `wait` from now.
    #[must_use]
    pub fn after(wait: Duration) -> Self {
        Self(now() + wait)
    }

    /// At `instant`.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The instant itself.
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// What is left; zero once it has passed.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(now())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn passed(self) -> bool {
        self.left().is_zero()
    }

    /// As much later as something else has taken that does not count.
    #[must_use]
    pub fn later(self, by: Duration) -> Self {
        Self(self.0 + by)
    }

    /// The earlier of this and `wait` from now.
    #[must_use]
    pub fn or_after(self, wait: Duration) -> Self {
        self.min(Self::after(wait))
    }

    /// Waits until it has passed.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub async fn wait(self) {
        tokio::time::sleep_until(self.0.into()).await;
    }

    /// Runs `work` until the deadline; `None` when it passed first and `work` was dropped.
    ///
    /// # Cancel safety
    /// As `work`.
    pub fn bound<F: Future>(self, work: F) -> Bound<F> {
        Bound { timeout: tokio::time::timeout_at(self.0.into(), work) }
    }
}

pin_project! {
    /// Work with an end: `Deadline::bound`. An `async fn` would keep room for the work twice, before it begins and after.
    #[derive(Debug)]
    pub struct Bound<F> {
        #[pin]
        timeout: Timeout<F>,
    }
}

impl<F: Future> Future for Bound<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().timeout.poll(cx).map(Result::ok)
    }
}
