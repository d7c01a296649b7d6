//! Running, leaving, draining until a deadline: one state for the whole process or for one listener, watched by every
//! part of it.

use super::clock::Deadline;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use tokio::sync::watch;

/// How far the stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Take new work.
    Running,
    /// No new connections. A connection ends with its next answer; one that is idle, at the deadline.
    Leaving(Deadline),
    /// No new work; finish what runs by the deadline.
    Draining(Deadline),
}

/// The hand that stops; kept by the life cycle.
#[derive(Debug)]
pub struct Shutdown(watch::Sender<Stop>);

/// The eye on it; cheap to clone.
#[derive(Clone, Debug)]
pub struct ShutdownWatch(watch::Receiver<Stop>);

impl Shutdown {
    /// Starts in `Running`.
    #[must_use]
    pub fn new() -> (Self, ShutdownWatch) {
        let (sender, receiver) = watch::channel(Stop::Running);
        (Self(sender), ShutdownWatch(receiver))
    }

    /// Another eye on it.
    #[must_use]
    pub fn watch(&self) -> ShutdownWatch {
        ShutdownWatch(self.0.subscribe())
    }

    /// Whether somebody watches still.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Lets connections end one by one: idle ones are kept until `idle`.
    pub fn leave(&self, idle: Deadline) {
        self.0.send_replace(Stop::Leaving(idle));
    }

    /// Starts to drain; a second call only moves the deadline.
    pub fn drain(&self, deadline: Deadline) {
        self.0.send_replace(Stop::Draining(deadline));
    }
}

impl ShutdownWatch {
    /// The state now.
    #[must_use]
    pub fn state(&self) -> Stop {
        *self.0.borrow()
    }

    /// Whether new work is still taken.
    #[must_use]
    pub fn running(&self) -> bool {
        self.state() == Stop::Running
    }

    /// Waits until the deadline of a drain is another than `seen`; for ever when it stays.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub async fn moved(&mut self, seen: Deadline) -> Deadline {
        let moved = |stop: &Stop| matches!(stop, Stop::Draining(deadline) if *deadline != seen);
        match self.0.wait_for(moved).await.map(|stop| *stop) {
            Ok(Stop::Draining(deadline)) => deadline,
            Ok(Stop::Running | Stop::Leaving(_)) | Err(_) => std::future::pending().await,
        }
    }

    /// Waits until the state is another than `seen`. A vanished `Shutdown` counts as a deadline that has passed.
    ///
    /// It stays with the task that polls it first: connections poll it with every step of theirs, so it looks whether
    /// anything happened before it asks to be woken once more.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub async fn beyond(mut self, seen: Stop) -> Stop {
        let mut news = self.0.clone();
        // Before the wait looks at the state: what happens from here on is news.
        news.mark_unchanged();
        let mut wait = pin!(self.0.wait_for(|stop| *stop != seen));
        let mut waits = false;
        let wait = poll_fn(|cx| {
            if waits && news.has_changed().is_ok_and(|changed| !changed) {
                return Poll::Pending;
            }
            waits = true;
            wait.as_mut().poll(cx)
        });
        let stop = wait.await.map(|stop| *stop);
        stop.unwrap_or_else(|_| Stop::Draining(Deadline::at(super::clock::now())))
    }

    /// Waits until draining begins; returns the deadline. A vanished `Shutdown` counts as a deadline that has passed.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub async fn draining(&mut self) -> Deadline {
        let stop = self.0.wait_for(|stop| matches!(stop, Stop::Draining(_))).await.map(|stop| *stop);
        match stop {
            Ok(Stop::Draining(deadline)) => deadline,
            Ok(Stop::Running | Stop::Leaving(_)) | Err(_) => Deadline::at(super::clock::now()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::now;
    use std::time::Duration;

    #[tokio::test]
    async fn a_deadline_that_was_moved_before_anybody_waited_is_seen() {
        let (shutdown, mut watch) = Shutdown::new();
        let (first, second) = (Deadline::at(now()), Deadline::at(now() + Duration::from_secs(60)));
        shutdown.drain(first);
        assert_eq!(watch.draining().await, first);
        shutdown.drain(second);
        assert_eq!(watch.moved(first).await, second);
    }
}
