//! The arguments, as clap reads them. Texts that mean configuration are checked by `config`, with everything else.

mod setup;

pub(super) use setup::{DoctorArgs, ExplainArgs, InitArgs};

use crate::config::{Environment, LoadRequest, Overrides};
use crate::domain::names::{PerService, ServiceName};
use clap::{Parser, Subcommand, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "clearway",
    version,
    about = "Sub-domain reverse proxy for a self-hosted ClearML Server",
    after_help = "Without any configuration, `clearway run` serves clearml.localhost on this machine only.\n\n\
                  First steps:\n  \
                  clearway run --demo                            try it, without a ClearML Server\n  \
                  clearway run --domain clearml.example.com      serve a server on this host\n  \
                  clearway check                                 what is wrong with the configuration\n  \
                  clearway client-config                         what clients need\n  \
                  clearway status                                how the running proxy is\n\n\
                  `clearway COMMAND --help` has examples. Exit codes: 0 done, 1 failed or something is wrong,\n\
                  2 wrong command line, 3 no running proxy answers, 4 warnings at worst (doctor)."
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve until stopped by a signal
    #[command(after_help = "Examples:\n  clearway run\n  clearway run --demo\n  \
                            clearway run --domain clearml.example.com --api-target 10.0.0.5:8008\n  \
                            clearway run --config /etc/clearway/proxy.conf --log debug")]
    Run(RunArgs),
    /// Check the configuration as `run` would read it, without starting
    #[command(after_help = "Examples:\n  clearway check\n  clearway check --config proxy.conf --json\n  \
                            clearway check --skip-certificates --config proxy.conf")]
    Check(CheckArgs),
    /// Write a configuration to start from, and what ClearML's server and clients need
    Init(InitArgs),
    /// Say where a URL leads and why, from the configuration alone; or tell the way of a request that is over, by its id
    Explain(ExplainArgs),
    /// Look for what is wrong with a set-up, from the outside in
    Doctor(DoctorArgs),
    /// Show a running proxy: targets, connections, certificates, the last reload
    #[command(after_help = "Examples:\n  clearway status\n  clearway status --json\n  \
                            clearway status --socket /run/clearway/admin.sock")]
    Status(CallArgs),
    /// Show live how ClearML is: requests, errors, targets, uploads
    Top(TopArgs),
    /// Load the configuration of a running proxy again; it takes effect whole or not at all
    #[command(after_help = "Examples:\n  clearway reload\n  clearway reload --config /etc/clearway/proxy.conf")]
    Reload(CallArgs),
    /// Send no new requests to a service's targets, or one of them; running ones finish
    #[command(after_help = "Examples:\n  clearway drain api\n  clearway drain files 10.0.0.5:8081")]
    Drain(TargetArgs),
    /// Send requests there again
    #[command(after_help = "Examples:\n  clearway undrain api\n  clearway undrain files 10.0.0.5:8081")]
    Undrain(TargetArgs),
    /// Close services for a while, or open them again
    ///
    /// API calls get 503, on which ClearML's clients wait; browsers get a page that loads itself again; new uploads are
    /// held. A restart of the proxy ends it.
    Maintenance(MaintenanceArgs),
    /// Hand over to a new process of the program on disk without losing a connection
    #[command(after_help = "Examples:\n  clearway upgrade\n  clearway upgrade --json")]
    Upgrade(CallArgs),
    /// Hash a password for ClearML's fixed users, as `pass_hashed: true` wants it
    ///
    /// Asks for the password without showing it, or reads the first line of a pipe. Prints base64 of a bcrypt hash:
    /// the value of `password` in apiserver.conf.
    HashPassword(HashPasswordArgs),
    /// Look at the fixed users of ClearML's own configuration
    #[command(subcommand)]
    Users(UsersCommand),
    /// Certificates: list, show and make them, let clients trust them
    #[command(subcommand)]
    Certs(super::certs::CertsCommand),
    /// Print what clients of this set-up need: URLs and certificate
    #[command(after_help = "Examples:\n  clearway client-config\n  clearway client-config --format env\n  \
                            clearway client-config --format compose > docker-compose.override.yml")]
    ClientConfig(ClientConfigArgs),
    /// Print completions for a shell
    #[command(after_help = "Examples:\n  clearway completions bash > /etc/bash_completion.d/clearway\n  \
                            clearway completions zsh > ~/.zfunc/_clearway\n  \
                            clearway completions fish > ~/.config/fish/completions/clearway.fish")]
    Completions(CompletionsArgs),
    /// Print the man page, or write one for each command
    #[command(after_help = "Examples:\n  clearway man | man -l -\n  clearway man /usr/local/share/man/man1")]
    Man(ManArgs),
    /// Print a generated reference page
    #[command(hide = true)]
    Reference {
        /// The page
        page: Reference,
    },
}

/// `clearway hash-password`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  clearway hash-password\n  pass show clearml/jane | clearway hash-password\n  \
                        clearway hash-password --verify JDJiJDEyJ...")]
pub(super) struct HashPasswordArgs {
    /// Rounds as a power of two: each step doubles the time a guess takes
    #[arg(long, value_name = "COST", default_value_t = 12, value_parser = clap::value_parser!(u32).range(10..=16))]
    pub(super) cost: u32,
    /// Do not hash: say whether the password fits this hash, with base64 or without
    #[arg(long, value_name = "HASH", conflicts_with = "cost")]
    pub(super) verify: Option<String>,
}

/// `clearway users`.
#[derive(Debug, Subcommand)]
pub(super) enum UsersCommand {
    /// Check auth.fixed_users of an apiserver.conf; changes nothing
    Check(UsersCheckArgs),
}

/// `clearway users check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  clearway users check\n  clearway users check /opt/clearml/config/apiserver.conf --json\n\n\
                        Exit codes: 0 usable, 1 the server would not start or a user could not sign in."
)]
pub(super) struct UsersCheckArgs {
    /// The file [default: apiserver.conf in CLEARML_CONFIG_DIR or /opt/clearml/config]
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// `clearway completions`.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

/// `clearway man`.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Write a page for each command into this folder
    #[arg(value_name = "FOLDER")]
    pub(super) folder: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Reference {
    /// config/proxy.conf
    ProxyConf,
    /// docs/reference/configuration.md
    Configuration,
    /// docs/reference/commands.md
    Commands,
    /// docs/reference/metrics.md
    Metrics,
    /// docs/reference/findings.md
    Findings,
    /// docs/reference/tls-policies.md
    TlsPolicies,
}

/// `clearway run`.
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// Also start stand-ins for ClearML's three services, to try the proxy without a server
    #[arg(long)]
    pub(super) demo: bool,
    /// Take over from the process at the other end of standard input
    #[arg(long, hide = true)]
    pub(super) take_over: bool,
}

/// Which running proxy.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct CallArgs {
    /// The admin socket [default: admin.socket of the configuration, else the usual places]
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
    /// Take admin.socket from this file
    #[arg(long, value_name = "FILE", conflicts_with = "socket")]
    config: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl CallArgs {
    /// The configuration that may name the socket.
    pub(super) fn request(&self, environment: Environment) -> LoadRequest {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        LoadRequest { file: self.config.clone(), environment, overrides: Overrides::default(), cores }
    }
}

/// `clearway top`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Keys: q ends it; 1 to 5 or Tab choose the panel; f the service, s the order; arrows scroll.\n\n\
                        Examples:\n  clearway top\n  clearway top --once\n  clearway top --socket /run/clearway/admin.sock"
)]
pub(super) struct TopArgs {
    /// Print everything once as text; so it is where the output is no terminal
    #[arg(long)]
    pub(super) once: bool,
    #[command(flatten)]
    pub(super) call: CallArgs,
}

/// `clearway drain` and `clearway undrain`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct TargetArgs {
    /// The service
    pub(super) service: Service,
    /// One of its targets, as configured; all of them without it
    pub(super) target: Option<String>,
    #[command(flatten)]
    pub(super) call: CallArgs,
}

/// `clearway maintenance`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  clearway maintenance on api --for 10m --reason \"database upgrade\"\n  clearway maintenance off"
)]
pub(super) struct MaintenanceArgs {
    /// Begin or end
    state: OnOff,
    /// The services; all of them without any
    pub(super) services: Vec<Service>,
    /// It ends by itself after this long
    #[arg(long = "for", value_name = "DURATION")]
    pub(super) duration: Option<String>,
    /// A sentence for those who wait
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) call: CallArgs,
}

impl MaintenanceArgs {
    pub(super) const fn begins(&self) -> bool {
        matches!(self.state, OnOff::On)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnOff {
    On,
    Off,
}

/// A service, by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Service {
    App,
    Api,
    Files,
}

impl Service {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::App => ServiceName::App.as_str(),
            Self::Api => ServiceName::Api.as_str(),
            Self::Files => ServiceName::Files.as_str(),
        }
    }
}

/// `clearway check`.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
    /// Do not open the certificate files: for a check on another machine than the proxy's
    #[arg(long)]
    pub(super) skip_certificates: bool,
}

/// `clearway client-config`.
#[derive(Debug, clap::Args)]
pub(super) struct ClientConfigArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// For clearml.conf, for a shell, or for a ClearML Server's compose file
    #[arg(long, value_enum, default_value_t = ClientFormat::Conf)]
    pub(super) format: ClientFormat,
    /// Which of several: a domain, or the host of a web UI [default: the first]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// The certificate authority that clients trust [default: the local CA, where it is used]
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ClientFormat {
    /// Lines for clearml.conf
    Conf,
    /// Lines for a shell
    Env,
    /// An override for ClearML's docker-compose.yml, with Compose 2
    Compose,
}

/// Where the configuration comes from.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SourceArgs {
    /// Read this file only, instead of proxy.conf in CLEARML_CONFIG_DIR or /opt/clearml/config
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Parent name of app., api. and files.; repeat for several, "*" for any
    #[arg(long, value_name = "NAME")]
    domain: Vec<String>,
    /// Worker threads [default: one per core]
    #[arg(long, value_name = "COUNT")]
    workers: Option<String>,
    /// Listen for https here: a port, or an address with a port; repeat for several
    #[arg(long, value_name = "BIND")]
    https: Vec<String>,
    /// Keep the https addresses, but use this port
    #[arg(long, value_name = "PORT", conflicts_with = "https")]
    https_port: Option<u16>,
    /// Listen for plain http here; repeat for several
    #[arg(long, value_name = "BIND", conflicts_with = "no_http")]
    http: Vec<String>,
    /// Keep the http addresses, but use this port
    #[arg(long, value_name = "PORT", conflicts_with_all = ["http", "no_http"])]
    http_port: Option<u16>,
    /// Do not listen for plain http
    #[arg(long)]
    no_http: bool,
    /// Address of the web server, host:port; repeat for several
    #[arg(long, value_name = "TARGET")]
    app_target: Vec<String>,
    /// Address of the API server, host:port; repeat for several
    #[arg(long, value_name = "TARGET")]
    api_target: Vec<String>,
    /// Address of the file server, host:port; repeat for several
    #[arg(long, value_name = "TARGET")]
    files_target: Vec<String>,
    /// Which events to log: error, warn, info, debug, also by module
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

impl SourceArgs {
    /// The running proxy whose configuration this is.
    fn call(&self, socket: Option<PathBuf>, json: bool) -> CallArgs {
        CallArgs { config: self.config.clone().filter(|_| socket.is_none()), socket, json }
    }

    /// The port that was given for plain http.
    pub(super) const fn plain_port(&self) -> Option<u16> {
        self.http_port
    }

    /// What to load, with this process's environment.
    pub(super) fn request(&self, environment: Environment) -> LoadRequest {
        let overrides = Overrides {
            domains: self.domain.clone(),
            workers: self.workers.clone(),
            https: self.https.clone(),
            https_port: self.https_port,
            http: self.http.clone(),
            http_port: self.http_port,
            no_http: self.no_http,
            targets: PerService {
                app: self.app_target.clone(),
                api: self.api_target.clone(),
                files: self.files_target.clone(),
            },
            log: self.log.clone(),
        };
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        LoadRequest { file: self.config.clone(), environment, overrides, cores }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn source(line: &str) -> Result<SourceArgs, clap::error::ErrorKind> {
        match Args::try_parse_from(line.split_whitespace()).map_err(|error| error.kind())?.command {
            Command::Run(args) => Ok(args.source),
            Command::Check(args) => Ok(args.source),
            Command::ClientConfig(args) => Ok(args.source),
            _ => panic!("no source"),
        }
    }

    #[test]
    fn the_command_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn flags_become_overrides() {
        let line = "clearway check --domain a.example --domain b.example --workers 2 --https 443 --http-port 8080 \
                    --api-target h:1 --log debug --config x.conf";
        let request = source(line).unwrap().request(Environment::default());
        assert_eq!(request.overrides.domains, ["a.example", "b.example"]);
        assert_eq!((request.overrides.https.len(), request.overrides.http_port), (1, Some(8080)));
        assert_eq!(request.overrides.targets.api, ["h:1"]);
        assert_eq!(request.file, Some(PathBuf::from("x.conf")));
    }

    #[test]
    fn contradictions_are_refused() {
        use clap::error::ErrorKind;
        for (line, kind) in [
            ("clearway run --no-http --http 80", ErrorKind::ArgumentConflict),
            ("clearway run --https 443 --https-port 443", ErrorKind::ArgumentConflict),
            ("clearway run --https-port 70000", ErrorKind::ValueValidation),
            ("clearway run --domian x", ErrorKind::UnknownArgument),
            ("clearway", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ] {
            assert_eq!(source(line).unwrap_err(), kind, "{line}");
        }
    }
}
