//! The only place that starts a task: each has a name, is counted, and is waited for when the process drains.
//!
//! Limits: none of its own; what starts tasks bounds them (connections, streams, tunnels).

use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::sync::Notify;

/// The tasks of one worker; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tasks(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    live: AtomicUsize,
    panicked: AtomicUsize,
    ended: Notify,
}

/// How many tasks there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskCount {
    /// Running or waiting.
    pub live: usize,
    /// Ended by a panic, and not taken account of yet: `Tasks::take_panics`.
    pub panicked: usize,
}

pin_project! {
    /// What a task does. An async block around it would keep room for it twice.
    struct Work<F> {
        #[pin]
        work: F,
        _running: Running,
    }
}

impl<F: Future<Output = ()>> Future for Work<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().work.poll(cx)
    }
}

/// Counts a task down, however it ends.
struct Running {
    tasks: Tasks,
    name: &'static str,
}

impl Tasks {
    /// No task yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts `work` on the current worker. A panic inside ends this task alone, is counted and logged.
    #[allow(clippy::disallowed_methods, reason = "the one place that spawns tasks")]
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.0.live.fetch_add(1, Ordering::Relaxed);
        drop(tokio::spawn(Work { work, _running: Running { tasks: self.clone(), name } }));
    }

    /// As `spawn`, for places that may run while the worker's executor is being torn down; does nothing then.
    pub fn spawn_late(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        if tokio::runtime::Handle::try_current().is_ok() {
            self.spawn(name, work);
        }
    }

    /// The count now.
    #[must_use]
    pub fn count(&self) -> TaskCount {
        TaskCount { live: self.0.live.load(Ordering::Acquire), panicked: self.0.panicked.load(Ordering::Relaxed) }
    }

    /// Panics since this was asked last.
    #[must_use]
    pub fn take_panics(&self) -> u64 {
        self.0.panicked.swap(0, Ordering::Relaxed) as u64
    }

    /// Waits until no task is left.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub async fn drained(&self) {
        loop {
            let ended = self.0.ended.notified();
            if self.count().live == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tasks.0.panicked.fetch_add(1, Ordering::Relaxed);
            tracing::error!(task = self.name, "a task panicked; what it did is lost, and nothing else");
        }
        if self.tasks.0.live.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.tasks.0.ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn drained_waits_for_the_last_task_and_survives_a_panic() {
        let tasks = Tasks::new();
        let (send, receive) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn("waits", async move {
            let _ = receive.await;
        });
        tasks.spawn("panics", async { panic!("on purpose") });
        assert_eq!(tasks.count().live, 2);
        send.send(()).unwrap();
        tasks.drained().await;
        assert_eq!(tasks.count(), TaskCount { live: 0, panicked: 1 });
        assert_eq!((tasks.take_panics(), tasks.take_panics()), (1, 0), "each is told once");
    }
}
