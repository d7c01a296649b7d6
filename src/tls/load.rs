//! Certificates and keys from PEM files, checked before anything is served with them.
//!
//! Owns: the order of the chain, that the key fits, dates, names and file permissions.
//! Leaves: reading the files to `pem_file`; which certificate answers for which name to `store`; the meaning of X.509
//! fields to `chain`; what is weak to `lint`.

use super::chain::{self, Link};
use super::lint::lint;
use super::load_error::{LoadError, LoadProblem};
use super::pem_file::{read_certificates, read_key};
use super::strength::{KeyKind, RSA_BITS_MIN};
use super::warning::CertificateWarning;
use crate::domain::names::NamePattern;
use crate::domain::settings::CertificateFiles;
use ::aws_lc_rs::digest::{SHA256, digest};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A leaf with less time left than this is worth a warning, or a third of a short life: whoever renews it is late.
const EXPIRY_WARNING: Duration = Duration::from_secs(30 * 24 * 3600);

/// A certificate that can be served: its chain in order, its key checked against it.
#[derive(Clone)]
pub struct LoadedCertificate {
    pub(super) key: Arc<CertifiedKey>,
    file: PathBuf,
    names: Vec<NamePattern>,
    not_before: SystemTime,
    not_after: SystemTime,
    pub(super) warnings: Vec<CertificateWarning>,
}

impl LoadedCertificate {
    /// The names it covers; at least one.
    #[must_use]
    pub fn names(&self) -> &[NamePattern] {
        &self.names
    }

    /// The first moment the leaf is valid.
    #[must_use]
    pub const fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The last moment the leaf is valid.
    #[must_use]
    pub const fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// The chain as it is sent, in DER, leaf first.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.key.cert.iter().map(AsRef::as_ref)
    }

    /// What names it among all certificates of all authorities: the id of its issuer's key, then its number.
    #[must_use]
    pub fn renewal_id(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        self.key.cert.first().and_then(Link::parse)?.renewal_id()
    }

    /// What names it among all there are: the SHA-256 of the leaf.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        let leaf = self.key.cert.first().map_or(&[][..], |leaf| leaf.as_ref());
        digest(&SHA256, leaf).as_ref().try_into().unwrap_or_default()
    }

    /// Whether it was due to be replaced, in vain.
    #[must_use]
    pub fn could_not_be_replaced(&self) -> bool {
        self.warnings.iter().any(|warning| matches!(warning, CertificateWarning::NotRenewed { .. }))
    }

    /// What deserves a look although it can be served.
    #[must_use]
    pub fn warnings(&self) -> &[CertificateWarning] {
        &self.warnings
    }

    /// Whether its issuer is neither sent nor known to be what clients trust.
    #[must_use]
    pub fn lacks_issuer(&self) -> bool {
        self.warnings.iter().any(|warning| matches!(warning, CertificateWarning::MissingIssuer { .. }))
    }

    /// The file the chain came from.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Tells it the authority that clients know; `false` when that authority did not issue the chain's last certificate.
    pub(super) fn anchor(&mut self, authority: &Link<'_>) -> bool {
        let last = self.key.cert.last().and_then(Link::parse);
        let issued = last.is_some_and(|last| last.is_issued_by(authority));
        if issued {
            self.warnings.retain(|warning| !matches!(warning, CertificateWarning::MissingIssuer { .. }));
        }
        issued
    }
}

impl fmt::Debug for LoadedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedCertificate")
            .field("file", &self.file)
            .field("names", &self.names)
            .field("not_after", &self.not_after)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// Loads a chain and its key and checks that clients can work with them at `now`.
///
/// The leaf is the certificate that the key belongs to; its issuers may stand in any order, and the key may stand
/// in the same file. What clients would refuse is an error, what works but needs a look is a warning.
///
/// # Errors
/// `LoadError` with the file and the first problem found in it.
pub fn load_pair(files: &CertificateFiles, now: SystemTime) -> Result<LoadedCertificate, LoadError> {
    load_again(files, now, |_| false)
}

/// The same, beside what runs: a leaf that is `in_use` already may have expired since. To refuse it would not end its use,
/// and would stand in the way of everything else.
///
/// # Errors
/// `LoadError` with the file and the first problem found in it.
pub fn load_again(
    files: &CertificateFiles,
    now: SystemTime,
    in_use: impl Fn(&[u8]) -> bool,
) -> Result<LoadedCertificate, LoadError> {
    let certificates = read_certificates(&files.chain)?;
    let key = signing_key(&files.key, &certificates)?;
    let mut loaded = check(files, certificates, &key, now, in_use)?;
    loaded.warnings.extend(permission_warning(&files.key));
    Ok(loaded)
}

fn check(
    files: &CertificateFiles,
    certificates: Vec<CertificateDer<'static>>,
    key: &Arc<dyn SigningKey>,
    now: SystemTime,
    in_use: impl Fn(&[u8]) -> bool,
) -> Result<LoadedCertificate, LoadError> {
    let fail = |problem| LoadError { file: files.chain.clone(), problem };
    let mut links = Vec::with_capacity(certificates.len());
    for (position, der) in certificates.iter().enumerate() {
        links.push(Link::parse(der).ok_or_else(|| fail(LoadProblem::NotACertificate(position + 1)))?);
    }
    let fits =
        |der: &CertificateDer<'static>| CertifiedKey::new(vec![der.clone()], Arc::clone(key)).keys_match().is_ok();
    let found = certificates.iter().position(fits).and_then(|position| Some((position, links.get(position)?)));
    let Some((position, leaf)) = found else {
        let subject = links.first().map(Link::subject).unwrap_or_default();
        let problem = LoadProblem::KeyMismatch { subject, chain: files.chain.clone() };
        return Err(LoadError { file: files.key.clone(), problem });
    };
    let path = chain::order(&links, position);
    let mut warnings = check_path(&links, &path, now).map_err(fail)?;
    let in_use = certificates.get(position).is_some_and(|leaf| in_use(leaf));
    let names = check_leaf(leaf, now, in_use, &mut warnings).map_err(fail)?;
    let (not_before, not_after) = (leaf.not_before(), leaf.not_after());
    let sent = path.iter().filter_map(|position| certificates.get(*position).cloned()).collect::<Vec<_>>();
    warnings.extend(lint(&sent, now));
    Ok(LoadedCertificate {
        key: Arc::new(CertifiedKey::new(sent, Arc::clone(key))),
        file: files.chain.clone(),
        names,
        not_before,
        not_after,
        warnings,
    })
}

/// The leaf's own dates, purpose and names.
fn check_leaf(
    leaf: &Link<'_>,
    now: SystemTime,
    in_use: bool,
    warnings: &mut Vec<CertificateWarning>,
) -> Result<Vec<NamePattern>, LoadProblem> {
    let expired = now > leaf.not_after();
    if expired && !in_use {
        return Err(LoadProblem::Expired(leaf.not_after()));
    }
    if now < leaf.not_before() {
        return Err(LoadProblem::NotYetValid { not_before: leaf.not_before(), now });
    }
    if !leaf.allows_servers() {
        return Err(LoadProblem::NotForServers);
    }
    let names = leaf.dns_names();
    if names.patterns.is_empty() {
        return Err(LoadProblem::NoNames { common_name: leaf.common_name().map(str::to_owned) });
    }
    let life = leaf.not_after().duration_since(leaf.not_before()).unwrap_or_default();
    if expired {
        warnings.push(CertificateWarning::Expired { not_after: leaf.not_after() });
    } else if now + EXPIRY_WARNING.min(life / 3) > leaf.not_after() {
        warnings.push(CertificateWarning::ExpiresSoon { not_after: leaf.not_after() });
    }
    warnings.extend(names.ignored.into_iter().map(|name| CertificateWarning::IgnoredName { name }));
    Ok(names.patterns)
}

/// How the certificates above the leaf hang together.
fn check_path(links: &[Link<'_>], path: &[usize], now: SystemTime) -> Result<Vec<CertificateWarning>, LoadProblem> {
    let mut warnings = Vec::new();
    let in_path = || path.iter().filter_map(|position| links.get(*position));
    let unused = links.iter().enumerate().filter(|(position, _)| !path.contains(position)).map(|(_, link)| link);
    let is_sent = |link: &Link<'_>| in_path().any(|sent| sent.is_same_as(link));
    let Some(leaf) = in_path().next() else { return Ok(warnings) };
    if path.len() == 1 && leaf.is_self_signed() {
        warnings.push(CertificateWarning::SelfSigned);
    } else if path.len() == 1 {
        if links.iter().any(|link| !link.is_same_as(leaf)) {
            return Err(LoadProblem::WrongIssuer { subject: leaf.subject(), issuer: leaf.issuer() });
        }
        warnings.push(CertificateWarning::MissingIssuer { issuer: leaf.issuer() });
    } else if !path.is_sorted() {
        warnings.push(CertificateWarning::Reordered);
    }
    for link in in_path().skip(1).filter(|link| !link.is_valid_at(now)) {
        warnings.push(CertificateWarning::IssuerOutOfDate { subject: link.subject(), not_after: link.not_after() });
    }
    warnings.extend(unused.map(|link| match is_sent(link) {
        true => CertificateWarning::Duplicate { subject: link.subject() },
        false => CertificateWarning::Unrelated { subject: link.subject() },
    }));
    Ok(warnings)
}

/// The key of `file` as the handshake needs it; `chain` says what kind it is where that is refused.
fn signing_key(file: &Path, chain: &[CertificateDer<'static>]) -> Result<Arc<dyn SigningKey>, LoadError> {
    let loaded = aws_lc_rs::default_provider().key_provider.load_private_key(read_key(file)?);
    loaded.map_err(|error| {
        let kind = chain.first().and_then(Link::parse).map(|leaf| leaf.key_kind());
        let weak = kind.filter(|kind| matches!(kind, KeyKind::Rsa(bits) if *bits < RSA_BITS_MIN));
        let problem = weak.map_or_else(|| LoadProblem::UnsupportedKey(error), LoadProblem::WeakKey);
        LoadError { file: file.to_owned(), problem }
    })
}

/// A group may share a key on purpose (`ssl-cert` on Debian); everybody may not.
pub(super) fn permission_warning(file: &Path) -> Option<CertificateWarning> {
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o7777;
    (mode & 0o007 != 0).then(|| CertificateWarning::KeyReadable { file: file.to_owned(), mode })
}

#[cfg(test)]
mod tests;
