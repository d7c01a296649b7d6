//! The certificates that `Settings` asks for: from files, else from the local CA.

use super::causes::told;
use crate::acme::Folder;
use crate::domain::names::{HostName, NamePattern, ServiceName};
use crate::domain::settings::{Domains, Layout, Settings};
use crate::telemetry::CertificateRefusal;
use crate::tls::{
    CertStore, CertificateWarning, LoadError, LocalAuthority, LocalCaError, LocalCertificates, LocalNames,
    ensure_issued, ensure_local, load_again, settled,
};
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use time::OffsetDateTime;

/// What is to be said about the certificates in use.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The local authorities that clients must trust; none with certificates from files.
    pub authorities: Vec<LocalAuthority>,
    /// Names that are served but that no certificate covers.
    pub uncovered: Vec<HostName>,
    /// When the first of those that are signed here is due to be replaced.
    pub renew_at: Option<SystemTime>,
}

/// The certificates in use, where others are loaded in their place.
#[derive(Debug)]
pub(super) struct InUse {
    pub(super) store: Arc<CertStore>,
    pub(super) about: Certificates,
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

impl Certificates {
    /// Of those that do for all names, and that others see to.
    const fn from_elsewhere() -> Self {
        Self { authorities: Vec::new(), uncovered: Vec::new(), renew_at: None }
    }
}

impl InUse {
    /// What is served, where it was not signed here and does for all names of `layout`: clients that trust it would
    /// refuse what is signed here.
    fn stays(&self, layout: &Layout) -> Option<CertStore> {
        let signed_here = !self.about.authorities.is_empty() || self.about.renew_at.is_some();
        let does = !signed_here && self.store.uncovered(&served(layout)).is_empty();
        if does { CertStore::new(self.store.certificates().to_vec()).ok() } else { None }
    }
}

impl CertificateError {
    /// What is wrong, for a counter; each file by itself.
    pub(super) fn reasons(&self) -> Vec<CertificateRefusal> {
        match self {
            Self::Load(errors) => errors.iter().map(LoadError::reason).collect(),
            Self::Local(_) => vec![CertificateRefusal::Authority],
            Self::NoDomain => vec![CertificateRefusal::Names],
        }
    }

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
            Self::Load(errors) => f.write_str(&errors.iter().map(|error| told(error)).collect::<Vec<_>>().join("\n")),
            Self::Local(error) => f.write_str(&told(error)),
            Self::NoDomain => {
                f.write_str("no certificate: none is configured, and without a host name the local CA cannot make one")
            }
        }
    }
}

impl Error for CertificateError {}

/// A day on which this version was not there yet, in seconds: 1 November 2026. A clock that says less is wrong.
const BEFORE_THIS_VERSION: u64 = 1_793_491_200;

/// Whether this machine's clock cannot be right.
pub(super) fn clock_is_behind(now: SystemTime) -> bool {
    now.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.as_secs() < BEFORE_THIS_VERSION)
}

pub(super) fn clock_message(now: SystemTime) -> String {
    let day = OffsetDateTime::from(now).date();
    format!("this machine's clock says {day}, before this program was made; certificates are judged by it: set it")
}

/// Said of a name that is served.
pub(super) const UNCOVERED: &str = "no certificate covers this name; clients will refuse it";

/// Loads or makes the certificates, beside those that are `in_use` already, and logs what is to be said about them.
pub(super) fn load(
    settings: &Settings,
    now: SystemTime,
    in_use: Option<&InUse>,
) -> Result<(CertStore, Certificates), CertificateError> {
    let (store, about) = match settings.certificates.is_empty() {
        _ if settings.acme.enabled => obtained(settings, now, in_use),
        true => local(settings, now),
        false => from_files(settings, now, in_use.map(|in_use| &*in_use.store)),
    }?;
    if clock_is_behind(now) {
        tracing::warn!("{}", clock_message(now));
    }
    warn(&store, &about);
    Ok((store, about))
}

pub(super) fn from_files(
    settings: &Settings,
    now: SystemTime,
    in_use: Option<&CertStore>,
) -> Result<(CertStore, Certificates), CertificateError> {
    let (mut loaded, mut errors) = (Vec::new(), Vec::new());
    for files in &settings.certificates {
        match load_again(files, now, |leaf| in_use.is_some_and(|store| store.serves(leaf))) {
            Ok(certificate) => loaded.push(certificate),
            Err(error) => errors.push(error),
        }
    }
    let store = if errors.is_empty() { CertStore::new(loaded).ok() } else { None };
    let store = store.ok_or(CertificateError::Load(errors))?;
    let uncovered = store.uncovered(&served(&settings.layout));
    Ok((store, Certificates { authorities: Vec::new(), uncovered, renew_at: None }))
}

/// The certificate from the authority; with those of the local CA for as long as it does not do for all names.
fn obtained(
    settings: &Settings,
    now: SystemTime,
    in_use: Option<&InUse>,
) -> Result<(CertStore, Certificates), CertificateError> {
    let found = Folder::of(settings).certificate(now).unwrap_or_else(|error| {
        tracing::warn!(error = told(&error), "the certificate from the authority cannot be served");
        None
    });
    let store = CertStore::new(found.into_iter().collect()).ok();
    let store = match store.map(|store| (store.uncovered(&served(&settings.layout)).is_empty(), store)) {
        Some((true, store)) => return Ok((store, Certificates::from_elsewhere())),
        Some((false, store)) => Some(store),
        None => match in_use.and_then(|in_use| in_use.stays(&settings.layout)) {
            Some(store) => {
                tracing::warn!("the certificates in use stay until there is one from the authority");
                return Ok((store, Certificates::from_elsewhere()));
            }
            None => None,
        },
    };
    tracing::info!("certificates of the local authority are served until those from the authority are there");
    let LocalCertificates { certificates: made, authorities, renew_at } = sign(settings, now)?;
    let certificates = store.into_iter().flat_map(CertStore::into_certificates).chain(made).collect();
    let store = CertStore::new(certificates).map_err(|_| CertificateError::NoDomain)?;
    Ok((store, Certificates { authorities, uncovered: Vec::new(), renew_at }))
}

fn local(settings: &Settings, now: SystemTime) -> Result<(CertStore, Certificates), CertificateError> {
    let LocalCertificates { certificates, authorities, renew_at } = sign(settings, now)?;
    let store = CertStore::new(certificates).map_err(|_| CertificateError::NoDomain)?;
    Ok((store, Certificates { authorities, uncovered: Vec::new(), renew_at }))
}

/// The certificates that are signed here: by the authority that is configured, else by local ones.
fn sign(settings: &Settings, now: SystemTime) -> Result<LocalCertificates, CertificateError> {
    let wanted = authorities(&settings.layout);
    if wanted.is_empty() {
        return Err(CertificateError::NoDomain);
    }
    let (folder, life) = (&settings.certificate_folder, settings.local_ca.leaf_life);
    let made = match settings.local_ca.files() {
        Some(files) => {
            let hosts = wanted.iter().flat_map(LocalNames::hosts).cloned().collect::<Vec<_>>();
            ensure_issued(folder, &files, &hosts, life, now)
        }
        None => ensure_local(folder, &wanted, life, now),
    };
    made.map_err(CertificateError::Local)
}

/// Where the certificate lies, or will lie, that clients must trust for `host`; `None` where others see to that.
#[must_use]
pub fn authority_file(settings: &Settings, host: &str) -> Option<PathBuf> {
    if !settings.certificates.is_empty() || settings.acme.enabled {
        return None;
    }
    if let Some(files) = settings.local_ca.files() {
        return Some(files.chain);
    }
    let folder = &settings.certificate_folder;
    let names = settled(folder, &authorities(&settings.layout)).into_iter().find(|names| names.covers(host))?;
    Some(names.certificate_file(folder))
}

/// What local authorities `layout` needs: one for each domain, one for all free hosts, one for each single host.
pub(super) fn authorities(layout: &Layout) -> Vec<LocalNames> {
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
pub(super) fn losses(
    store: &CertStore,
    about: &Certificates,
    old: &CertStore,
    before: &Certificates,
) -> Vec<(CertificateRefusal, String)> {
    let uncovered = about.uncovered.iter().filter(|name| !before.uncovered.contains(name));
    let uncovered = uncovered.map(|name| (CertificateRefusal::Names, format!("no certificate covers {name}")));
    let complete = |name: &NamePattern| {
        old.certificates().iter().any(|other| other.names().contains(name) && !other.lacks_issuer())
    };
    let incomplete = store.certificates().iter().filter(|certificate| certificate.lacks_issuer());
    let incomplete = incomplete.filter(|certificate| certificate.names().iter().any(complete)).map(|certificate| {
        let message = format!("{} lacks its issuer; the one in use has it", certificate.file().display());
        (CertificateRefusal::Chain, message)
    });
    uncovered.chain(incomplete).collect()
}

/// Says what is not as it should be, though nothing that stops a start.
fn warn(store: &CertStore, about: &Certificates) {
    for certificate in store.certificates() {
        // Its end is spoken of by `upkeep`, once and not at every reload.
        let end = |warning: &&CertificateWarning| matches!(warning, CertificateWarning::ExpiresSoon { .. });
        for warning in certificate.warnings().iter().filter(|warning| !end(warning)) {
            let file = certificate.file().display();
            match warning {
                CertificateWarning::Expired { .. } => tracing::error!(%file, %warning, "certificate"),
                _ => tracing::warn!(%file, %warning, "certificate"),
            }
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

/// The names to ask an authority for: those that clients use; with wildcards, those and the domains themselves.
pub(super) fn ordered(layout: &Layout, wildcard: bool) -> Vec<NamePattern> {
    let wild = listed(layout).iter().filter(|_| wildcard);
    let mut names = wild
        .flat_map(|domain| [NamePattern::Wildcard(domain.clone()), NamePattern::Exact(domain.clone())])
        .collect::<Vec<_>>();
    for name in served(layout) {
        if !names.iter().any(|pattern| pattern.covers(name.as_str())) {
            names.push(NamePattern::Exact(name));
        }
    }
    names
}

/// The names that clients use.
pub(super) fn served(layout: &Layout) -> Vec<HostName> {
    let below = listed(layout).iter().flat_map(|domain| ServiceName::ALL.map(|service| domain.with_label(service)));
    let hosts = ServiceName::ALL.into_iter().flat_map(|service| layout.hosts.get(service));
    below.chain(hosts.chain(&layout.single).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_clock_before_this_version_is_told_from_a_right_one() {
        for (seconds, behind) in [(0, true), (BEFORE_THIS_VERSION - 1, true), (BEFORE_THIS_VERSION, false)] {
            assert_eq!(clock_is_behind(UNIX_EPOCH + Duration::from_secs(seconds)), behind, "{seconds}");
        }
        assert!(clock_message(UNIX_EPOCH).contains("says 1970-01-01"));
    }

    #[test]
    fn wildcards_take_the_place_of_what_they_cover() {
        let name = |text: &str| HostName::parse(text).unwrap();
        let mut layout = Layout::below(Domains::Listed(vec![name("a.test")]));
        layout.hosts.app = vec![name("clearml.b.test"), name("x.a.test")];
        layout.single = vec![name("a.test")];
        let shown = |wildcard| ordered(&layout, wildcard).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(shown(false), ["app.a.test", "api.a.test", "files.a.test", "clearml.b.test", "x.a.test", "a.test"]);
        assert_eq!(shown(true), ["*.a.test", "a.test", "clearml.b.test"]);
    }
}
