//! `clearway check`: what the configuration is made of, and what is wrong with it or with the certificates it names.

use super::args::{CheckArgs, SourceArgs};
use super::output;
use crate::app::{Finding, inspect};
use crate::config::{Environment, Loaded, Origin, Problem, Problems, Severity, json, load};
use crate::domain::entrance::Entrance;
use crate::domain::settings::{Domains, Settings};
use std::path::PathBuf;
use std::process::ExitCode;

/// Loads the configuration and reports.
pub(super) fn check(args: &CheckArgs) -> ExitCode {
    let environment = Environment::of_process();
    let outcome = load(&args.source.request(environment.clone())).and_then(|loaded| {
        let found = if args.skip_certificates { Vec::new() } else { inspect(&loaded.settings) };
        loaded.join(found.into_iter().map(problem).collect())
    });
    if args.json {
        output::data(&as_json(&outcome).to_string());
    } else {
        match &outcome {
            Ok(loaded) => {
                output::problems(&loaded.warnings, &environment);
                output::data(&summary(loaded));
            }
            Err(problems) => {
                output::problems(problems.list(), &environment);
                output::note(&refusal(problems));
            }
        }
    }
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn problem(found: Finding) -> Problem {
    Problem {
        severity: if found.stops { Severity::Error } else { Severity::Warning },
        key: found.key.to_owned(),
        origin: found.file.map_or(Origin::Default, Origin::Path),
        message: found.message,
        hint: found.hint,
    }
}

/// The configuration; `None` where it cannot be used, which is said then.
pub(super) fn loaded(source: &SourceArgs, environment: &Environment) -> Option<Loaded> {
    load(&source.request(environment.clone()))
        .map_err(|problems| {
            output::problems(problems.list(), environment);
            output::note(&refusal(&problems));
        })
        .ok()
}

/// The last line for a configuration that cannot be used.
pub(super) fn refusal(problems: &Problems) -> String {
    let count = |severity| problems.list().iter().filter(|problem| problem.severity == severity).count();
    let number = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let errors = number(count(Severity::Error), "error");
    match count(Severity::Warning) {
        0 => format!("configuration is not valid: {errors}"),
        warnings => format!("configuration is not valid: {errors}, {}", number(warnings, "warning")),
    }
}

fn summary(loaded: &Loaded) -> String {
    let mut lines = Vec::new();
    lines.push(match (loaded.files.as_slice(), loaded.searched.as_slice()) {
        ([], searched) => format!("files:       none; no proxy.conf in {}", join(searched)),
        (files, _) => format!("files:       {}", join(files)),
    });
    if !loaded.variables.is_empty() {
        lines.push(format!("environment: {}", loaded.variables.join(", ")));
    }
    if !loaded.flags.is_empty() {
        lines.push(format!("flags:       {}", loaded.flags.join(", ")));
    }
    lines.extend(serves(loaded));
    lines.push(listens(&loaded.settings));
    lines.push(match loaded.warnings.len() {
        0 => String::from("configuration is valid"),
        1 => String::from("configuration is valid, with 1 warning"),
        count => format!("configuration is valid, with {count} warnings"),
    });
    lines.join("\n")
}

fn join(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The URLs of each entrance.
fn serves(loaded: &Loaded) -> Vec<String> {
    let (layout, port) = (&loaded.settings.layout, loaded.settings.https_port());
    let why = if loaded.local { " (local: nothing names a host or certificate)" } else { "" };
    let mut lines = Vec::new();
    if layout.domains == Domains::Any {
        lines.push(String::from("serves:      app., api. and files. below any name"));
    }
    lines.extend(Entrance::all(layout).map(|entrance| {
        let urls = entrance.urls(port);
        format!("serves:      {} (app), {} (api), {} (files){why}", urls.app, urls.api, urls.files)
    }));
    lines
}

fn listens(settings: &Settings) -> String {
    let Settings { https, http, legacy, .. } = settings;
    let mut texts = Vec::new();
    for (scheme, listener) in [("https", https), ("http", http)] {
        texts.extend(listener.bind.iter().filter(|_| listener.enabled).map(|bind| format!("{scheme} {bind}")));
    }
    for (service, binds) in legacy.iter() {
        texts.extend(binds.iter().map(|bind| format!("legacy {service} {bind}")));
    }
    texts.extend(settings.admin_listener.listen.iter().map(|bind| format!("admin {bind}")));
    format!("listens:     {}", texts.join(", "))
}

fn as_json(outcome: &Result<Loaded, Problems>) -> serde_json::Value {
    let all = |problems: &[Problem]| problems.iter().map(json).collect::<Vec<_>>();
    match outcome {
        Ok(loaded) => serde_json::json!({
            "valid": true,
            "local": loaded.local,
            "files": loaded.files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
            "searched": loaded.searched.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
            "variables": loaded.variables,
            "flags": loaded.flags,
            "problems": all(&loaded.warnings),
        }),
        Err(problems) => serde_json::json!({ "valid": false, "problems": all(problems.list()) }),
    }
}
