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
mod record;
mod stamp;

pub use record::AccessRecord;

use super::metrics::WorkerMetrics;
use super::rotation::LogTarget;
use super::writer::{AccessLogError, Batch, Queue, Writer};
use crate::domain::facts::ConnectionFacts;
use crate::domain::settings::{AccessFormat, AccessLogSettings};
use http::HeaderValue;
use stamp::Stamp;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A buffer this full is handed over at once; a tick takes the rest.
const FLUSH_BYTES: usize = 32 * 1024;
/// Room for the line that fills it.
const BUFFER_BYTES: usize = FLUSH_BYTES + 4 * 1024;

/// The access log of the process, from start to finish.
#[derive(Debug)]
#[must_use = "lines are lost unless it is finished"]
pub struct AccessWriter {
    format: AccessFormat,
    health_checks: NonZeroUsize,
    /// `None` where the log is disabled.
    writer: Option<Writer>,
    workers: Mutex<Vec<AccessLog>>,
}

impl AccessWriter {
    /// Opens the file and starts the thread that writes it; neither where the log is disabled. `clock` tells when a
    /// file is too old.
    ///
    /// # Errors
    /// `AccessLogError` when the file cannot be opened or the thread cannot be started.
    pub fn start(settings: &AccessLogSettings, clock: fn() -> SystemTime) -> Result<Self, AccessLogError> {
        let target = || LogTarget::open(settings.file.clone(), settings.rotation.clone(), clock);
        let writer = if settings.enabled { Some(Writer::start(target()?)?) } else { None };
        Ok(Self { format: settings.format, health_checks: settings.health_checks, writer, workers: Mutex::default() })
    }

    /// The log of one worker, with its counters and its clock.
    #[must_use]
    pub fn for_worker(&self, metrics: WorkerMetrics, clock: fn() -> Instant) -> AccessLog {
        let lines = self.writer.as_ref().map(|writer| Lines {
            format: self.format,
            health_checks: self.health_checks,
            queue: writer.queue(),
            buffer: Mutex::new(Buffer { bytes: Vec::new(), stamp: Stamp::new(self.format), skipped: 0 }),
        });
        let log = AccessLog(Arc::new(Inner { metrics, clock, lines }));
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(log.clone());
        log
    }

    /// Opens the file anew: whoever rotates logs has moved it away. Lines that a worker still holds go to the new one.
    pub fn reopen(&self) {
        if let Some(writer) = &self.writer {
            writer.reopen();
        }
    }

    /// Writes what the workers have left and ends the thread. Blocks, a few seconds at most where the file is stuck.
    ///
    /// Call it once the workers have been joined: records dropped later are counted, but their lines are lost.
    pub fn finish(self) {
        let workers = self.workers.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = self.writer {
            writer.finish(workers.iter().filter_map(AccessLog::take));
        }
    }
}

/// The access log of one worker; cheap to clone.
#[derive(Clone)]
pub struct AccessLog(Arc<Inner>);

struct Inner {
    metrics: WorkerMetrics,
    clock: fn() -> Instant,
    /// `None` where the log is disabled: requests are counted only.
    lines: Option<Lines>,
}

struct Lines {
    format: AccessFormat,
    /// Of successful health checks, one in so many is written.
    health_checks: NonZeroUsize,
    queue: Queue,
    /// Used by one worker only, so the lock is free; never held across an await.
    buffer: Mutex<Buffer>,
}

struct Buffer {
    bytes: Vec<u8>,
    stamp: Stamp,
    /// Health checks since the last one that was written.
    skipped: usize,
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
        if let (Some(lines), Some(batch)) = (&self.0.lines, self.take()) {
            lines.queue.offer(batch);
        }
    }

    /// Whether lines are written in `format`.
    fn writes(&self, format: AccessFormat) -> bool {
        self.0.lines.as_ref().is_some_and(|lines| lines.format == format)
    }

    /// What is buffered, where there is anything.
    fn take(&self) -> Option<Batch> {
        let lines = self.0.lines.as_ref()?;
        let mut buffer = lines.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = std::mem::take(&mut buffer.bytes);
        (!bytes.is_empty()).then(|| Batch { lines: bytes, metrics: self.0.metrics.clone() })
    }

    /// Writes one line, `total` being how long the request took.
    fn write(&self, record: &AccessRecord, total: Duration) {
        let Some(lines) = &self.0.lines else { return };
        let full = {
            let mut guard = lines.buffer.lock().unwrap_or_else(PoisonError::into_inner);
            let Buffer { bytes, stamp, skipped } = &mut *guard;
            if lines.health_checks > NonZeroUsize::MIN && record.is_healthy_check() {
                *skipped = (*skipped + 1) % lines.health_checks.get();
                if *skipped != 1 {
                    return;
                }
            }
            if bytes.capacity() == 0 {
                bytes.reserve_exact(BUFFER_BYTES);
            }
            match lines.format {
                AccessFormat::Json => format_json::write(bytes, stamp, record, total),
                AccessFormat::Pretty => format_pretty::write(bytes, stamp, record, total),
                AccessFormat::Common => format_common::write(bytes, stamp, record),
                AccessFormat::Combined => format_common::write_combined(bytes, stamp, record),
                AccessFormat::Alb => format_alb::write(bytes, stamp, record, total),
            }
            bytes.len() >= FLUSH_BYTES
        };
        if full {
            self.flush();
        }
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("enabled", &self.0.lines.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
