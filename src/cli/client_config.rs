//! `clearway client-config`: what clients of this set-up need, ready to paste.

use super::args::{ClientConfigArgs, ClientFormat};
use super::check::loaded;
use super::output;
use crate::app::authority_file;
use crate::clearml::{client_compose, client_conf, client_env};
use crate::config::Environment;
use crate::domain::entrance::Entrance;
use crate::domain::names::ServiceName;
use crate::domain::settings::Settings;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Loads the configuration and prints.
pub(super) fn client_config(args: &ClientConfigArgs) -> ExitCode {
    let environment = Environment::of_process();
    let Some(loaded) = loaded(&args.source, &environment) else { return ExitCode::FAILURE };
    match text(&loaded.settings, args) {
        Ok(text) => {
            output::data(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            output::note(&failure);
            ExitCode::FAILURE
        }
    }
}

fn text(settings: &Settings, args: &ClientConfigArgs) -> Result<String, String> {
    let entrance = choose(settings, args.name.as_deref())?;
    let urls = entrance.urls(settings.https_port());
    let ca = args.ca.clone().or_else(|| authority_file(settings, &entrance.host(ServiceName::App)));
    if let Some(ca) = ca.as_deref().filter(|ca| !ca.exists()) {
        output::note(&format!(
            "note: {} is not there yet; the local CA is made when Clearway first runs",
            ca.display()
        ));
    }
    let ca = ca.as_deref().map(absolute);
    Ok(match args.format {
        ClientFormat::Conf => client_conf(&urls, ca.as_deref()),
        ClientFormat::Env => client_env(&urls, ca.as_deref()),
        ClientFormat::Compose => client_compose(&urls, ca.as_deref()),
    })
}

/// The entrance that is called `name`, else the first.
pub(super) fn choose<'a>(settings: &'a Settings, name: Option<&str>) -> Result<Entrance<'a>, String> {
    let mut all = Entrance::all(&settings.layout).peekable();
    if all.peek().is_none() {
        return Err(String::from(
            "error: no host name is configured\nhint: set domain, hosts or single_domain, or give --domain",
        ));
    }
    let Some(name) = name else { return all.next().ok_or_else(String::new) };
    let known = Entrance::all(&settings.layout).map(|entrance| entrance.name()).collect::<Vec<_>>().join(", ");
    all.find(|entrance| entrance.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| format!("error: nothing is called {name}\nhint: there is {known}"))
}

fn absolute(file: &Path) -> String {
    std::path::absolute(file).unwrap_or_else(|_| PathBuf::from(file)).display().to_string()
}
