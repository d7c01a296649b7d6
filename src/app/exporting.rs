//! Exporting: who sends recorded requests to a collector while the proxy runs. Without the feature `otlp` nobody can.

use super::build_error::BuildError;
use crate::domain::settings::TraceSettings;
use crate::runtime::{Deadline, Shutdown, ShutdownWatch, Tasks, now};
use crate::telemetry::{Spans, WorkerMetrics};

#[cfg(feature = "otlp")]
use crate::traces::TraceSender as Sender;

/// What nobody can make.
#[cfg(not(feature = "otlp"))]
#[derive(Debug)]
pub(super) enum Sender {}

/// A task that is ready to send, and the queue that it wants; none where nothing is recorded.
#[derive(Debug, Default)]
#[must_use = "it takes effect with Exporting::change"]
pub(super) struct NewSender(Option<(Sender, usize)>);

/// The task that sends.
#[derive(Debug, Default)]
pub(super) struct Exporting {
    end: Option<Shutdown>,
}

impl NewSender {
    /// What `settings` ask for.
    ///
    /// # Errors
    /// `BuildError` when it cannot be had.
    #[cfg(feature = "otlp")]
    pub(super) fn build(settings: &TraceSettings, spans: &Spans, counts: WorkerMetrics) -> Result<Self, BuildError> {
        let Some(endpoint) = &settings.endpoint else { return Ok(Self(None)) };
        let sender = Sender::new(settings, endpoint, spans.clone(), counts);
        let sender = sender.map_err(|error| BuildError::Traces(Box::new(error)))?;
        Ok(Self(Some((sender, settings.queue.get()))))
    }

    /// Nothing: `config` lets no endpoint through.
    ///
    /// # Errors
    /// None.
    #[cfg(not(feature = "otlp"))]
    pub(super) fn build(_: &TraceSettings, _: &Spans, _: WorkerMetrics) -> Result<Self, BuildError> {
        Ok(Self(None))
    }
}

impl Exporting {
    /// Lets spans be sent by `sender` from now on; the one before sends what it has.
    pub(super) fn change(&mut self, sender: NewSender, spans: &Spans, tasks: &Tasks) {
        self.stop();
        let queue = sender.0.as_ref().map_or(0, |(_, queue)| *queue);
        spans.resize(queue);
        if let Some((sender, _)) = sender.0 {
            let (end, watch) = Shutdown::new();
            tasks.spawn("traces", run(sender, watch));
            self.end = Some(end);
        }
    }

    /// What waits is sent, as far as that is possible at once.
    pub(super) fn stop(&mut self) {
        if let Some(end) = self.end.take() {
            end.drain(Deadline::at(now()));
        }
    }
}

#[cfg(feature = "otlp")]
async fn run(sender: Sender, end: ShutdownWatch) {
    sender.run(end).await;
}

#[cfg(not(feature = "otlp"))]
async fn run(sender: Sender, _: ShutdownWatch) {
    match sender {}
}
