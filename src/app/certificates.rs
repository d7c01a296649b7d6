//! The certificates that `Settings` asks for: from files, else from the local CA.

use crate::acme::Folder;
use crate::domain::names::{HostName, NamePattern, ServiceName};
use crate::domain::settings::{Domains, Layout, Settings};
use crate::runtime::wall;
use crate::tls::{CertStore, LoadError, LocalAuthority, LocalCaError, LocalNames, ensure_local, load_pair};
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

/// What is to be said about the certificates in use.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The local authorities that clients must trust; none with certificates from files.
    pub authorities: Vec<LocalAuthority>,
    /// Names that are served but that no certificate covers.
    pub uncovered: Vec<HostName>,
}

/// Why there are no certificates.
#[derive(Debug)]
pub enum CertificateError {
    /// Files that cannot be used: all of them.
    Load(Vec<LoadError>),
    /// The local CA cannot be used.
    Local(LocalCaError),
    /// Any domain is served, and none can be named in a certificate.
    NoDomain,
}

impl CertificateError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Load(errors) => errors.iter().map(LoadError::hint).collect::<Vec<_>>().join("\n"),
            Self::Local(error) => error.hint(),
            Self::NoDomain => {
                String::from("set domain, hosts or single_domain, or certificates with a chain and a key file")
            }
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(errors) => f.write_str(&errors.iter().map(told).collect::<Vec<_>>().join("\n")),
            Self::Local(error) => error.fmt(f),
            Self::NoDomain => {
                f.write_str("no certificate: none is configured, and without a host name the local CA cannot make one")
            }
        }
    }
}

impl Error for CertificateError {}

/// The error with its cause.
fn told(error: &LoadError) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// One thing that a start would say of the files that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The key that names it.
    pub key: &'static str,
    /// The file that it is about.
    pub file: Option<PathBuf>,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether it stops the start.
    pub stops: bool,
}

/// What a start would say of the certificates now. Files are only read; the local CA is left to the start.
pub(super) fn inspect(settings: &Settings) -> Vec<Finding> {
    let key = "certificates";
    let stopping = |file: Option<PathBuf>, message: String, hint: String| Finding {
        key,
        file,
        message,
        hint: Some(hint),
        stops: true,
    };
    let warning = |file: Option<PathBuf>, message: String| Finding { key, file, message, hint: None, stops: false };
    if settings.certificates.is_empty() {
        let error = CertificateError::NoDomain;
        let lacking = authorities(&settings.layout).is_empty();
        return lacking.then(|| stopping(None, error.to_string(), error.hint())).into_iter().collect();
    }
    match from_files(settings, wall()) {
        Ok((store, about)) => {
            let of_files = store.certificates().iter().flat_map(|certificate| {
                let file = certificate.file();
                certificate.warnings().iter().map(move |about| warning(Some(file.to_owned()), about.to_string()))
            });
            let uncovered = about.uncovered.iter().map(|name| warning(None, format!("{UNCOVERED}: {name}")));
            of_files.chain(uncovered).collect()
        }
        Err(CertificateError::Load(errors)) => {
            errors.iter().map(|error| stopping(Some(error.file().to_owned()), told(error), error.hint())).collect()
        }
        Err(error) => vec![stopping(None, error.to_string(), error.hint())],
    }
}

/// Said of a name that is served.
const UNCOVERED: &str = "no certificate covers this name; clients will refuse it";

/// Loads or makes the certificates, and logs what is to be said about them.
pub(super) fn load(settings: &Settings, now: SystemTime) -> Result<(CertStore, Certificates), CertificateError> {
    let (store, about) = match settings.certificates.is_empty() {
        _ if settings.acme.enabled => obtained(settings, now),
        true => local(settings, now),
        false => from_files(settings, now),
    }?;
    warn(&store, &about);
    Ok((store, about))
}

fn from_files(settings: &Settings, now: SystemTime) -> Result<(CertStore, Certificates), CertificateError> {
    let (mut loaded, mut errors) = (Vec::new(), Vec::new());
    for files in &settings.certificates {
        match load_pair(files, now) {
            Ok(certificate) => loaded.push(certificate),
            Err(error) => errors.push(error),
        }
    }
    let store = if errors.is_empty() { CertStore::new(loaded).ok() } else { None };
    let store = store.ok_or(CertificateError::Load(errors))?;
    let uncovered = store.uncovered(&served(&settings.layout));
    Ok((store, Certificates { authorities: Vec::new(), uncovered }))
}

/// The certificate from the authority; with those of the local CA for as long as it does not do for all names.
fn obtained(settings: &Settings, now: SystemTime) -> Result<(CertStore, Certificates), CertificateError> {
    let found = Folder::of(settings).certificate(now).unwrap_or_else(|error| {
        tracing::warn!(error = told(&error), "the certificate from the authority cannot be served");
        None
    });
    let store = CertStore::new(found.into_iter().collect()).ok();
    let store = match store.map(|store| (store.uncovered(&served(&settings.layout)).is_empty(), store)) {
        Some((true, store)) => {
            return Ok((store, Certificates { authorities: Vec::new(), uncovered: Vec::new() }));
        }
        Some((false, store)) => Some(store),
        None => None,
    };
    tracing::info!("certificates of the local authority are served until those from the authority are there");
    let wanted = authorities(&settings.layout);
    let made = ensure_local(&settings.certificate_folder, &wanted, now).map_err(CertificateError::Local)?;
    let certificates = store.into_iter().flat_map(CertStore::into_certificates).chain(made.certificates).collect();
    let store = CertStore::new(certificates).map_err(|_| CertificateError::NoDomain)?;
    Ok((store, Certificates { authorities: made.authorities, uncovered: Vec::new() }))
}

fn local(settings: &Settings, now: SystemTime) -> Result<(CertStore, Certificates), CertificateError> {
    let wanted = authorities(&settings.layout);
    if wanted.is_empty() {
        return Err(CertificateError::NoDomain);
    }
    let made = ensure_local(&settings.certificate_folder, &wanted, now).map_err(CertificateError::Local)?;
    let store = CertStore::new(made.certificates).map_err(|_| CertificateError::NoDomain)?;
    Ok((store, Certificates { authorities: made.authorities, uncovered: Vec::new() }))
}

/// Where the local authority's certificate lies, or will lie, that covers `host`; `None` with certificates from files.
#[must_use]
pub fn authority_file(settings: &Settings, host: &str) -> Option<PathBuf> {
    if !settings.certificates.is_empty() {
        return None;
    }
    let names = authorities(&settings.layout).into_iter().find(|names| names.covers(host))?;
    Some(names.certificate_file(&settings.certificate_folder))
}

/// What local authorities `layout` needs: one for each domain, one for all free hosts, one for each single host.
fn authorities(layout: &Layout) -> Vec<LocalNames> {
    let below = listed(layout).iter().map(LocalNames::below);
    let hosts = LocalNames::of(ServiceName::ALL.into_iter().flat_map(|service| layout.hosts.get(service).clone()));
    let single = layout.single.iter().filter_map(|host| LocalNames::of([host.clone()]));
    LocalNames::merged(below.chain(hosts).chain(single).collect())
}

fn listed(layout: &Layout) -> &[HostName] {
    match &layout.domains {
        Domains::Any => &[],
        Domains::Listed(domains) => domains,
    }
}

/// What `store` would take away from clients that `old` serves: names that are covered no more, and issuers that
/// are sent no more. What was so before is not held against it.
pub(super) fn losses(store: &CertStore, about: &Certificates, old: &CertStore, before: &Certificates) -> Vec<String> {
    let uncovered = about.uncovered.iter().filter(|name| !before.uncovered.contains(name));
    let uncovered = uncovered.map(|name| format!("no certificate covers {name}"));
    let complete = |name: &NamePattern| {
        old.certificates().iter().any(|other| other.names().contains(name) && !other.lacks_issuer())
    };
    let incomplete = store.certificates().iter().filter(|certificate| certificate.lacks_issuer());
    let incomplete = incomplete
        .filter(|certificate| certificate.names().iter().any(complete))
        .map(|certificate| format!("{} lacks its issuer; the one in use has it", certificate.file().display()));
    uncovered.chain(incomplete).collect()
}

/// Says what is not as it should be, though nothing that stops a start.
fn warn(store: &CertStore, about: &Certificates) {
    for certificate in store.certificates() {
        for warning in certificate.warnings() {
            tracing::warn!(file = %certificate.file().display(), %warning, "certificate");
        }
    }
    for name in &about.uncovered {
        tracing::warn!(%name, "{UNCOVERED}");
    }
    for authority in &about.authorities {
        let names = authority.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        tracing::info!(names, file = %authority.file.display(), state = %authority.state, "certificates come from the local authority; clients must trust it");
    }
}

/// The names that clients use.
pub(super) fn served(layout: &Layout) -> Vec<HostName> {
    let below = listed(layout).iter().flat_map(|domain| ServiceName::ALL.map(|service| domain.with_label(service)));
    let hosts = ServiceName::ALL.into_iter().flat_map(|service| layout.hosts.get(service));
    below.chain(hosts.chain(&layout.single).cloned()).collect()
}
