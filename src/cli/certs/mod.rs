//! `clearway certs`: which certificates there are, new ones, and who trusts them.

mod args;
mod issue;
mod list;
mod rehearse;
mod show;
mod steps;
mod trust;

pub(super) use args::CertsCommand;

use super::args::SourceArgs;
use super::check::refusal;
use super::output;
use crate::config::{Environment, load};
use crate::domain::settings::Settings;
use std::process::ExitCode;
use std::time::SystemTime;
use time::OffsetDateTime;

/// Runs one of them.
pub(super) fn certs(command: &CertsCommand) -> ExitCode {
    let done = match command {
        CertsCommand::List(args) => list::list(args),
        CertsCommand::Show(args) => show::show(args),
        CertsCommand::Issue(args) => issue::issue(args),
        CertsCommand::Trust(args) => trust::trust(args),
        CertsCommand::Rehearse(args) => rehearse::rehearse(args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            output::note(&failure);
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well, or what to print instead.
type Done = Result<bool, String>;

/// The configuration, or nothing but what was printed about it.
fn settings(source: &SourceArgs) -> Result<Settings, String> {
    let environment = Environment::of_process();
    load(&source.request(environment.clone())).map(|loaded| loaded.settings).map_err(|problems| {
        output::problems(problems.list(), &environment);
        refusal(&problems)
    })
}

fn failure(error: &impl std::fmt::Display, hint: &str) -> String {
    format!("error: {error}\nhint: {hint}")
}

/// The day, for people.
fn day(at: SystemTime) -> String {
    OffsetDateTime::from(at).date().to_string()
}
