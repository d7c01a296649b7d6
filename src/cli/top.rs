//! `clearway top`: how ClearML is, live in a terminal, over the admin socket.
//!
//! Owns: asking once a second, keys, the terminal's state. Leaves: what is shown to `screen` and `plain`, the feed's
//! words to `admin`. Nothing is kept between two runs, and nothing can be changed by it.

mod palette;
mod panel;
mod plain;
mod screen;
mod view;
mod words;

pub(super) use words::{as_float, bytes, millis};

use super::NOT_RUNNING;
use super::args::TopArgs;
use super::control::reach;
use super::output;
use crate::admin::FeedView;
use crate::config::Environment;
use crate::runtime::{Deadline, now};
use palette::Palette;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::io;
use std::process::ExitCode;
use std::time::Duration;
use view::{Flow, View};

/// Between two questions.
const PERIOD: Duration = Duration::from_secs(1);

/// For one answer; a proxy that loads its configuration again takes a moment.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs until a key ends it; once where it is asked for, or where nobody looks.
pub(super) fn top(args: &TopArgs) -> ExitCode {
    let feed = match ask(args, 0) {
        Ok(feed) => feed,
        Err((why, code)) => {
            output::note(&format!("error: {why}"));
            return code;
        }
    };
    if args.call.json {
        output::data(&serde_json::to_string_pretty(&feed).unwrap_or_default());
        return ExitCode::SUCCESS;
    }
    if args.once || !output::data_is_read_by_a_person() {
        output::data(&plain::text(&feed));
        return ExitCode::SUCCESS;
    }
    let mut view = View::new(Palette::new(Environment::of_process().allows_colour()));
    view.take(feed, now());
    let shown = ratatui::try_init().and_then(|terminal| follow(terminal, &mut view, args));
    let restored = ratatui::try_restore();
    match shown.and(restored) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("error: the terminal cannot be used: {error}; try --once"));
            ExitCode::FAILURE
        }
    }
}

/// What a running proxy says; else why not, and the exit code for that.
fn ask(args: &TopArgs, after: u64) -> Result<FeedView, (String, ExitCode)> {
    let (status, value) = reach(&args.call, "GET", &format!("/feed?after={after}"), None, PATIENCE)
        .map_err(|why| (why, ExitCode::from(NOT_RUNNING)))?;
    if status >= 300 {
        return Err((format!("the proxy answered {status}"), ExitCode::FAILURE));
    }
    serde_json::from_value(value)
        .map_err(|error| (format!("the proxy is of another version than this command: {error}"), ExitCode::FAILURE))
}

/// Draws, asks and listens to keys, until one ends it.
fn follow(mut terminal: DefaultTerminal, view: &mut View, args: &TopArgs) -> io::Result<()> {
    let mut due = Deadline::after(PERIOD);
    loop {
        terminal.draw(|frame| screen::draw(frame, view, now()))?;
        if event::poll(due.left())? {
            let flow = match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => view.press(key),
                // A resize draws anew, which is done in any case.
                _ => Flow::On,
            };
            if flow == Flow::End {
                return Ok(());
            }
        }
        if due.passed() {
            match ask(args, view.next()) {
                Ok(feed) => view.take(feed, now()),
                Err((why, _)) => view.miss(why),
            }
            due = Deadline::after(PERIOD);
        }
    }
}

#[cfg(test)]
mod tests;
