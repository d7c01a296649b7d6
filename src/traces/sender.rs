//! Sender: the task that takes spans from their queue and sends them, in batches.

use super::collector::{Collector, Refused};
use super::messages::export;
use crate::domain::settings::TraceSettings;
use crate::runtime::{Deadline, ShutdownWatch, now};
use crate::telemetry::{Counter, Pace, Span, Spans, WorkerMetrics};
use crate::tls::{ClientTls, LoadError, ServerTlsError};
use std::fmt;
use std::time::Duration;

/// Between two looks at the queue.
const PAUSE: Duration = Duration::from_secs(1);

/// Spans of one request; each has about a kilobyte.
const BATCH_MAX: usize = 512;

/// For one request and its answer.
const SEND_WAIT: Duration = Duration::from_secs(10);

/// For what is left when the process ends.
const LAST_WAIT: Duration = Duration::from_millis(800);

/// Attempts with one batch, a pause between each.
const ATTEMPTS: u32 = 3;

/// A collector that is away is said at most so often.
static PACE: Pace = Pace::every_second();

/// The task that sends spans.
#[derive(Debug)]
pub struct TraceSender {
    collector: Collector,
    spans: Spans,
    counts: WorkerMetrics,
    instance: String,
}

/// Why spans cannot be sent.
#[derive(Debug)]
pub enum TraceSenderError {
    /// The authorities of the collector's certificate cannot be read.
    File(LoadError),
    /// TLS cannot be set up.
    Tls(ServerTlsError),
    /// The collector's URL is none.
    Url,
}

impl fmt::Display for TraceSenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Url => f.write_str("traces.endpoint is no URL of a collector"),
        }
    }
}

impl std::error::Error for TraceSenderError {}

impl TraceSender {
    /// Sends what comes into `spans` to `endpoint`.
    ///
    /// # Errors
    /// `TraceSenderError`.
    pub fn new(
        settings: &TraceSettings,
        endpoint: &str,
        spans: Spans,
        counts: WorkerMetrics,
    ) -> Result<Self, TraceSenderError> {
        let tls = match &settings.ca {
            Some(file) => ClientTls::load(file).map_err(TraceSenderError::File)?,
            None => ClientTls::public().map_err(TraceSenderError::Tls)?,
        };
        let collector = Collector::at(endpoint, tls).ok_or(TraceSenderError::Url)?;
        Ok(Self { collector, spans, counts, instance: std::process::id().to_string() })
    }

    /// Sends until `end` says otherwise, and then what is left.
    pub async fn run(self, mut end: ShutdownWatch) {
        loop {
            tokio::select! {
                _ = end.draining() => break,
                () = Deadline::after(PAUSE).wait() => {}
            }
            while let Some(batch) = self.batch() {
                if end.running() {
                    self.send(batch, &mut end).await;
                } else {
                    self.send_last(&batch, Deadline::after(LAST_WAIT)).await;
                }
            }
        }
        let deadline = Deadline::after(LAST_WAIT);
        while let Some(batch) = self.batch() {
            self.send_last(&batch, deadline).await;
        }
    }

    fn batch(&self) -> Option<Vec<Span>> {
        let batch = self.spans.take(BATCH_MAX);
        (!batch.is_empty()).then_some(batch)
    }

    /// Tries again while the collector may take them later.
    async fn send(&self, batch: Vec<Span>, end: &mut ShutdownWatch) {
        for attempt in 1.. {
            match self.attempt(&batch, Deadline::after(SEND_WAIT)).await {
                Ok(()) => return,
                Err(refused) if refused.later && attempt < ATTEMPTS && end.running() => {
                    tokio::select! {
                        _ = end.draining() => {}
                        () = Deadline::after(PAUSE * attempt).wait() => {}
                    }
                }
                Err(refused) => return self.lost(&batch, &refused),
            }
        }
    }

    async fn send_last(&self, batch: &[Span], deadline: Deadline) {
        if let Err(refused) = self.attempt(batch, deadline).await {
            self.lost(batch, &refused);
        }
    }

    async fn attempt(&self, batch: &[Span], deadline: Deadline) -> Result<(), Refused> {
        let (rejected, why) = self.collector.send(&export(batch, &self.instance), deadline).await?;
        let rejected = rejected.min(batch.len() as u64);
        self.counts.add(Counter::SpansSent, batch.len() as u64 - rejected);
        if rejected > 0 {
            self.counts.add(Counter::SpansLost, rejected);
            self.say(rejected, &why);
        }
        Ok(())
    }

    fn lost(&self, batch: &[Span], refused: &Refused) {
        self.counts.add(Counter::SpansLost, batch.len() as u64);
        self.say(batch.len() as u64, &refused.why);
    }

    fn say(&self, spans: u64, why: &str) {
        if let Some(suppressed) = PACE.allow(now()) {
            tracing::warn!(spans, why, suppressed, "the collector did not take spans; they are lost");
        }
    }
}
