//! Settings to parts: the only wiring.

use super::certificates::{CertificateError, Certificates, load};
use crate::domain::addr::ListenAddr;
use crate::domain::facts::ListenerKind;
use crate::domain::names::{NamePattern, PerService, ServiceName};
use crate::domain::settings::{ListenerSettings, Settings};
use crate::listener::{BindError, Bound, bind};
use crate::request::Shield;
use crate::runtime::wall;
use crate::telemetry::{AccessLogError, AccessWriter, KeyWatch, Metrics};
use crate::tls::{ClientTls, LoadError, ServerTls, ServerTlsError, Tickets};
use crate::upstream::Group;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// A whole proxy: built, bound, not yet running.
#[derive(Debug)]
pub struct App {
    pub(super) settings: Arc<Settings>,
    pub(super) https: Vec<Bound>,
    pub(super) http: Vec<Bound>,
    pub(super) legacy: PerService<Vec<Bound>>,
    pub(super) tls: Arc<ServerTls>,
    pub(super) covered: Arc<[NamePattern]>,
    pub(super) groups: Arc<PerService<Group>>,
    pub(super) access: AccessWriter,
    pub(super) metrics: Metrics,
    pub(super) keys: Arc<KeyWatch>,
    pub(super) shield: Arc<Shield>,
    certificates: Certificates,
}

/// Why a proxy cannot be built. Nothing is left running.
#[derive(Debug)]
pub enum BuildError {
    /// A certificate cannot be used.
    Certificate(Box<CertificateError>),
    /// The authorities of a service's targets cannot be read.
    TargetAuthorities(LoadError),
    /// TLS cannot be set up.
    Tls(ServerTlsError),
    /// An address cannot be listened on.
    Bind(BindError),
    /// The access log cannot be written.
    AccessLog(AccessLogError),
}

impl BuildError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Certificate(error) => error.hint(),
            Self::TargetAuthorities(error) => error.hint(),
            Self::Tls(_) => String::from("this build of the cryptography library lacks what TLS 1.2 and 1.3 need"),
            Self::Bind(error) => error.hint().to_owned(),
            Self::AccessLog(error) => error.hint().to_owned(),
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(error) => error.fmt(f),
            Self::TargetAuthorities(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
            Self::AccessLog(error) => error.fmt(f),
        }
    }
}

impl Error for BuildError {}

impl App {
    /// Builds everything that `settings` describes and binds its sockets.
    ///
    /// # Errors
    /// `BuildError` with the first part that cannot be had.
    pub fn build(settings: Settings) -> Result<Self, BuildError> {
        let (store, certificates) =
            load(&settings, wall()).map_err(|error| BuildError::Certificate(Box::new(error)))?;
        let covered = store.names().cloned().collect();
        let tickets = Tickets::new().map_err(BuildError::Tls)?;
        let tls = ServerTls::build(store, &tickets).map_err(BuildError::Tls)?;
        // Ours acts first, and knows why; the kernel's is for what we cannot see.
        let give_up = settings.timeouts.stalled_answer * 2;
        let bound = |binds: &[ListenAddr]| bind(binds, settings.workers, give_up).map_err(BuildError::Bind);
        let open = |listener: &ListenerSettings| if listener.enabled { bound(&listener.bind) } else { Ok(Vec::new()) };
        let PerService { app, api, files } = &settings.legacy;
        let metrics = Metrics::new(settings.workers.get());
        let keys = Arc::new(KeyWatch::new(metrics.worker(0)));
        Ok(Self {
            https: open(&settings.https)?,
            http: open(&settings.http)?,
            legacy: PerService { app: bound(app)?, api: bound(api)?, files: bound(files)? },
            access: AccessWriter::start(&settings.access_log, wall).map_err(BuildError::AccessLog)?,
            shield: Arc::new(Shield::new(&settings.protection, Arc::clone(&keys))),
            keys,
            metrics,
            groups: Arc::new(groups(&settings, None)?),
            tls: Arc::new(tls),
            covered,
            settings: Arc::new(settings),
            certificates,
        })
    }

    /// What it runs by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The certificates in use, with what is to be said about them.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The addresses that https is spoken on.
    pub fn https_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.https.iter().map(|bound| bound.addr)
    }

    /// The addresses that http is spoken on.
    pub fn http_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.http.iter().map(|bound| bound.addr)
    }

    /// The listeners of the legacy ports, with their addresses.
    pub fn legacy_addresses(&self) -> impl Iterator<Item = (ListenerKind, SocketAddr)> {
        let all = self.legacy.iter();
        all.flat_map(|(service, bound)| bound.iter().map(move |bound| (ListenerKind::Legacy(service), bound.addr)))
    }

    /// The port that clients reach https on: the public one, else the one we listen on.
    #[must_use]
    pub fn https_port(&self) -> u16 {
        let bound = self.https.first().map(|bound| bound.addr.port());
        self.settings.https.public_port.or(bound).unwrap_or(443)
    }
}

/// The groups that `settings` describes. Targets that `previous` has too go on with what is known of them.
///
/// # Errors
/// `BuildError` when the authorities of a service's targets cannot be read.
pub(super) fn groups(
    settings: &Settings,
    previous: Option<&PerService<Group>>,
) -> Result<PerService<Group>, BuildError> {
    let group = |service| {
        let ca = settings.services.get(service).ca.as_deref();
        let tls = ca.map(ClientTls::load).transpose().map_err(BuildError::TargetAuthorities)?;
        Ok(Group::build(service, settings, tls.as_ref(), previous.map(|previous| previous.get(service))))
    };
    Ok(PerService { app: group(ServiceName::App)?, api: group(ServiceName::Api)?, files: group(ServiceName::Files)? })
}
