//! The certificates that `Settings` asks for: from files, else from the local CA.

use crate::domain::names::{HostName, ServiceName};
use crate::domain::settings::{Domains, Settings};
use crate::tls::{CertStore, LoadError, LocalAuthority, LocalCaError, ensure_local, load_pair};
use std::error::Error;
use std::fmt;
use std::time::SystemTime;

/// What is to be said about the certificates in use.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The local authorities that clients must trust, one for each domain; none with certificates from files.
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
            Self::NoDomain => String::from("set domain, or certificates with a chain and a key file"),
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(errors) => {
                let lines = errors.iter().map(ToString::to_string).collect::<Vec<_>>();
                f.write_str(&lines.join("\n"))
            }
            Self::Local(error) => error.fmt(f),
            Self::NoDomain => {
                f.write_str("no certificate: none is configured, and without a domain the local CA cannot make one")
            }
        }
    }
}

impl Error for CertificateError {}

/// Loads or makes the certificates.
pub(super) fn load(settings: &Settings, now: SystemTime) -> Result<(CertStore, Certificates), CertificateError> {
    if settings.certificates.is_empty() {
        return local(settings, now);
    }
    let (mut loaded, mut errors) = (Vec::new(), Vec::new());
    for files in &settings.certificates {
        match load_pair(files, now) {
            Ok(certificate) => loaded.push(certificate),
            Err(error) => errors.push(error),
        }
    }
    let store = if errors.is_empty() { CertStore::new(loaded).ok() } else { None };
    let store = store.ok_or(CertificateError::Load(errors))?;
    let uncovered = store.uncovered(&served(settings));
    Ok((store, Certificates { authorities: Vec::new(), uncovered }))
}

fn local(settings: &Settings, now: SystemTime) -> Result<(CertStore, Certificates), CertificateError> {
    let Domains::Listed(domains) = &settings.domains else { return Err(CertificateError::NoDomain) };
    let made = ensure_local(&settings.certificate_folder, domains, now).map_err(CertificateError::Local)?;
    let store = CertStore::new(made.certificates).map_err(|_| CertificateError::NoDomain)?;
    Ok((store, Certificates { authorities: made.authorities, uncovered: Vec::new() }))
}

/// The names that clients use.
fn served(settings: &Settings) -> Vec<HostName> {
    match &settings.domains {
        Domains::Any => Vec::new(),
        Domains::Listed(domains) => {
            domains.iter().flat_map(|domain| ServiceName::ALL.map(|service| domain.with_label(service))).collect()
        }
    }
}
