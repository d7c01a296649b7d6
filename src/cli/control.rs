//! The commands for a running proxy: one request to its admin socket, and what came of it.

use super::args::{CallArgs, MaintenanceArgs, TargetArgs};
use super::output;
use super::status;
use super::{NOT_RUNNING, USAGE};
use crate::admin::{CallError, MaintenanceOrder, ReloadView, StatusView, TargetOrder, UpgradeView, call};
use crate::config::{Environment, load, parse_duration};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// For everything but an upgrade, which waits for a new process to prove itself.
const PATIENCE: Duration = Duration::from_secs(60);
const UPGRADE_PATIENCE: Duration = Duration::from_secs(3_600);

/// `clearway status`.
pub(super) fn status(args: &CallArgs) -> ExitCode {
    run(args, ("GET", "/status", None), PATIENCE, |view: StatusView| status::table(&view))
}

/// `clearway reload`.
pub(super) fn reload(args: &CallArgs) -> ExitCode {
    run(args, ("POST", "/reload", None), PATIENCE, |view: ReloadView| status::reload(&view))
}

/// `clearway upgrade`.
pub(super) fn upgrade(args: &CallArgs) -> ExitCode {
    run(args, ("POST", "/upgrade", None), UPGRADE_PATIENCE, |view: UpgradeView| match view {
        UpgradeView { ok: true, pid, version, .. } => format!(
            "process {} with version {} has taken over; the old one finishes what it runs",
            pid.unwrap_or_default(),
            version.unwrap_or_default()
        ),
        UpgradeView { problem, .. } => {
            format!(
                "not upgraded, the old process goes on: {}",
                problem.unwrap_or_else(|| String::from("no reason given"))
            )
        }
    })
}

/// `clearway drain` and `clearway undrain`.
pub(super) fn drain(args: &TargetArgs, path: &str) -> ExitCode {
    let order = TargetOrder { service: args.service.as_str().to_owned(), target: args.target.clone() };
    run(&args.call, ("POST", path, Some(json!(order))), PATIENCE, done)
}

/// `clearway maintenance`.
pub(super) fn maintenance(args: &MaintenanceArgs) -> ExitCode {
    let seconds = match args.duration.as_deref().map(parse_duration).transpose() {
        Ok(wait) => wait.map(|wait| wait.as_secs().max(1)),
        Err(why) => {
            output::note(&format!("error: --for: {why}"));
            return ExitCode::from(USAGE);
        }
    };
    let order = MaintenanceOrder {
        services: args.services.iter().map(|service| service.as_str().to_owned()).collect(),
        on: args.begins(),
        seconds,
        reason: args.reason.clone(),
    };
    run(&args.call, ("POST", "/maintenance", Some(json!(order))), PATIENCE, done)
}

fn done(value: Value) -> String {
    value.get("done").and_then(Value::as_str).unwrap_or("done").to_owned()
}

/// What stands at `path`, printed as it is, or as `shown`.
pub(super) fn show<T: DeserializeOwned>(args: &CallArgs, path: &str, shown: impl FnOnce(T) -> String) -> ExitCode {
    run(args, ("GET", path, None), PATIENCE, shown)
}

/// Sends one request and prints what came back: as it is, or as `shown`.
fn run<T: DeserializeOwned>(
    args: &CallArgs,
    (method, target, body): (&str, &str, Option<Value>),
    patience: Duration,
    shown: impl FnOnce(T) -> String,
) -> ExitCode {
    let (status, value) = match reach(args, method, target, body.as_ref(), patience) {
        Ok(answer) => answer,
        Err(why) => {
            output::note(&format!("error: {why}"));
            return ExitCode::from(NOT_RUNNING);
        }
    };
    if args.json {
        output::data(&format!("{value:#}"));
    } else if let Some(why) = value.get("error").and_then(Value::as_str) {
        output::note(&format!("error: {why}"));
    } else {
        match serde_json::from_value(value) {
            Ok(view) => output::data(&shown(view)),
            Err(error) => {
                output::note(&format!("error: the proxy is of another version than this command: {error}"));
                return ExitCode::FAILURE;
            }
        }
    }
    if status < 300 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The answer of the first socket at which a proxy is.
pub(super) fn reach(
    args: &CallArgs,
    method: &str,
    target: &str,
    body: Option<&Value>,
    patience: Duration,
) -> Result<(u16, Value), String> {
    let mut last = String::from("there is no admin socket to look for");
    for path in sockets(args) {
        match call(&path, method, target, body, patience) {
            Ok(answer) => return Ok(answer),
            Err(error @ CallError::Connect(_)) => last = format!("{}: {error}", path.display()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
    }
    Err(last)
}

/// Where to look: as told, as configured, else where a proxy makes its socket by itself.
fn sockets(args: &CallArgs) -> Vec<PathBuf> {
    if let Some(path) = &args.socket {
        return vec![path.clone()];
    }
    let environment = Environment::of_process();
    // A configuration with mistakes names no socket, but the proxy that runs has had another one.
    let configured = load(&args.request(environment.clone())).ok().and_then(|loaded| loaded.settings.admin.socket);
    configured.map_or_else(|| environment.admin_sockets(), |path| vec![path])
}
