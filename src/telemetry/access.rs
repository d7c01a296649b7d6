//! The access log: one line per request, in a buffer of the worker's own, written by one thread for all.
//!
//! Owns: making records, the buffers, when they are handed over (32 KiB, or the worker's tick). Leaves: the form of a
//! line to the `format_` files, the file to `writer`. A line costs its formatting and no system call;
//! nobody waits for a disk.

mod escape;
mod format_alb;
mod format_common;
mod format_json;
mod format_pretty;
mod kept;
mod record;
mod spanned;
mod stamp;

pub use record::AccessRecord;

use super::metrics::WorkerMetrics;
use super::recent::Recent;
use super::rotation::LogTarget;
use super::spans::Spans;
use super::writer::{AccessLogError, Batch, Queue, Writer};
use crate::domain::facts::ConnectionFacts;
use crate::domain::settings::{AccessFormat, AccessLogSettings};
use http::HeaderValue;
use stamp::Stamp;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A buffer this full is handed over at once; a tick takes the rest.
const FLUSH_BYTES: usize = 32 * 1024;
/// Room for the line that fills it.
const BUFFER_BYTES: usize = FLUSH_BYTES + 4 * 1024;

/// The access log of the process, from start to finish.
#[derive(Debug)]
#[must_use = "lines are lost unless it is finished"]
pub struct AccessWriter {
    /// Tells when a file is too old.
    clock: fn() -> SystemTime,
    /// Requests that are recorded for somebody else.
    spans: Spans,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    /// `None` where the log was never enabled.
    writer: Option<Writer>,
    form: Option<Form>,
    workers: Vec<AccessLog>,
}

/// What is written, and the way there.
#[derive(Clone, Debug)]
struct Form {
    format: AccessFormat,
    /// Of successful health checks, one in so many is written.
    health_checks: NonZeroUsize,
    queue: Queue,
}

/// A log that is open, and not yet written to: see `AccessWriter::change`.
#[derive(Debug)]
#[must_use = "it takes effect with AccessWriter::change"]
pub struct OpenedLog {
    format: AccessFormat,
    health_checks: NonZeroUsize,
    to: Opened,
}

#[derive(Debug)]
enum Opened {
    Disabled,
    /// For the thread that runs already.
    Target(Box<LogTarget>),
    Thread(Writer),
}

impl AccessWriter {
    /// Opens the file and starts the thread that writes it; neither where the log is disabled. `clock` tells when a
    /// file is too old.
    ///
    /// # Errors
    /// `AccessLogError` when the file cannot be opened or the thread cannot be started.
    pub fn start(settings: &AccessLogSettings, clock: fn() -> SystemTime) -> Result<Self, AccessLogError> {
        let spans = Spans::default();
        let log = Self { clock, spans, current: Mutex::new(Current { writer: None, form: None, workers: Vec::new() }) };
        let opened = log.open(settings)?;
        log.change(opened);
        Ok(log)
    }

    /// The log of one worker, with its counters, its recent requests and its clock.
    #[must_use]
    pub fn for_worker(&self, metrics: WorkerMetrics, recent: Recent, clock: fn() -> Instant) -> AccessLog {
        let mut current = self.current();
        let log = AccessLog(Arc::new(Inner {
            metrics,
            recent,
            clock,
            spans: self.spans.clone(),
            enabled: AtomicBool::new(false),
            cut_off: AtomicBool::new(false),
            lines: Mutex::default(),
        }));
        log.change(current.form.clone());
        current.workers.push(log.clone());
        log
    }

    /// The requests that are recorded for a tracing system, as they end.
    #[must_use]
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Opens what `settings` describe, beside what is written now. An unchanged path is opened anew: that is how a log
    /// that was moved away gets its new file.
    ///
    /// # Errors
    /// `AccessLogError`; the log is written as before.
    pub fn open(&self, settings: &AccessLogSettings) -> Result<OpenedLog, AccessLogError> {
        let target = || LogTarget::open(settings.file.clone(), settings.rotation.clone(), self.clock);
        let to = match (settings.enabled, &self.current().writer) {
            (false, _) => Opened::Disabled,
            (true, Some(_)) => Opened::Target(Box::new(target()?)),
            (true, None) => Opened::Thread(Writer::start(target()?)?),
        };
        Ok(OpenedLog { format: settings.format, health_checks: settings.health_checks, to })
    }

    /// Writes to `opened` from now on; lines of before go where they belong.
    pub fn change(&self, opened: OpenedLog) {
        let OpenedLog { format, health_checks, to } = opened;
        let mut current = self.current();
        // In the old form, to the old file.
        current.workers.iter().for_each(AccessLog::flush);
        let enabled = !matches!(to, Opened::Disabled);
        match (to, &current.writer) {
            (Opened::Target(target), Some(writer)) => writer.queue().switch(target),
            (Opened::Thread(writer), _) => current.writer = Some(writer),
            (Opened::Disabled, _) | (Opened::Target(_), None) => {}
        }
        let queue = current.writer.as_ref().filter(|_| enabled).map(Writer::queue);
        current.form = queue.map(|queue| Form { format, health_checks, queue });
        current.workers.iter().for_each(|worker| worker.change(current.form.clone()));
    }

    /// Opens the file anew: whoever rotates logs has moved it away. Lines that a worker still holds go to the new one.
    pub fn reopen(&self) {
        if let Some(writer) = &self.current().writer {
            writer.reopen();
        }
    }

    /// Writes what the workers have left and ends the thread. Blocks, a few seconds at most where the file is stuck.
    ///
    /// Call it once the workers have been joined: records dropped later are counted, but their lines are lost.
    pub fn finish(self) {
        let current = self.current.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = current.writer {
            writer.finish(current.workers.iter().filter_map(|worker| worker.lines().take(&worker.0.metrics)));
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The access log of one worker; cheap to clone.
#[derive(Clone)]
pub struct AccessLog(Arc<Inner>);

struct Inner {
    metrics: WorkerMetrics,
    recent: Recent,
    clock: fn() -> Instant,
    spans: Spans,
    /// Where the log is disabled, requests are counted only.
    enabled: AtomicBool,
    /// The worker has stopped: who is dropped was cut off by us.
    cut_off: AtomicBool,
    /// Used by one worker only, so the lock is free; never held across an await.
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    form: Option<(Form, Stamp)>,
    bytes: Vec<u8>,
    /// Health checks since the last one that was written.
    skipped: usize,
}

impl Lines {
    /// What is buffered, where there is anything.
    fn take(&mut self, metrics: &WorkerMetrics) -> Option<Batch> {
        let lines = std::mem::take(&mut self.bytes);
        (!lines.is_empty()).then(|| Batch { lines, metrics: metrics.clone() })
    }
}

impl AccessLog {
    /// Begins the record of `request`; it is written when it is dropped.
    ///
    /// The client is the connection's peer until `AccessRecord::client` is set. Nothing is copied but reference
    /// counts.
    #[must_use]
    pub fn start<B>(
        &self,
        facts: &Arc<ConnectionFacts>,
        request: &http::Request<B>,
        request_id: HeaderValue,
        begun: Instant,
        wall: SystemTime,
    ) -> AccessRecord {
        AccessRecord::begin(self.clone(), Arc::clone(facts), request, request_id, begun, wall)
    }

    /// Hands the buffered lines to the writer. Called by the worker about once a second; never waits.
    pub fn flush(&self) {
        self.flush_locked(&mut self.lines());
    }

    /// Records that are dropped unanswered from here on were cut off by a stop, not left by their clients.
    pub fn cut_off(&self) {
        self.0.cut_off.store(true, Ordering::Relaxed);
    }

    fn flush_locked(&self, lines: &mut Lines) {
        if let Some(batch) = lines.take(&self.0.metrics)
            && let Some((form, _)) = &lines.form
        {
            form.queue.offer(batch);
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, form: Option<Form>) {
        let mut lines = self.lines();
        self.flush_locked(&mut lines);
        self.0.enabled.store(form.is_some(), Ordering::Relaxed);
        lines.form = form.map(|form| {
            let stamp = Stamp::new(form.format);
            (form, stamp)
        });
    }

    /// Whether lines are written in `format`.
    fn writes(&self, format: AccessFormat) -> bool {
        self.lines().form.as_ref().is_some_and(|(form, _)| form.format == format)
    }

    /// Writes one line, `total` being how long the request took.
    fn write(&self, record: &AccessRecord, total: Duration) {
        let mut lines = self.lines();
        let Lines { form: Some((form, stamp)), bytes, skipped } = &mut *lines else { return };
        if form.health_checks > NonZeroUsize::MIN && record.is_healthy_check() {
            *skipped = (*skipped + 1) % form.health_checks.get();
            if *skipped != 1 {
                return;
            }
        }
        if bytes.capacity() == 0 {
            bytes.reserve_exact(BUFFER_BYTES);
        }
        match form.format {
            AccessFormat::Json => format_json::write(bytes, stamp, record, total),
            AccessFormat::Pretty => format_pretty::write(bytes, stamp, record, total),
            AccessFormat::Common => format_common::write(bytes, stamp, record),
            AccessFormat::Combined => format_common::write_combined(bytes, stamp, record),
            AccessFormat::Alb => format_alb::write(bytes, stamp, record, total),
        }
        if bytes.len() >= FLUSH_BYTES {
            self.flush_locked(&mut lines);
        }
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("enabled", &self.0.enabled).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
