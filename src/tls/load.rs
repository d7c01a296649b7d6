//! Certificates and keys from PEM files, checked before anything is served with them.
//!
//! Owns: reading the files, the order of the chain, that the key fits, dates, names and file permissions.
//! Leaves: which certificate answers for which name to `store`; the meaning of X.509 fields to `chain`.
//! Limits: 1 MiB for each file.

use super::chain::{self, Link};
use super::load_error::{LoadError, LoadProblem};
use super::warning::CertificateWarning;
use crate::domain::names::NamePattern;
use crate::domain::settings::CertificateFiles;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// Bytes of one file. The longest chains seen have some 20 KiB; this is only against a wrong path.
const FILE_SIZE_MAX: u64 = 1024 * 1024;

/// A leaf with less time left than this is worth a warning: renewal by ACME clients is due at 30 days.
const EXPIRY_WARNING: Duration = Duration::from_secs(30 * 24 * 3600);

/// A certificate that can be served: its chain in order, its key checked against it.
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
    let certificates = read_certificates(&files.chain)?;
    let key = read_key(&files.key)?;
    let mut loaded = check(files, certificates, &key, now)?;
    loaded.warnings.extend(permission_warning(&files.key));
    Ok(loaded)
}

fn check(
    files: &CertificateFiles,
    certificates: Vec<CertificateDer<'static>>,
    key: &Arc<dyn SigningKey>,
    now: SystemTime,
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
    let names = check_leaf(leaf, now, &mut warnings).map_err(fail)?;
    let (not_before, not_after) = (leaf.not_before(), leaf.not_after());
    let sent = path.iter().filter_map(|position| certificates.get(*position).cloned()).collect();
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
    warnings: &mut Vec<CertificateWarning>,
) -> Result<Vec<NamePattern>, LoadProblem> {
    if now > leaf.not_after() {
        return Err(LoadProblem::Expired(leaf.not_after()));
    }
    if now < leaf.not_before() {
        return Err(LoadProblem::NotYetValid(leaf.not_before()));
    }
    if !leaf.allows_servers() {
        return Err(LoadProblem::NotForServers);
    }
    let names = leaf.dns_names();
    if names.patterns.is_empty() {
        return Err(LoadProblem::NoNames { common_name: leaf.common_name().map(str::to_owned) });
    }
    if now + EXPIRY_WARNING > leaf.not_after() {
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
    let Some(leaf) = in_path().next() else { return Ok(warnings) };
    if path.len() == 1 && leaf.is_self_signed() {
        warnings.push(CertificateWarning::SelfSigned);
    } else if path.len() == 1 {
        if links.len() > 1 {
            return Err(LoadProblem::WrongIssuer { subject: leaf.subject(), issuer: leaf.issuer() });
        }
        warnings.push(CertificateWarning::MissingIssuer { issuer: leaf.issuer() });
    } else if !path.is_sorted() {
        warnings.push(CertificateWarning::Reordered);
    }
    for link in in_path().skip(1).filter(|link| !link.is_valid_at(now)) {
        warnings.push(CertificateWarning::IssuerOutOfDate { subject: link.subject(), not_after: link.not_after() });
    }
    warnings.extend(unused.map(|link| CertificateWarning::Unrelated { subject: link.subject() }));
    Ok(warnings)
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    let fail = |problem| LoadError { file: file.to_owned(), problem };
    let mut bytes = Zeroizing::new(Vec::new());
    let opened = File::open(file).map_err(|error| fail(LoadProblem::Unreadable(error)))?;
    opened.take(FILE_SIZE_MAX + 1).read_to_end(&mut bytes).map_err(|error| fail(LoadProblem::Unreadable(error)))?;
    if bytes.len() as u64 > FILE_SIZE_MAX {
        return Err(fail(LoadProblem::TooLarge));
    }
    Ok(bytes)
}

/// Every certificate of a PEM file, as they stand there.
pub(super) fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let fail = |problem| LoadError { file: file.to_owned(), problem };
    let bytes = read(file)?;
    // Editors on Windows put a byte order mark first, which would hide the leaf.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let certificates = CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fail(LoadProblem::BrokenPem(error)))?;
    if certificates.is_empty() { Err(fail(LoadProblem::NoCertificate)) } else { Ok(certificates) }
}

fn read_key(file: &Path) -> Result<Arc<dyn SigningKey>, LoadError> {
    let fail = |problem| LoadError { file: file.to_owned(), problem };
    let bytes = read(file)?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    // RFC 7468 has its own label for it, the older form a header line.
    let marks: [&[u8]; 2] = [b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED"];
    if marks.iter().any(|mark| memchr::memmem::find(text, mark).is_some()) {
        return Err(fail(LoadProblem::EncryptedKey));
    }
    let key = PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => fail(LoadProblem::NoKey),
        other => fail(LoadProblem::BrokenPem(other)),
    })?;
    aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(key)
        .map_err(|error| fail(LoadProblem::UnsupportedKey(error)))
}

/// A group may share a key on purpose (`ssl-cert` on Debian); everybody may not.
pub(super) fn permission_warning(file: &Path) -> Option<CertificateWarning> {
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o7777;
    (mode & 0o007 != 0).then(|| CertificateWarning::KeyReadable { file: file.to_owned(), mode })
}

#[cfg(test)]
mod tests;
