//! `clearway run`: loads the configuration and hands it to `app`.

use super::args::RunArgs;
use super::check::refusal;
use super::output;
use crate::config::{Environment, load};
use std::process::ExitCode;

/// Serves until stopped.
pub(super) fn run(args: RunArgs) -> ExitCode {
    let environment = Environment::of_process();
    match load(&args.source.request(environment.clone())) {
        Ok(loaded) => {
            output::problems(&loaded.warnings, &environment);
            output::note(if args.demo { "run --demo is wired by app" } else { "run is wired by app" });
        }
        Err(problems) => {
            output::problems(problems.list(), &environment);
            output::note(&refusal(&problems));
        }
    }
    ExitCode::FAILURE
}
