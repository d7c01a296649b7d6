//! The one `tracing` subscriber of the process: events on standard error, for people or as JSON.
//!
//! Owns: form, colour, filter, and changing the filter later. Leaves: the environment (`NO_COLOR`) and whether there
//! is a terminal to the caller. As JSON the fields of an event stand beside `timestamp`, `level` and `target`, so no
//! event may have fields of these names.

use crate::domain::settings::{LogFormat, LogSettings};
use std::error::Error;
use std::fmt;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

/// Why events cannot be logged as asked.
#[derive(Debug)]
pub enum LogError {
    /// The filter is none.
    Filter {
        /// As written.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The process has a subscriber already, or lost it.
    Subscriber(Box<dyn Error + Send + Sync>),
}

impl LogError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Filter { .. } => "write a level or a list such as \"info,clearway::upstream=debug\"",
            Self::Subscriber(_) => "start the log once only",
        }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter { filter, .. } => write!(f, "not a log filter: {filter:?}"),
            Self::Subscriber(_) => f.write_str("the event log cannot be set up"),
        }
    }
}

impl Error for LogError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Filter { source, .. } => Some(source),
            Self::Subscriber(source) => Some(source.as_ref()),
        }
    }
}

/// Changes the filter of the running log; cheap to clone.
#[derive(Clone, Debug)]
pub struct LogHandle(reload::Handle<EnvFilter, Registry>);

impl LogHandle {
    /// Replaces the filter; events in other threads see it from now on.
    ///
    /// # Errors
    /// `LogError::Filter` for a text that is no filter; the old one stays.
    pub fn set_filter(&self, filter: &str) -> Result<(), LogError> {
        self.0.reload(parse(filter)?).map_err(|error| LogError::Subscriber(Box::new(error)))
    }
}

/// Starts the event log of the process, on standard error.
///
/// `Auto` is pretty on a terminal and JSON otherwise. Colour needs a terminal, and `no_color` to be false.
///
/// # Errors
/// `LogError` for a filter that is none, or when the process has a subscriber already.
pub fn start_log(settings: &LogSettings, stderr_is_terminal: bool, no_color: bool) -> Result<LogHandle, LogError> {
    let pretty = match settings.format {
        LogFormat::Auto => stderr_is_terminal,
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let form = match (pretty, stderr_is_terminal && !no_color) {
        (false, _) => Form::Json,
        (true, true) => Form::Coloured,
        (true, false) => Form::Plain,
    };
    let (subscriber, handle) = subscriber(&settings.filter, form, std::io::stderr)?;
    subscriber.try_init().map_err(|error| LogError::Subscriber(Box::new(error)))?;
    Ok(handle)
}

/// Sends panic messages through the event log, so that standard error stays in one form.
///
/// Call it after `start_log`, once.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("panic without a message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(panic = message, place, thread = thread.name().unwrap_or_default(), "panicked");
    }));
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Json,
    Plain,
    Coloured,
}

fn subscriber<W>(filter: &str, form: Form, writer: W) -> Result<(impl Subscriber, LogHandle), LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match form {
        Form::Json => lines.json().flatten_event(true).with_span_list(false).with_ansi(false).boxed(),
        Form::Plain => lines.compact().with_ansi(false).boxed(),
        Form::Coloured => lines.compact().with_ansi(true).boxed(),
    };
    Ok((tracing_subscriber::registry().with(filter).with(lines), LogHandle(handle)))
}

fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder()
        // Patterns on field values are compared as text: a filter from an operator's file is no program.
        .with_regex(false)
        .parse(filter)
        .map_err(|source| LogError::Filter { filter: filter.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, form: Form, events: impl FnOnce(&LogHandle)) -> String {
        let lines = Lines::default();
        let sink = lines.clone();
        let (subscriber, handle) = subscriber(filter, form, move || sink.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || events(&handle));
        lines.text()
    }

    #[test]
    fn json_events_have_their_fields_at_the_top() {
        let text = logged("info", Form::Json, |_| {
            tracing::info!(listener = "https", address = %"127.0.0.1:443", "listening");
        });
        let event: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(event["message"], "listening");
        assert_eq!(event["listener"], "https");
        assert_eq!(event["address"], "127.0.0.1:443");
        assert_eq!(event["level"], "INFO");
        assert_eq!(event["target"], "clearway::telemetry::log::tests");
        assert!(event["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn colour_is_written_only_when_asked_for() {
        let event = |_: &LogHandle| tracing::info!("ready");
        assert!(logged("info", Form::Coloured, event).contains('\u{1b}'));
        let plain = logged("info", Form::Plain, event);
        assert!(plain.contains("ready") && !plain.contains('\u{1b}'), "{plain}");
    }

    #[test]
    fn the_filter_can_change_while_running() {
        let text = logged("warn", Form::Plain, |handle| {
            tracing::info!("before");
            handle.set_filter("info").unwrap();
            tracing::info!("after");
            assert!(handle.set_filter("info,clearway=loud").is_err());
            tracing::info!("still");
        });
        assert!(!text.contains("before") && text.contains("after") && text.contains("still"), "{text}");
    }

    #[test]
    fn a_bad_filter_is_named() {
        for filter in ["clearway=loud", "info,=,", "a=b=c"] {
            let error = parse(filter).unwrap_err();
            assert!(error.to_string().contains(filter), "{error}");
            assert!(error.source().is_some());
        }
    }
}
