//! `Settings`: the checked description of a whole proxy, as plain data.
//!
//! Owns: what can be set, with its unit, and the defaults. Leaves: the file format and its messages to `config`.
//! Never the file's form, never a running part.

mod acme;
mod admin_listener;
mod answers;
mod control;
mod layout;
mod limits;
mod local_ca;
mod logs;
mod memory;
mod protection;
mod recent;
mod targets;
mod timeouts;
mod tls;
mod traces;
mod turns;

pub use acme::{AcmeSettings, ChallengeChoice, DirectoryUrl, DirectoryUrlError, ExternalAccount};
pub use admin_listener::AdminListenerSettings;
pub use answers::AnswerSettings;
pub use control::{AdminSettings, MaintenanceSettings, ReloadSettings, TicketSettings, UpgradeSettings};
pub use layout::Layout;
pub use limits::Limits;
pub use local_ca::LocalCaSettings;
pub use logs::{AccessFormat, AccessLogSettings, LogFile, LogFormat, LogSettings, Rotation};
pub use memory::Memory;
pub use protection::{CrossSite, DefaultKeyRules, FilesProtection, Logins, Protection, TokenGate};
pub use recent::RecentSettings;
pub use targets::{Balance, ExpectedStatuses, HealthSettings, HoldLimits, ProbeSettings, TargetSettings};
pub use timeouts::Timeouts;
pub use tls::{ClientMode, ClientRuleSettings, HandshakeLimits, TlsPolicy, TlsSettings};
pub use traces::TraceSettings;
pub use turns::{GatherSettings, TurnSettings};

use super::addr::{ListenAddr, TargetAddr, TrustedNetworks};
use super::names::{HostName, PerService};
use super::units::ByteSize;
use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which names and paths lead to the three services.
    pub layout: Layout,
    /// Worker threads, each with its own listening sockets and target connections.
    pub workers: NonZeroUsize,
    /// The TLS listener.
    pub https: ListenerSettings,
    /// The plain listener that leads to the TLS one.
    pub http: ListenerSettings,
    /// Ports of a server without a proxy: TLS or plain, each for one service, whatever the host. Empty: none.
    pub legacy: PerService<Vec<ListenAddr>>,
    /// Certificates from files. Empty: leaves of the local CA are used.
    pub certificates: Vec<CertificateFiles>,
    /// Certificates from an authority.
    pub acme: AcmeSettings,
    /// The folder of the local CA and its leaves, and of certificates from an authority.
    pub certificate_folder: PathBuf,
    /// Leaves that are signed here.
    pub local_ca: LocalCaSettings,
    /// The three services.
    pub services: PerService<ServiceSettings>,
    /// Networks whose forwarded headers are believed.
    pub trusted_proxies: TrustedNetworks,
    /// How targets are watched.
    pub health: HealthSettings,
    /// Requests that wait for a target.
    pub hold: HoldLimits,
    /// What is changed in the services' answers.
    pub answers: AnswerSettings,
    /// Whether downloads go on when a target breaks off.
    pub rescue_downloads: bool,
    /// Sizes and counts.
    pub limits: Limits,
    /// Waits.
    pub timeouts: Timeouts,
    /// What is refused although it is well formed.
    pub protection: Protection,
    /// What idle connections give back.
    pub memory: Memory,
    /// Small bodies taken in before a target is asked.
    pub gathering: GatherSettings,
    /// Idle connections to targets.
    pub pool: PoolSettings,
    /// One line per request.
    pub access_log: AccessLogSettings,
    /// Events.
    pub log: LogSettings,
    /// Requests recorded for a collector.
    pub traces: TraceSettings,
    /// Loading all this again.
    pub reload: ReloadSettings,
    /// The socket by which a running proxy is asked and told.
    pub admin: AdminSettings,
    /// The listener that shows how all this is.
    pub admin_listener: AdminListenerSettings,
    /// Services that are closed for a while.
    pub maintenance: MaintenanceSettings,
    /// Handing over to a new process.
    pub upgrade: UpgradeSettings,
    /// What several proxies share of TLS.
    pub tickets: TicketSettings,
    /// How TLS is spoken with clients.
    pub tls: TlsSettings,
    /// What is kept of requests that are over.
    pub recent: RecentSettings,
}

/// Whose names are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domains {
    /// `app.`, `api.` and `files.` below any domain.
    Any,
    /// Below these only; empty where other names are served.
    Listed(Vec<HostName>),
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Whether it listens at all.
    pub enabled: bool,
    /// Where; port 0 takes a free one.
    pub bind: Vec<ListenAddr>,
    /// The port clients see, where something in front of us maps it. For https it is named in redirects and messages.
    pub public_port: Option<u16>,
    /// Whether connections begin with a PROXY header.
    pub proxy_protocol: bool,
    /// Balancers that send it; nobody else may connect then.
    pub proxy_networks: TrustedNetworks,
}

impl ListenerSettings {
    /// Listens on `bind`, for clients that come straight.
    #[must_use]
    pub const fn on(bind: Vec<ListenAddr>) -> Self {
        let proxy_networks = TrustedNetworks::new(Vec::new());
        Self { enabled: true, bind, public_port: None, proxy_protocol: false, proxy_networks }
    }
}

/// A certificate and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The leaf first, then its intermediates.
    pub chain: PathBuf,
    /// PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// At least one, at most `balance::TARGETS_MAX`.
    pub targets: Vec<TargetSettings>,
    /// How one of several is chosen.
    pub balance: Balance,
    /// The authorities that certificates of `https://` targets must come from, as a PEM file.
    pub ca: Option<PathBuf>,
    /// What targets are asked to see whether they are well.
    pub probe: ProbeSettings,
    /// The largest request body; `None` for no limit.
    pub max_body: Option<ByteSize>,
    /// How many requests a target works on at once.
    pub turns: TurnSettings,
}

/// Idle connections to targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Kept for each target, by each worker.
    pub idle_per_target: usize,
    /// Closed after this long. Must stay below the target's own keep-alive (nginx: 75 s).
    pub idle_age: Duration,
}

impl Settings {
    /// What runs with no configuration at all: `clearml.localhost` and `localhost`, on loopback only, ports 8443 and 8880.
    #[must_use]
    pub fn local(workers: NonZeroUsize) -> Self {
        let loopback = |port| vec![ListenAddr::new(SocketAddr::from(([127, 0, 0, 1], port)))];
        Self {
            layout: local_layout(),
            // Other programs on this machine speak plain HTTP under these names.
            answers: AnswerSettings { hsts: Duration::ZERO, ..AnswerSettings::default() },
            https: ListenerSettings::on(loopback(8443)),
            http: ListenerSettings::on(loopback(8880)),
            ..Self::public(Domains::Any, workers)
        }
    }

    /// The port that clients reach https on: the public one, else the first that is listened on.
    #[must_use]
    pub fn https_port(&self) -> u16 {
        let bound = self.https.bind.first().map(|bind| bind.socket_addr().port());
        self.https.public_port.or(bound).unwrap_or(443)
    }

    /// A public set-up for `domains`: every address, ports 443 and 80.
    #[must_use]
    pub fn public(domains: Domains, workers: NonZeroUsize) -> Self {
        let any = |port| vec![ListenAddr::new(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))];
        Self {
            layout: Layout::below(domains),
            workers,
            https: ListenerSettings::on(any(443)),
            http: ListenerSettings::on(any(80)),
            legacy: PerService::default(),
            certificates: Vec::new(),
            acme: AcmeSettings::default(),
            certificate_folder: PathBuf::from("certs"),
            local_ca: LocalCaSettings::default(),
            services: default_services(),
            trusted_proxies: TrustedNetworks::default(),
            health: HealthSettings::default(),
            hold: HoldLimits::default(),
            answers: AnswerSettings::default(),
            rescue_downloads: true,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            protection: Protection::default(),
            memory: Memory::default(),
            gathering: GatherSettings::default(),
            pool: PoolSettings { idle_per_target: 256, idle_age: Duration::from_secs(30) },
            access_log: AccessLogSettings {
                enabled: true,
                format: AccessFormat::Json,
                file: LogFile::Stdout,
                rotation: Rotation::default(),
                health_checks: NonZeroUsize::MIN,
            },
            log: LogSettings { filter: String::from("info"), format: LogFormat::Auto },
            traces: TraceSettings::default(),
            reload: ReloadSettings::default(),
            admin: AdminSettings::default(),
            admin_listener: AdminListenerSettings::default(),
            maintenance: MaintenanceSettings::default(),
            upgrade: UpgradeSettings::default(),
            tickets: TicketSettings::default(),
            tls: TlsSettings::default(),
            recent: RecentSettings::default(),
        }
    }
}

/// Names that every machine has for itself: three below `clearml.localhost`, and `localhost` with paths for programs
/// that find no names below it.
fn local_layout() -> Layout {
    let [domain, single] = ["clearml.localhost", "localhost"].map(|name| HostName::parse(name).ok());
    let domains = domain.map_or(Domains::Any, |name| Domains::Listed(vec![name]));
    Layout { single: single.into_iter().collect(), ..Layout::below(domains) }
}

/// The ports that a ClearML Server publishes on its own host.
fn default_services() -> PerService<ServiceSettings> {
    PerService { app: 8080_u16, api: 8008, files: 8081 }.map(|service, port| {
        let addr = TargetAddr::plain(SocketAddr::from(([127, 0, 0, 1], *port)));
        ServiceSettings {
            targets: vec![TargetSettings::plain(addr)],
            balance: Balance::default(),
            ca: None,
            probe: ProbeSettings::of(service),
            max_body: None,
            turns: TurnSettings::of(service),
        }
    })
}
