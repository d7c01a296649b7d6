//! The only place that prints: data on standard output, everything else on standard error.
//!
//! A pipe that was closed at the other end is no reason to fail.

use crate::config::{Environment, Problem, render};
use std::io::{IsTerminal, Write};

/// Prints what the caller asked for.
pub(super) fn data(text: &str) {
    print(std::io::stdout().lock(), text);
}

/// Prints what a person should know.
pub(super) fn note(text: &str) {
    print(std::io::stderr().lock(), text);
}

/// Prints problems for a person, coloured on a terminal unless `NO_COLOR` is set.
pub(super) fn problems(problems: &[Problem], environment: &Environment) {
    let colour = std::io::stderr().is_terminal() && environment.allows_colour();
    for problem in problems {
        note(&format!("{}\n", render(problem, colour)));
    }
}

fn print(mut to: impl Write, text: &str) {
    // Whoever closed the other end wants no more of it; there is nobody else to tell.
    let written = writeln!(to, "{text}").and_then(|()| to.flush());
    drop(written);
}
