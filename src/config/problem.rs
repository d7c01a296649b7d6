//! What is wrong with a configuration, where it was written, and what to do about it.
//!
//! Leaves: finding problems to `walk`, `read` and `checks`, showing them to `render`.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The text of one configuration file.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it was read.
    pub path: PathBuf,
    /// What it says, without byte order mark.
    pub text: String,
    /// Whether it holds passwords, so that none of its lines are shown.
    pub secret: bool,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    Text {
        /// The file.
        source: Arc<Source>,
        /// The bytes of its text.
        span: Range<usize>,
    },
    /// A file or folder as a whole.
    Path(PathBuf),
    /// An environment variable, by name.
    Variable(String),
    /// A flag of the command line, as `--domain`.
    Flag(&'static str),
    /// Nowhere: it is a default.
    Default,
}

impl Origin {
    /// Line and column, both from 1, columns in characters; only where the origin is a place in a file.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        let Self::Text { source, span } = self else { return None };
        let before = source.text.get(..span.start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |start| start.chars().count()) + 1;
        Some((line, column))
    }

    /// The folder of the file, for paths that are relative to it.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Text { source, .. } => source.path.parent(),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { source, .. } => {
                let (line, column) = self.position().unwrap_or((1, 1));
                write!(f, "{}:{line}:{column}", source.path.display())
            }
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but somebody should look.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The key, as `timeouts.hold`; empty where the problem belongs to no key.
    pub key: String,
    /// Where it was written.
    pub origin: Origin,
    /// What is wrong, with the value and the limit.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Problem {
    pub(super) fn error(origin: Origin, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, key: String::new(), origin, message: message.into(), hint: None }
    }

    pub(super) fn warning(origin: Origin, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(origin, message) }
    }

    pub(super) fn at(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{} ({})", self.message, self.origin)
    }
}

/// Everything that is wrong with a configuration that cannot be used; at least one error, warnings among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// Each of them, in the order in which the configuration was read.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for problem in &self.0 {
            if !first {
                f.write_str("; ")?;
            }
            first = false;
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A value as messages show it: quoted, control characters escaped, long texts cut.
pub(super) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 80;
    if text.chars().count() <= CHARACTERS_MAX {
        return format!("{text:?}");
    }
    let start = text.chars().take(CHARACTERS_MAX).collect::<String>();
    format!("{:?}", format!("{start}..."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters_from_one() {
        let source = Arc::new(Source { path: "proxy.conf".into(), text: "a: 1\né: ä, b: 2\n".into(), secret: false });
        let start = source.text.find('b').unwrap();
        let origin = Origin::Text { source, span: start..start + 1 };
        assert_eq!(origin.position(), Some((2, 7)));
        assert_eq!(origin.to_string(), "proxy.conf:2:7");
        assert_eq!(Origin::Default.position(), None);
    }

    #[test]
    fn shown_values_are_harmless_and_short() {
        assert_eq!(shown("a\u{1b}[31m"), "\"a\\u{1b}[31m\"");
        assert!(shown(&"x".repeat(1_000)).len() < 100);
    }
}
