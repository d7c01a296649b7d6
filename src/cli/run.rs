//! `clearway run`: load, build, serve until told to stop.

use super::args::RunArgs;
use super::check::refusal;
use super::output;
use crate::app::{App, ConfigSource, Demo, Handover, activated, authority_file};
use crate::config::{Environment, LoadRequest, Loaded, load};
use crate::domain::entrance::Entrance;
use crate::domain::names::ServiceName;
use crate::telemetry::{log_panics, start_log};
use std::error::Error;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;

/// Why `run` failed, ready to be printed.
type Failure = String;

/// Serves until stopped.
pub(super) fn run(args: RunArgs) -> ExitCode {
    let environment = Environment::of_process();
    let mut handover = match args.take_over.then(Handover::receive).transpose() {
        Ok(handover) => handover,
        Err(error) => {
            output::note(&failure(&error, "this is for `clearway upgrade` only"));
            return ExitCode::FAILURE;
        }
    };
    let failure = match prepare(&args, &environment) {
        Ok((request, loaded)) => match serve(request, loaded, args.demo, &environment, &mut handover) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(failure) => {
                output::note(&failure);
                failure
            }
        },
        Err(failure) => failure,
    };
    if let Some(handover) = handover {
        handover.failed(&failure);
    }
    ExitCode::FAILURE
}

/// Loads the configuration and prints what is wrong with it.
fn prepare(args: &RunArgs, environment: &Environment) -> Result<(LoadRequest, Loaded), Failure> {
    let request = args.source.request(environment.clone());
    match load(&request) {
        Ok(loaded) => {
            output::problems(&loaded.warnings, environment);
            Ok((request, loaded))
        }
        Err(problems) => {
            output::problems(problems.list(), environment);
            output::note(&refusal(&problems));
            Err(problems.list().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
    }
}

fn serve(
    request: LoadRequest,
    loaded: Loaded,
    demo: bool,
    environment: &Environment,
    handover: &mut Option<Handover>,
) -> Result<(), Failure> {
    let begun = loaded.basis();
    let Loaded { mut settings, local, .. } = loaded;
    let person = output::errors_are_read_by_a_person() || environment.forces_colour();
    let log = start_log(&settings.log, person, !environment.allows_colour());
    let log = log.map_err(|error| failure(&error, error.hint()))?;
    log_panics();
    let demo =
        if demo {
            Some(Demo::start().map_err(|error| {
                failure(&error, "the stand-ins need free ports on 127.0.0.1 and a temporary folder")
            })?)
        } else {
            None
        };
    if let Some(demo) = &demo {
        demo.take_over(&mut settings);
    }
    let given = handover.as_mut().map_or_else(activated, Handover::take_sockets);
    let app = App::build(settings, given).map_err(|error| failure(&error, &error.hint()))?;
    announce(&app, local, demo.as_ref());
    let source = ConfigSource { request, log, demo, begun };
    app.run(&source, handover.take()).map_err(|error| failure(&error, "check the limits on threads and memory"))?;
    if let Some(demo) = source.demo {
        demo.stop();
    }
    Ok(())
}

fn failure(error: &dyn Error, hint: &str) -> Failure {
    format!("error: {error}\nhint: {hint}")
}

/// Says where the proxy listens; on a machine of one's own, also how to use it from there.
fn announce(app: &App, local: bool, demo: Option<&Demo>) {
    for (name, addr) in app.addresses() {
        tracing::info!(listener = name, address = %addr, "listening");
    }
    if local || demo.is_some() {
        let mut entrances = Entrance::all(&app.settings().layout);
        if let Some(first) = entrances.next() {
            output::data(&introduction(app, first, entrances, demo));
        }
    }
}

/// The few lines that somebody needs who starts it for the first time.
fn introduction<'a>(
    app: &App,
    entrance: Entrance<'_>,
    others: impl Iterator<Item = Entrance<'a>>,
    demo: Option<&Demo>,
) -> String {
    let urls = entrance.urls(app.https_port());
    let ca = authority_file(app.settings(), &entrance.host(ServiceName::App));
    let ca = ca.map(|file| std::path::absolute(&file).unwrap_or(file).display().to_string());
    let mut lines = vec![String::new(), format!("Clearway serves ClearML for {}:", entrance.name()), String::new()];
    for (service, what) in [(ServiceName::App, "web UI"), (ServiceName::Api, "API"), (ServiceName::Files, "files")] {
        let targets =
            app.settings().services.get(service).targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        lines.push(format!("  {what:7} {}  ->  {targets}", urls.get(service)));
    }
    lines.extend(others.map(|other| {
        let urls = other.urls(app.https_port());
        format!("  or      {}  with  {}  and  {}", urls.app, urls.api, urls.files)
    }));
    if let Some(ca) = &ca {
        lines.extend([String::new(), format!("  Certificate authority to trust:  {ca}")]);
    }
    if let Some(demo) = demo {
        lines.extend([String::new(), format!("  {}", demo.about())]);
    }
    lines.extend([String::new(), String::from("For clearml.conf:"), String::new()]);
    lines.extend(crate::clearml::client_conf(&urls, ca.as_deref()).lines().map(|line| format!("  {line}")));
    lines.extend(demo.map(|demo| format!("  {}", demo.credentials())));
    lines.extend(unresolved(entrance));
    lines.push(String::new());
    lines.join("\n")
}

/// What to add where the three names lead nowhere: browsers know `.localhost` themselves, other programs ask the system.
fn unresolved(entrance: Entrance<'_>) -> Vec<String> {
    let mut names = ServiceName::ALL.map(|service| entrance.host(service)).to_vec();
    names.dedup();
    let resolves = |name: &String| {
        (name.as_str(), 0)
            .to_socket_addrs()
            .is_ok_and(|mut found| found.any(|addr: SocketAddr| addr.ip().is_loopback()))
    };
    if !names.iter().all(|name| name.ends_with("localhost")) || names.iter().all(resolves) {
        return Vec::new();
    }
    vec![
        String::new(),
        format!(
            "Names below {} do not resolve on this machine. Browsers and new versions of curl find",
            entrance.name()
        ),
        String::from("them, other programs (Python, the ClearML SDK) do not. Add this line to /etc/hosts:"),
        String::new(),
        format!("  127.0.0.1 {}", names.join(" ")),
    ]
}
