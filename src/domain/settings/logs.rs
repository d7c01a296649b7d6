//! What is logged, in which form, and where to.

use std::path::PathBuf;

/// One line per request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// Whether lines are written.
    pub enabled: bool,
    /// Their form.
    pub format: AccessFormat,
    /// Where they go.
    pub file: LogFile,
}

/// The form of an access-log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object.
    Json,
    /// The Common Log Format.
    Common,
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
