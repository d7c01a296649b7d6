//! `clearway doctor`: the configuration, flags and environment as a plan, and the report.

use super::args::DoctorArgs;
use super::client_config::choose;
use super::output;
use super::{USAGE, WARNINGS};
use crate::app::authority_file;
use crate::config::{Environment, Loaded, Problems, load, read_server_conf};
use crate::doctor::{Plan, Severity, Url, as_json, as_text, examine, of_configuration, service_urls};
use crate::domain::addr::TargetAddr;
use crate::domain::entrance::Entrance;
use crate::domain::names::{PerService, ServiceName};
use crate::domain::settings::Settings;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

/// Where systems keep their authorities.
const SYSTEM_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// ClearML's own ports.
const PLAIN_PORTS: [u16; 3] = [8080, 8008, 8081];

/// Looks and reports.
pub(super) fn doctor(args: &DoctorArgs) -> ExitCode {
    let environment = Environment::of_process();
    if let Some(missing) = args.ca.iter().find(|file| !file.exists()) {
        output::note(&format!("error: --ca: {} does not exist", missing.display()));
        return ExitCode::from(USAGE);
    }
    let plan = if args.url.is_empty() { configured(args, &environment) } else { outside(args, &environment) };
    let report = match plan {
        Ok(plan) => {
            if !args.json {
                let PerService { app, api, files } = &plan.urls;
                output::data(&format!("looking at {app} (app), {api} (api), {files} (files)\n"));
            }
            examine(&plan)
        }
        Err(Stop::Unusable(problems)) => Ok(of_configuration(problems.list())),
        Err(Stop::Usage(failure)) => {
            output::note(&failure);
            return ExitCode::from(USAGE);
        }
    };
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            output::note(&format!("error: {error}"));
            return ExitCode::FAILURE;
        }
    };
    if args.json {
        output::data(&as_json(&report).to_string());
    } else {
        output::data(&as_text(&report, environment.colours(output::data_is_read_by_a_person())));
    }
    match report.worst() {
        Some(Severity::Error) => ExitCode::FAILURE,
        Some(Severity::Warning) => ExitCode::from(WARNINGS),
        Some(Severity::Hint) | None => ExitCode::SUCCESS,
    }
}

/// Why there is nothing to look at.
enum Stop {
    /// The configuration cannot be used, so nobody knows where clients go.
    Unusable(Problems),
    /// The command line is wrong.
    Usage(String),
}

/// A set-up as `clearway run` would serve it.
fn configured(args: &DoctorArgs, environment: &Environment) -> Result<Plan, Stop> {
    let loaded = load(&args.source.request(environment.clone())).map_err(Stop::Unusable)?;
    let Loaded { settings, warnings, .. } = loaded;
    let entrance = choose(&settings, args.name.as_deref()).map_err(Stop::Usage)?;
    let urls = urls(&settings, &entrance).map_err(Stop::Usage)?;
    let local = authority_file(&settings, &entrance.host(ServiceName::App));
    let mut plan = plan_for(urls, args, environment);
    plan.authorities.extend(local);
    let targets = settings
        .services
        .iter()
        .flat_map(|(service, of)| of.targets.iter().map(move |target| (service, target.addr.clone(), of.ca.clone())));
    plan.targets = targets.collect();
    let legacy = settings.legacy.iter().flat_map(|(_, binds)| binds).map(|bind| bind.socket_addr().port());
    let legacy = legacy.collect::<Vec<_>>();
    plan.plain_ports = plan.targets.iter().filter(|(_, addr, _)| !addr.tls).map(|(_, addr, _)| addr.port).collect();
    plan.plain_ports.retain(|port| !legacy.contains(port));
    plan.plain_ports.sort_unstable();
    plan.plain_ports.dedup();
    Ok(Plan {
        plain_port: plain_port(&settings),
        configuration: warnings,
        repairs_cookies: settings.answers.cookies,
        connections: u64::try_from(settings.limits.connections.get()).ok(),
        ..plan
    })
}

fn urls(settings: &Settings, entrance: &Entrance<'_>) -> Result<PerService<Url>, String> {
    let texts = entrance.urls(settings.https_port());
    let parse = |text: &str| Url::parse(text).map_err(|error| format!("error: {text}: {error}"));
    Ok(PerService { app: parse(&texts.app)?, api: parse(&texts.api)?, files: parse(&texts.files)? })
}

/// The port of the http listener as clients see it.
fn plain_port(settings: &Settings) -> Option<u16> {
    let listener = &settings.http;
    let bound = listener.bind.first().map(|bind| bind.socket_addr().port());
    listener.public_port.or(bound).filter(|_| listener.enabled)
}

/// A set-up that is known from outside only.
fn outside(args: &DoctorArgs, environment: &Environment) -> Result<Plan, Stop> {
    let usage = |what: &str, why: &dyn Display| Stop::Usage(format!("error: {what}: {why}"));
    let urls = service_urls(&args.url).map_err(|error| usage("--url takes one URL or three", &error))?;
    let plain_port = args.source.plain_port().or((urls.app.port == 443).then_some(80));
    let overrides = args.source.request(environment.clone()).overrides;
    let mut targets = Vec::new();
    for (service, texts) in overrides.targets.iter() {
        for text in texts {
            let addr = TargetAddr::parse(text).map_err(|error| usage(text, &error))?;
            targets.push((service, addr, None));
        }
    }
    let plain_ports = match targets.as_slice() {
        [] => PLAIN_PORTS.to_vec(),
        some => some.iter().map(|(_, addr, _)| addr.port).collect(),
    };
    Ok(Plan { plain_port, targets, plain_ports, ..plan_for(urls, args, environment) })
}

/// What flags and environment say, whatever is looked at.
fn plan_for(urls: PerService<Url>, args: &DoctorArgs, environment: &Environment) -> Plan {
    let system = environment.get("SSL_CERT_FILE").map(PathBuf::from);
    let system = system.map_or_else(|| SYSTEM_AUTHORITIES.iter().map(PathBuf::from).collect(), |file| vec![file]);
    let credential = |name: &str| environment.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    Plan {
        urls,
        plain_port: None,
        resolve: args.resolve.clone(),
        targets: Vec::new(),
        plain_ports: Vec::new(),
        authorities: args.ca.clone(),
        system_authorities: system,
        configuration: Vec::new(),
        server: read_server_conf(args.apiserver_conf.as_deref(), environment),
        server_is_guessed: !args.url.is_empty() && args.apiserver_conf.is_none(),
        repairs_cookies: false,
        compose: args.compose.clone(),
        credentials: credential("CLEARML_API_ACCESS_KEY").zip(credential("CLEARML_API_SECRET_KEY")),
        upload: args.upload.map(|mebibytes| mebibytes << 20),
        quick: args.quick,
        connections: None,
    }
}
