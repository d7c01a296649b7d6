//! `Settings`: the checked description of a whole proxy, as plain data.
//!
//! Owns: what can be set, with its unit, and the defaults. Leaves: the file format and its messages to `config`.
//! Never the file's form, never a running part.

use super::addr::{ListenAddr, TargetAddr, TrustedNetworks};
use super::names::{HostName, PerService};
use super::units::ByteSize;
use std::net::{Ipv6Addr, SocketAddr};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whose `app.`, `api.` and `files.` names are served.
    pub domains: Domains,
    /// Worker threads, each with its own listening sockets and target connections.
    pub workers: NonZeroUsize,
    /// The TLS listener.
    pub https: ListenerSettings,
    /// The plain listener that leads to the TLS one.
    pub http: ListenerSettings,
    /// Certificates from files. Empty: leaves of the local CA are used.
    pub certificates: Vec<CertificateFiles>,
    /// The folder of the local CA and its leaves.
    pub certificate_folder: PathBuf,
    /// The three services.
    pub services: PerService<ServiceSettings>,
    /// Networks whose forwarded headers are believed.
    pub trusted_proxies: TrustedNetworks,
    /// Sizes and counts.
    pub limits: Limits,
    /// Waits.
    pub timeouts: Timeouts,
    /// Idle connections to targets.
    pub pool: PoolSettings,
    /// One line per request.
    pub access_log: AccessLogSettings,
    /// Events.
    pub log: LogSettings,
}

/// Whose names are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domains {
    /// `app.`, `api.` and `files.` below any domain.
    Any,
    /// Below these only; never empty.
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
    /// At least one.
    pub targets: Vec<TargetAddr>,
    /// The largest request body; `None` for no limit.
    pub max_body: Option<ByteSize>,
}

/// Sizes and counts, each counted when it bites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client connections of the whole process; further ones wait in the kernel's queue.
    pub connections: NonZeroUsize,
    /// A request head in bytes: request line and fields (431).
    pub head: ByteSize,
    /// Fields in one request head, cookie crumbs of HTTP/2 counted each (431).
    pub headers: NonZeroUsize,
    /// The request target in bytes (414).
    pub target: ByteSize,
    /// Concurrent HTTP/2 streams of one connection.
    pub streams: u32,
    /// Requests in flight of the whole process (503).
    pub requests: NonZeroUsize,
    /// Open tunnels of the whole process (503).
    pub tunnels: NonZeroUsize,
    /// A target's answer head in bytes (502).
    pub answer_head: ByteSize,
    /// Request bodies slower than this many bytes a second, over `timeouts.slow_body`, are cut off (408).
    pub min_upload_rate: NonZeroU64,
    /// Unread request bytes taken and dropped after an early answer, so that it reaches a client that still sends.
    pub linger: ByteSize,
}

/// Waits; none is a total time for a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From accept to the end of the TLS handshake.
    pub handshake: Duration,
    /// From a head's first byte (or accept) to its last (408).
    pub head: Duration,
    /// A client connection without a request.
    pub keep_alive: Duration,
    /// One connection attempt to one address.
    pub connect: Duration,
    /// A request may wait this long for a target that accepts, before 503. Must stay below the SDK's 10 s.
    pub hold: Duration,
    /// From the last byte of the request to the first of the answer (504).
    pub first_byte: Duration,
    /// Silence of the target inside an answer.
    pub target_idle: Duration,
    /// The window over which `limits.min_upload_rate` is measured.
    pub slow_body: Duration,
    /// A client that takes no byte of its answer.
    pub stalled_answer: Duration,
    /// A tunnel without a byte in either direction.
    pub tunnel_idle: Duration,
    /// How long unread request bytes are taken and dropped after an early answer.
    pub linger: Duration,
    /// How long running requests may take to finish after a stop signal.
    pub drain: Duration,
}

/// Idle connections to targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Kept for each target, by each worker.
    pub idle_per_target: usize,
    /// Closed after this long. Must stay below the target's own keep-alive (nginx: 75 s).
    pub idle_age: Duration,
}

/// One line per request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// Whether lines are written.
    pub enabled: bool,
    /// Their form.
    pub format: AccessFormat,
    /// Where they go.
    pub file: LogFile,
}

/// The form of an access-log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object.
    Json,
    /// The Common Log Format.
    Common,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFile {
    /// `-`
    Stdout,
    /// Appended to.
    Path(PathBuf),
}

/// Events, on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A filter in the form of `tracing`: `info`, or `info,clearway::upstream=debug`.
    pub filter: String,
    /// Their form.
    pub format: LogFormat,
}

/// The form of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl Settings {
    /// What runs with no configuration at all: `clearml.localhost`, on loopback only, ports 8443 and 8880.
    #[must_use]
    pub fn local(workers: NonZeroUsize) -> Self {
        let loopback = |port| vec![ListenAddr::new(SocketAddr::from(([127, 0, 0, 1], port)))];
        Self {
            domains: HostName::parse("clearml.localhost").map_or(Domains::Any, |name| Domains::Listed(vec![name])),
            https: ListenerSettings { enabled: true, bind: loopback(8443), public_port: None },
            http: ListenerSettings { enabled: true, bind: loopback(8880), public_port: None },
            ..Self::public(Domains::Any, workers)
        }
    }

    /// A public set-up for `domains`: every address, ports 443 and 80.
    #[must_use]
    pub fn public(domains: Domains, workers: NonZeroUsize) -> Self {
        let any = |port| vec![ListenAddr::new(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))];
        Self {
            domains,
            workers,
            https: ListenerSettings { enabled: true, bind: any(443), public_port: None },
            http: ListenerSettings { enabled: true, bind: any(80), public_port: None },
            certificates: Vec::new(),
            certificate_folder: PathBuf::from("certs"),
            services: default_services(),
            trusted_proxies: TrustedNetworks::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            pool: PoolSettings { idle_per_target: 64, idle_age: Duration::from_secs(30) },
            access_log: AccessLogSettings { enabled: true, format: AccessFormat::Json, file: LogFile::Stdout },
            log: LogSettings { filter: String::from("info"), format: LogFormat::Auto },
        }
    }
}

/// The ports that a ClearML Server publishes on its own host.
fn default_services() -> PerService<ServiceSettings> {
    PerService { app: 8080_u16, api: 8008, files: 8081 }.map(|_, port| ServiceSettings {
        targets: vec![TargetAddr { host: super::addr::TargetHost::Ip([127, 0, 0, 1].into()), port: *port }],
        max_body: None,
    })
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: nonzero(16_384),
            head: ByteSize::kib(64),
            headers: nonzero(100),
            target: ByteSize::kib(16),
            streams: 256,
            requests: nonzero(16_384),
            tunnels: nonzero(1_024),
            answer_head: ByteSize::kib(64),
            // The SDK itself gives up below 50 kB/s; this only ends connections that trickle on purpose.
            min_upload_rate: NonZeroU64::new(1_024).unwrap_or(NonZeroU64::MIN),
            // Python's TLS cannot read an answer once its own writing failed, so a refused upload is taken to its end.
            linger: ByteSize::gib(32),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            // ClearML's AWS page asks for 300 s; agents poll every 5 s and keep their connections.
            keep_alive: Duration::from_secs(300),
            connect: Duration::from_secs(3),
            hold: Duration::from_secs(5),
            // The SDK waits 300 s for an answer; the file server is silent while it copies a large upload.
            first_byte: Duration::from_secs(600),
            target_idle: Duration::from_secs(600),
            slow_body: Duration::from_secs(60),
            stalled_answer: Duration::from_secs(300),
            tunnel_idle: Duration::from_secs(3_600),
            linger: Duration::from_secs(600),
            drain: Duration::from_secs(300),
        }
    }
}

fn nonzero(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}
