//! `clearway certs rehearse`: a whole order at the staging authority, without touching what is served.
//!
//! A proxy that runs rehearses itself, because it has the ports; without one, listeners are opened for as long as it
//! takes.

use super::super::output;
use super::args::RehearseArgs;
use super::{Done, failure, settings};
use crate::admin::{CallError, RehearsalView, call};
use crate::app::{App, ConfigSource};
use crate::config::{Basis, Environment, LoadRequest};
use crate::domain::settings::Settings;
use crate::telemetry::start_log;
use serde_json::json;
use std::time::Duration;

/// An order takes ten minutes at most, and there are three ways.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Rehearses, and prints how it went.
pub(super) fn rehearse(args: &RehearseArgs) -> Done {
    let environment = Environment::of_process();
    let settings = settings(&args.source)?;
    let view = match running(args, &settings, &environment) {
        Some(answer) => answer.map_err(|why| format!("error: {why}")),
        None => alone(settings, args.source.request(environment.clone()), &environment),
    }?;
    output::data(&if args.json { format!("{:#}", json!(view)) } else { told(&view) });
    Ok(view.ok)
}

/// Lets the proxy that runs do it; `None` where none does.
fn running(
    args: &RehearseArgs,
    settings: &Settings,
    environment: &Environment,
) -> Option<Result<RehearsalView, String>> {
    let named = args.socket.clone().or_else(|| settings.admin.socket.clone());
    for path in named.map_or_else(|| environment.admin_sockets(), |path| vec![path]) {
        match call(&path, "POST", "/rehearse", None, PATIENCE) {
            Ok((_, value)) => {
                let why = value.get("error").and_then(|why| why.as_str()).map(str::to_owned);
                let view = serde_json::from_value(value);
                return Some(
                    view.map_err(|error| why.unwrap_or_else(|| format!("the proxy is of another version: {error}"))),
                );
            }
            Err(CallError::Connect(_)) if args.socket.is_none() => {}
            Err(error) => return Some(Err(format!("{}: {error}", path.display()))),
        }
    }
    None
}

/// Does it with listeners of its own, in folders of its own.
fn alone(mut settings: Settings, request: LoadRequest, environment: &Environment) -> Result<RehearsalView, String> {
    let log = start_log(&settings.log, output::errors_are_read_by_a_person(), !environment.allows_colour());
    let log = log.map_err(|error| failure(&error, error.hint()))?;
    let folder =
        App::rehearsal_folder().map_err(|error| failure(&error, "a temporary folder is needed: set TMPDIR"))?;
    settings.certificate_folder = folder.path().to_owned();
    settings.certificates.clear();
    settings.acme.enabled = false;
    settings.access_log.enabled = false;
    settings.admin_listener.listen.clear();
    let app = App::build(settings, Vec::new()).map_err(|error| failure(&error, &error.hint()))?;
    let rehearsed = app.rehearse(&ConfigSource { request, log, demo: None, begun: Basis::default() });
    rehearsed.map_err(|error| failure(&error, "check the limits on threads and memory"))
}

fn told(view: &RehearsalView) -> String {
    if view.names.is_empty() {
        return String::from("there is no name to ask for; set domain, hosts or single_domain to names");
    }
    let mut lines = vec![format!("an order at {} for {}", view.authority, view.names.join(", "))];
    for each in &view.ways {
        match (&each.error, &each.hint) {
            (Some(error), hint) => {
                lines.push(format!("  {}: failed: {error}", each.way));
                lines.extend(hint.iter().map(|hint| format!("    hint: {hint}")));
            }
            (None, _) => lines.push(format!("  {}: issued, and it could be served; it was thrown away", each.way)),
        }
    }
    if view.ways.is_empty() {
        lines.push(String::from("  no way to show that the names are yours: enable a listener, or set acme.dns"));
    }
    lines.push(String::from(if view.ok { "an order would succeed" } else { "an order would fail" }));
    lines.join("\n")
}
