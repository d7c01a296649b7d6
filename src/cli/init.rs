//! `clearway init`: a configuration to start from, and what ClearML's server and clients need beside it.

mod apiserver;

use super::USAGE;
use super::args::InitArgs;
use super::changes::{Change, Written, write};
use super::output;
use crate::clearml::{ProxyPlace, client_conf, compose_mount, server_override};
use crate::config::{
    Environment, LoadRequest, Overrides, Starter, StarterCertificate, StarterNames, load, starter_conf,
};
use crate::domain::entrance::Entrance;
use crate::domain::names::{HostName, PerService, ServiceName};
use crate::domain::settings::Settings;
use apiserver::apiserver;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;

/// Asks one question: text and what an empty answer means.
type Ask<'a> = &'a mut dyn FnMut(&str, &str) -> Option<String>;

/// Where a proxy in a container keeps its certificates.
const IN_CONTAINER: &str = "/var/lib/clearway";

/// Asks, shows and writes.
pub(super) fn init(args: &InitArgs) -> ExitCode {
    let mut ask = |question: &str, usual: &str| {
        let answer = output::ask(&format!("{question} [{usual}]"))?;
        Some(if answer.is_empty() { usual.to_owned() } else { answer })
    };
    let asking = output::can_ask();
    match wanted(args, if asking { Some(&mut ask) } else { None }) {
        Ok(wanted) => match prepare(args, &wanted).and_then(|changes| finish(args, &wanted, &changes)) {
            Ok(code) => code,
            Err(failure) => {
                output::note(&failure);
                ExitCode::FAILURE
            }
        },
        Err(failure) => {
            output::note(&failure);
            ExitCode::from(USAGE)
        }
    }
}

/// What is to be written, by flags and answers.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    starter: Starter,
    place: ProxyPlace,
}

fn wanted(args: &InitArgs, mut ask: Option<Ask<'_>>) -> Result<Wanted, String> {
    let names = names(args, &mut ask)?;
    let certificate = certificate(args, &mut ask)?;
    let (place, [app, api, files]) = match (&args.server, &mut ask) {
        (Some(server), _) => server_at(server)?,
        (None, Some(ask)) => {
            let asked = "Where is the ClearML Server: host (this machine), compose (its network), or a machine's name?";
            until_good(ask, asked, "host", server_at)?
        }
        (None, None) => server_at("host")?,
    };
    // Elsewhere where it starts: what ClearML's containers mount is no place for keys, and the systemd unit has another.
    let folder = (place == ProxyPlace::Network).then(|| String::from(IN_CONTAINER));
    let starter = Starter {
        names,
        certificate,
        targets: PerService { app, api, files },
        server_cookies: args.server_cookies,
        folder,
    };
    Ok(Wanted { starter, place })
}

/// Asks until `parse` can do something with the answer.
fn until_good<T>(
    ask: Ask<'_>,
    question: &str,
    usual: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, String> {
    loop {
        match parse(&ask(question, usual).ok_or("error: no answer")?) {
            Ok(good) => return Ok(good),
            Err(problem) => output::note(&problem),
        }
    }
}

fn server_at(text: &str) -> Result<(ProxyPlace, [String; 3]), String> {
    Ok(match text {
        "host" => (ProxyPlace::Host, ["127.0.0.1:8080", "127.0.0.1:8008", "127.0.0.1:8081"].map(str::to_owned)),
        "compose" => (ProxyPlace::Network, ["webserver:80", "apiserver:8008", "fileserver:8081"].map(str::to_owned)),
        machine => {
            let machine = host(machine)?;
            (ProxyPlace::Elsewhere, [8080, 8008, 8081].map(|port| format!("{machine}:{port}")))
        }
    })
}

fn names(args: &InitArgs, ask: &mut Option<Ask<'_>>) -> Result<StarterNames, String> {
    match (&args.domain, args.hosts.as_slice(), &args.single_domain) {
        (Some(domain), ..) => Ok(StarterNames::Domain(host(domain)?)),
        (None, [app, api, files], _) => {
            Ok(StarterNames::Hosts(PerService { app: host(app)?, api: host(api)?, files: host(files)? }))
        }
        (None, _, Some(single)) => Ok(StarterNames::Single(host(single)?)),
        (None, _, None) => {
            let ask = ask.as_mut().ok_or(
                "error: no name is given\nhint: --domain clearml.example.com, --hosts APP API FILES, or --single-domain NAME",
            )?;
            let asked = "Parent of app., api. and files., or one name for all three with a slash behind it?";
            until_good(ask, asked, "clearml.example.com", |answer| match answer.strip_suffix('/') {
                Some(single) => host(single).map(StarterNames::Single),
                None => host(answer).map(StarterNames::Domain),
            })
        }
    }
}

fn certificate(args: &InitArgs, ask: &mut Option<Ask<'_>>) -> Result<StarterCertificate, String> {
    if let (Some(chain), Some(key)) = (&args.chain, &args.key) {
        return Ok(StarterCertificate::Files(whole(chain), whole(key)));
    }
    if let Some(mail) = &args.acme {
        return Ok(StarterCertificate::Acme(mail.clone()));
    }
    let Some(ask) = ask else { return Ok(StarterCertificate::Local) };
    let asked = "Certificate: a chain file, a mail address for Let's Encrypt, or local for a CA of its own?";
    let certificate = until_good(ask, asked, "local", |answer| match answer {
        "local" => Ok(StarterCertificate::Local),
        mail if mail.contains('@') => Ok(StarterCertificate::Acme(mail.to_owned())),
        file if file.contains(['/', '.']) => {
            Ok(StarterCertificate::Files(file.to_owned(), Path::new(file).with_extension("key").display().to_string()))
        }
        other => Err(format!("error: {other}: expected a file such as /etc/site.pem, a mail address, or local")),
    })?;
    let StarterCertificate::Files(chain, usual) = certificate else { return Ok(certificate) };
    let key = ask("Its key?", &usual).ok_or("error: no answer")?;
    Ok(StarterCertificate::Files(whole(Path::new(&chain)), whole(Path::new(&key))))
}

/// What is relative to here, written down.
fn whole(file: &Path) -> String {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string()
}

fn host(text: &str) -> Result<HostName, String> {
    HostName::parse(text).map_err(|error| format!("error: {text}: {error}"))
}

/// The files, as they should be.
fn prepare(args: &InitArgs, wanted: &Wanted) -> Result<Vec<Change>, String> {
    let text = starter_conf(&wanted.starter);
    let folder = std::path::absolute(&args.output).map_err(|error| format!("error: {error}"))?;
    let settings = settings_of(&text)?;
    let entrance = Entrance::all(&settings.layout).next().ok_or("error: no name is served")?;
    let urls = entrance.urls(settings.https_port());
    let local = wanted.starter.certificate == StarterCertificate::Local;
    let ca = local.then(|| folder.join(AUTHORITY).display().to_string());
    let head = if ca.is_some() { format!("{CLIENTS}{CLIENTS_TRUST}") } else { String::from(CLIENTS) };
    let mut files = vec![
        ("proxy.conf", text),
        (CLIENTS_FILE, format!("{head}{}", client_conf(&urls, ca.as_deref()))),
        (OVERRIDE, compose(wanted, &folder, &urls, &entrance)),
    ];
    let own = apiserver(args.server_cookies, &folder.join("apiserver.conf"), &entrance)?;
    files.extend(own.map(|text| ("apiserver.conf", text)));
    let change = |(name, text): (&str, String)| Change::new(folder.join(name), text);
    files.into_iter().map(change).collect::<Result<_, _>>().map_err(|error| format!("error: {error}"))
}

const CLIENTS: &str = "# For ~/clearml.conf of everybody who runs experiments; credentials come from the web UI.\n";
const CLIENTS_TRUST: &str =
    "# ca.pem is made at the proxy's first start, which names it: give each client a copy, and its place here.\n";

/// Not `clearml.conf`, which may be somebody's own, with credentials.
const CLIENTS_FILE: &str = "clearml-clients.conf";

/// What compose reads by itself, where it lies beside its main file.
const OVERRIDE: &str = "docker-compose.override.yml";

/// Where clients and containers find the local CA's certificate, once it is copied there.
const AUTHORITY: &str = "ca.pem";

/// What the text means, once it is read as the proxy reads it.
fn settings_of(text: &str) -> Result<Settings, String> {
    let failed = |error: std::io::Error| format!("error: {error}");
    let scratch = tempfile::tempdir().map_err(failed)?;
    let file = scratch.path().join("proxy.conf");
    std::fs::write(&file, text).map_err(failed)?;
    let request = LoadRequest {
        file: Some(file),
        environment: Environment::default(),
        overrides: Overrides::default(),
        cores: NonZeroUsize::MIN,
    };
    Ok(load(&request).map_err(|problems| format!("error: {problems}"))?.settings)
}

fn compose(wanted: &Wanted, folder: &Path, urls: &PerService<String>, entrance: &Entrance<'_>) -> String {
    let mut text = String::from(
        "# To be put beside ClearML's docker-compose.yml, which then reads it by itself (Compose 2.24 or newer): public URLs\n\
         # for tasks and for deleting files, and no port that leads past Clearway.\n",
    );
    let local = wanted.starter.certificate == StarterCertificate::Local;
    let ca = local.then(|| match wanted.place {
        ProxyPlace::Elsewhere => format!("./{AUTHORITY}"),
        ProxyPlace::Host | ProxyPlace::Network => folder.join(AUTHORITY).display().to_string(),
    });
    if let Some(file) = &ca {
        text.push_str(&format!("# The certificate of the proxy's own CA is to be copied to {file} first.\n"));
    }
    text.push_str(&server_override(urls, ca.as_deref(), wanted.place));
    if wanted.place != ProxyPlace::Network {
        return text;
    }
    let mut hosts = ServiceName::ALL.map(|service| format!("\"{}\"", entrance.host(service))).to_vec();
    hosts.dedup();
    let own = folder.join("proxy.conf").display().to_string();
    let mut volumes = compose_mount(&own, "/opt/clearml/config/proxy.conf");
    volumes.push_str(&format!("      - \"clearway:{IN_CONTAINER}\"\n"));
    if let StarterCertificate::Files(chain, key) = &wanted.starter.certificate {
        volumes.extend([chain, key].map(|file| compose_mount(file, file)));
    }
    text.push_str(&format!(
        "  clearway:\n    image: clearway:{}\n    restart: unless-stopped\n    ports: [\"80:80\", \"443:443\"]\n    \
         networks:\n      frontend:\n        aliases: [{}]\n    sysctls:\n      net.ipv4.ip_unprivileged_port_start: \
         \"0\"\n    stop_grace_period: 5m30s\n    volumes:\n{volumes}volumes:\n  clearway:\n",
        env!("CARGO_PKG_VERSION"),
        hosts.join(", ")
    ));
    text
}

fn finish(args: &InitArgs, wanted: &Wanted, changes: &[Change]) -> Result<ExitCode, String> {
    let written = write(&args.output, changes, args.dry_run, args.yes).map_err(|error| format!("error: {error}"))?;
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if written == Written::Nothing {
        output::note("nothing was written\nhint: --yes changes existing files, --output names another folder");
        return Ok(ExitCode::FAILURE);
    }
    output::note(&next(args, wanted));
    Ok(ExitCode::SUCCESS)
}

/// What is left to a person.
fn next(args: &InitArgs, wanted: &Wanted) -> String {
    let local = wanted.starter.certificate == StarterCertificate::Local;
    let at = |name: &str| whole(&args.output.join(name));
    let beside = format!("put {} beside ClearML's docker-compose.yml", at(OVERRIDE));
    let (conf, trusted) = (args.output.join("proxy.conf"), at(AUTHORITY));
    let conf = conf.display();
    let copied = format!("copy the CA's certificate, which the start names, to {trusted} and to clients");
    let copied = local.then_some(copied);
    let up = |what: &str| format!("docker compose up --detach{what}");
    let steps = match wanted.place {
        ProxyPlace::Network => vec![
            // The certificates are the container's.
            Some(format!("clearway check --config {conf} --skip-certificates")),
            Some(beside),
            Some(up(" clearway")),
            copied,
            Some(up("")),
            Some(String::from("docker compose exec clearway clearway doctor")),
        ],
        ProxyPlace::Host => vec![
            Some(format!("clearway check --config {conf}")),
            Some(format!("clearway run --config {conf}")),
            copied,
            Some(beside),
            Some(up("")),
            Some(format!("clearway doctor --config {conf}")),
        ],
        ProxyPlace::Elsewhere => vec![
            Some(format!("clearway check --config {conf}")),
            Some(format!("clearway run --config {conf}")),
            copied,
            Some(format!("{beside}, on its machine{}", if local { ", with ca.pem beside it" } else { "" })),
            Some(format!("clearway doctor --config {conf}")),
        ],
    };
    let steps = steps.into_iter().flatten().collect::<Vec<_>>();
    format!("next:\n  {}", steps.join("\n  "))
}

#[cfg(test)]
mod tests;
