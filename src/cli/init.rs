//! `clearway init`: a configuration to start from, and what ClearML's server and clients need beside it.

use super::USAGE;
use super::args::InitArgs;
use super::changes::{Change, Written, write};
use super::output;
use crate::app::authority_file;
use crate::clearml::{ProxyPlace, client_conf, cookie_domain, cookie_reaches, cookie_section, server_override};
use crate::config::{
    Environment, LoadRequest, Overrides, Starter, StarterCertificate, StarterNames, load, read_server_conf,
    starter_conf,
};
use crate::domain::entrance::Entrance;
use crate::domain::names::{HostName, PerService, ServiceName};
use crate::domain::settings::Settings;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Asks one question: text and what an empty answer means.
type Ask<'a> = &'a mut dyn FnMut(&str, &str) -> Option<String>;

/// Where ClearML keeps its settings inside a container, and where a proxy there keeps certificates.
const IN_CONTAINER: &str = "/var/lib/clearway";

/// Asks, shows and writes.
pub(super) fn init(args: &InitArgs) -> ExitCode {
    let mut ask = |question: &str, usual: &str| {
        let answer = output::ask(&format!("{question} [{usual}]"))?;
        Some(if answer.is_empty() { usual.to_owned() } else { answer })
    };
    let asking = output::can_ask();
    match wanted(args, if asking { Some(&mut ask) } else { None }) {
        Ok(wanted) => match prepare(args, &wanted).and_then(|changes| finish(args, &changes)) {
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
    let folder = if place == ProxyPlace::Network { PathBuf::from(IN_CONTAINER) } else { args.output.join("certs") };
    let folder = whole(&folder);
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
    let ca = authority_file(&settings, &entrance.host(ServiceName::App));
    let ca = ca.filter(|_| wanted.starter.certificate == StarterCertificate::Local).map(|file| match wanted.place {
        // It is copied out of the container: docs/guide/compose.md.
        ProxyPlace::Network => folder.join("ca.pem"),
        ProxyPlace::Host | ProxyPlace::Elsewhere => file,
    });
    let ca = ca.map(|file| file.display().to_string());
    let mut files = vec![
        ("proxy.conf", text),
        ("clearml.conf", format!("{CLIENTS}{}", client_conf(&urls, ca.as_deref()))),
        ("docker-compose.override.yml", compose(wanted, &urls, ca.as_deref(), &entrance)),
    ];
    files.extend(apiserver(args, &folder, &entrance)?.map(|text| ("apiserver.conf", text)));
    let change = |(name, text): (&str, String)| Change::new(folder.join(name), text);
    files.into_iter().map(change).collect::<Result<_, _>>().map_err(|error| format!("error: {error}"))
}

const CLIENTS: &str = "# For ~/clearml.conf of everybody who runs experiments; credentials come from the web UI.\n";

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

/// ClearML's own `apiserver.conf`, only where it has to change: the cookie's domain is asked for, or another one stands
/// there, which the proxy leaves alone.
fn apiserver(args: &InitArgs, folder: &Path, entrance: &Entrance<'_>) -> Result<Option<String>, String> {
    let Some(domain) = cookie_domain(entrance) else { return Ok(None) };
    let file = folder.join("apiserver.conf");
    let before = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("error: {}: {error}", file.display())),
    };
    let conf = read_server_conf(Some(&file), &Environment::default());
    let set = conf.and_then(|conf| conf.cookie_domain).map(|(domains, _)| domains);
    let fits = |domains: &Vec<String>| {
        let reaches =
            |domain: &String| ServiceName::ALL.iter().all(|service| cookie_reaches(domain, &entrance.host(*service)));
        domains.iter().any(reaches)
    };
    let needed = set.as_ref().map_or(args.server_cookies, |domains| !fits(domains));
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let why = "# The login cookie is for all hosts of Clearway and for https only.\n";
    Ok(needed.then(|| format!("{before}{gap}{why}{}", cookie_section(&domain))))
}

fn compose(wanted: &Wanted, urls: &PerService<String>, ca: Option<&str>, entrance: &Entrance<'_>) -> String {
    let mut text = String::from(
        "# Beside ClearML's docker-compose.yml, which reads it by itself (Compose 2.24 or newer): public URLs for tasks and\n\
         # for deleting files, and no port that leads past Clearway.\n",
    );
    text.push_str(&server_override(urls, ca, wanted.place));
    if wanted.place != ProxyPlace::Network {
        return text;
    }
    let mut hosts = ServiceName::ALL.map(|service| format!("\"{}\"", entrance.host(service))).to_vec();
    hosts.dedup();
    let mut volumes =
        vec![String::from("./proxy.conf:/opt/clearml/config/proxy.conf:ro"), format!("clearway:{IN_CONTAINER}")];
    if let StarterCertificate::Files(chain, key) = &wanted.starter.certificate {
        volumes.extend([chain, key].map(|file| format!("{file}:{file}:ro").replace('$', "$$")));
    }
    let volumes = volumes.iter().map(|volume| format!("      - \"{volume}\"\n")).collect::<String>();
    text.push_str(&format!(
        "  clearway:\n    image: clearway:{}\n    restart: unless-stopped\n    ports: [\"80:80\", \"443:443\"]\n    \
         networks:\n      frontend:\n        aliases: [{}]\n    sysctls:\n      net.ipv4.ip_unprivileged_port_start: \
         \"0\"\n    stop_grace_period: 5m30s\n    volumes:\n{volumes}volumes:\n  clearway:\n",
        env!("CARGO_PKG_VERSION"),
        hosts.join(", ")
    ));
    text
}

fn finish(args: &InitArgs, changes: &[Change]) -> Result<ExitCode, String> {
    let written = write(&args.output, changes, args.dry_run, args.yes).map_err(|error| format!("error: {error}"))?;
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if written == Written::Nothing {
        output::note("nothing was written\nhint: --yes changes existing files, --output names another folder");
        return Ok(ExitCode::FAILURE);
    }
    let conf = args.output.join("proxy.conf");
    output::note(&format!(
        "next:\n  clearway check --config {0}\n  clearway run --config {0}\n  clearway doctor --config {0}",
        conf.display()
    ));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests;
