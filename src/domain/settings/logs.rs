//! What is logged, in which form, and where to.

use super::super::units::ByteSize;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// One line per request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// Whether lines are written.
    pub enabled: bool,
    /// Their form.
    pub format: AccessFormat,
    /// Where they go.
    pub file: LogFile,
    /// When a file is set aside and a new one begun.
    pub rotation: Rotation,
    /// Of successful health checks, one in so many is written.
    pub health_checks: NonZeroUsize,
}

/// When a log file is set aside; never, where neither limit is set. Standard output is never rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Once it has so many bytes.
    pub size: Option<ByteSize>,
    /// Once it is so old.
    pub age: Option<Duration>,
    /// Old files kept: `access.log.1` is the youngest.
    pub keep: NonZeroUsize,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { size: None, age: None, keep: NonZeroUsize::new(7).unwrap_or(NonZeroUsize::MIN) }
    }
}

/// The form of an access-log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object.
    Json,
    /// A short line for people.
    Pretty,
    /// The Common Log Format.
    Common,
    /// The same with referrer and user agent, as Apache and nginx write it.
    Combined,
    /// As an AWS Application Load Balancer writes it, field for field.
    Alb,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFile {
    /// `-`
    Stdout,
    /// Appended to.
    Path(PathBuf),
}

/// Events, on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A filter in the form of `tracing`: `info`, or `info,clearway::upstream=debug`.
    pub filter: String,
    /// Their form.
    pub format: LogFormat,
}

/// The form of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}
