//! Running, then draining until a deadline: one state for the whole process, watched by every part.

use super::clock::Deadline;
use tokio::sync::watch;

/// How far the stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Take new work.
    Running,
    /// No new work; finish what runs by the deadline.
    Draining(Deadline),
}

/// The hand that stops the process; kept by the life cycle.
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

    /// Waits until the deadline of a drain is moved; for ever when it is not.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub async fn moved(&mut self) -> Deadline {
        let before = self.state();
        match self.0.wait_for(|stop| *stop != before).await.map(|stop| *stop) {
            Ok(Stop::Draining(deadline)) => deadline,
            Ok(Stop::Running) | Err(_) => std::future::pending().await,
        }
    }

    /// Waits until draining begins; returns the deadline. A vanished `Shutdown` counts as a deadline that has passed.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub async fn draining(&mut self) -> Deadline {
        let stop = self.0.wait_for(|stop| matches!(stop, Stop::Draining(_))).await.map(|stop| *stop);
        match stop {
            Ok(Stop::Draining(deadline)) => deadline,
            Ok(Stop::Running) | Err(_) => Deadline::at(super::clock::now()),
        }
    }
}
