//! The command line: arguments in, exit code out.
//!
//! Exit codes: 0 when all went well, 1 for a configuration or run-time failure or where the proxy refused, 2 for a wrong
//! command line, 3 where no running proxy answers, 4 where `doctor` found warnings and nothing worse.

mod args;
mod certs;
mod changes;
mod check;
mod client_config;
mod control;
mod doctor;
mod explain_request;
mod explain_url;
mod init;
mod output;
mod password;
mod run;
mod status;
mod top;
mod users;

use args::{Args, Command, Reference, UsersCommand};
use clap::Parser;
use std::process::ExitCode;

/// A wrong command line.
const USAGE: u8 = 2;

/// No running proxy answers.
const NOT_RUNNING: u8 = 3;

/// Works, and deserves a look.
const WARNINGS: u8 = 4;

/// Runs the command that the process's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    match Args::try_parse() {
        Ok(args) => dispatch(args.command),
        Err(error) => {
            let text = error.render().to_string();
            if error.use_stderr() {
                output::note(text.trim_end());
                return ExitCode::from(USAGE);
            }
            output::data(text.trim_end());
            ExitCode::SUCCESS
        }
    }
}

fn dispatch(command: Command) -> ExitCode {
    match command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::check(&args),
        Command::ClientConfig(args) => client_config::client_config(&args),
        Command::Certs(command) => certs::certs(&command),
        Command::Status(args) => control::status(&args),
        Command::Top(args) => top::top(&args),
        Command::Reload(args) => control::reload(&args),
        Command::Drain(args) => control::drain(&args, "/drain"),
        Command::Undrain(args) => control::drain(&args, "/undrain"),
        Command::Maintenance(args) => control::maintenance(&args),
        Command::Upgrade(args) => control::upgrade(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Explain(args) if args.names_a_request() => explain_request::explain(&args.what, &args.call()),
        Command::Explain(args) => explain_url::explain(&args).unwrap_or_else(|failure| {
            output::note(&failure);
            ExitCode::from(USAGE)
        }),
        Command::Init(args) => init::init(&args),
        Command::HashPassword(args) => password::hash_password(&args),
        Command::Users(UsersCommand::Check(args)) => users::check(&args),
        Command::Reference { page } => {
            let text = match page {
                Reference::ProxyConf => crate::config::proxy_conf(),
                Reference::Configuration => crate::config::configuration(),
                Reference::Metrics => crate::admin::metrics_reference(),
                Reference::Findings => crate::doctor::findings_page(),
                Reference::TlsPolicies => crate::tls::policies_page(),
            };
            output::data(text.trim_end());
            ExitCode::SUCCESS
        }
    }
}
