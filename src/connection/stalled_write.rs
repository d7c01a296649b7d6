//! A client that takes nothing of what is written to it.
//!
//! Limits: `timeouts.stalled_answer`.

use crate::runtime::ClientLink;
use crate::telemetry::{Counter, WorkerMetrics};
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// How long a client has taken nothing.
#[derive(Debug)]
pub(super) struct Stall {
    patience: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Bytes were taken since the timer was set.
    moved: bool,
}

impl Stall {
    pub(super) const fn new(patience: Duration) -> Self {
        Self { patience, timer: None, moved: false }
    }

    /// No write waits any more: gives the timer back.
    pub(super) fn rest(&mut self) {
        self.timer = None;
    }

    /// Passes `result` on; a client that took nothing for too long becomes an error.
    pub(super) fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<Result<T>>,
        metrics: &WorkerMetrics,
        link: &ClientLink,
    ) -> Poll<Result<T>> {
        if result.is_ready() {
            self.moved = true;
            return result;
        }
        loop {
            let patience = self.patience;
            // Set once and moved on only when it fires, so that a busy download pays nothing for it.
            let timer = self.timer.get_or_insert_with(|| {
                self.moved = false;
                Box::pin(sleep(patience))
            });
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
            if !self.moved {
                metrics.add(Counter::StalledAnswers, 1);
                link.set_stalled(true);
                return Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the client takes no bytes of its answer")));
            }
        }
    }
}
