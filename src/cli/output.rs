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

/// Whether events are read by a person: standard error is a terminal.
pub(super) fn errors_are_read_by_a_person() -> bool {
    std::io::stderr().is_terminal()
}

/// Whether data is read by a person: standard output is a terminal.
pub(super) fn data_is_read_by_a_person() -> bool {
    std::io::stdout().is_terminal()
}

/// Asks a person; `None` at the end of the input.
pub(super) fn ask(question: &str) -> Option<String> {
    let mut to = std::io::stderr().lock();
    // Whoever is not there to read it does not answer either.
    drop(write!(to, "{question} ").and_then(|()| to.flush()));
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(1..) => Some(line.trim().to_owned()),
        _ => None,
    }
}

/// Whether there is a person to ask.
pub(super) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Prints problems for a person, coloured on a terminal.
pub(super) fn problems(problems: &[Problem], environment: &Environment) {
    let colour = environment.colours(std::io::stderr().is_terminal());
    for problem in problems {
        note(&format!("{}\n", render(problem, colour)));
    }
}

fn print(mut to: impl Write, text: &str) {
    // Whoever closed the other end wants no more of it; there is nobody else to tell.
    let written = writeln!(to, "{text}").and_then(|()| to.flush());
    drop(written);
}
