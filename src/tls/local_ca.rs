//! The local authority: made on first use, with the leaf it issued.
//!
//! Owns: the files below `<certificate_folder>/local/<name>/`, when each is reused, renewed or refused.
//! Leaves: what stands in the certificates to `issue`, installing the authority on clients to the operator.
//! Limits: an authority lives 10 years and is renewed a month and a leaf's life before its end; a leaf is replaced when
//! a third of its life is left. An authority that is there keeps the names that it was made for: further names get
//! another one, because clients have to be given anything new by hand.
//!
//! ```text
//! ca.pem     the authority's certificate: clients are given this one
//! ca.key     its key, mode 0600; may be taken away, and is then missed at the next renewal
//! leaf.pem   the certificate served and its key in one file (so that they change together), mode 0600
//! lock       held while files are made
//! ```

use super::chain::Link;
use super::issue;
use super::load::{LoadedCertificate, load_pair, permission_warning};
use super::load_error::LoadProblem;
use super::local_ca_error::{LocalCaError, LocalCaProblem};
use super::local_names::LocalNames;
use super::pem_file::read_certificates;
use super::replace::replace_file;
use super::warning::CertificateWarning;
use crate::domain::names::{HostName, NamePattern};
use crate::domain::settings::CertificateFiles;
use crate::runtime::open_file;
use rcgen::{KeyPair, PublicKeyData};
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// An authority with less than this and a leaf's life left is renewed, so that no leaf outlives its issuer.
const AUTHORITY_MARGIN: Duration = Duration::from_secs(30 * 24 * 3600);

/// After a leaf could not be replaced. What is there is good for a while yet.
pub const RETRY: Duration = Duration::from_secs(3_600);

/// Bytes of a key's file that are looked at.
const KEY_SIZE_MAX: u64 = 64 * 1024;

/// What `ensure` found or made.
#[derive(Debug, Default)]
pub struct LocalCertificates {
    /// One for each of the names, in their order.
    pub certificates: Vec<LoadedCertificate>,
    /// One for each of the names, in their order.
    pub authorities: Vec<LocalAuthority>,
    /// When the first of them is due to be replaced, or to be tried again.
    pub renew_at: Option<SystemTime>,
}

impl LocalCertificates {
    /// Takes `certificate` in, made for `life` or found at `now`.
    pub(super) fn add(
        &mut self,
        certificate: LoadedCertificate,
        authority: LocalAuthority,
        life: Duration,
        now: SystemTime,
    ) {
        let due =
            if certificate.could_not_be_replaced() { now + RETRY.min(life / 10) } else { due(&certificate, life) };
        self.renew_at = Some(self.renew_at.map_or(due, |earlier| earlier.min(due)));
        self.certificates.push(certificate);
        self.authorities.push(authority);
    }
}

/// When `leaf` is replaced: with a third of its life left, also where its authority's end cut it short.
pub(super) fn due(leaf: &LoadedCertificate, life: Duration) -> SystemTime {
    let own = leaf.not_after().duration_since(leaf.not_before()).unwrap_or_default();
    leaf.not_after() - life.min(own) / 3
}

/// One authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAuthority {
    /// The hosts that its leaf covers.
    pub hosts: Vec<HostName>,
    /// Its certificate, for clients to trust.
    pub file: PathBuf,
    /// Where it comes from.
    pub state: AuthorityState,
}

/// Where an authority comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityState {
    /// It was there.
    Reused,
    /// It is the one that is configured.
    Given,
    /// It was made now.
    Created,
    /// It was near its end and got a new certificate for the same key; clients need the new file before that day.
    Renewed {
        /// The end of the old certificate.
        old_end: SystemTime,
    },
}

impl fmt::Display for AuthorityState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reused => f.write_str("reused"),
            Self::Given => f.write_str("given"),
            Self::Created => f.write_str("created"),
            Self::Renewed { old_end } => {
                write!(f, "renewed; give clients the new file before {}", OffsetDateTime::from(*old_end).date())
            }
        }
    }
}

/// `all` as the authorities below `folder` can have them: each is limited to the names that it was made for, so
/// what came later is moved to another one.
#[must_use]
pub fn settled(folder: &Path, all: &[LocalNames]) -> Vec<LocalNames> {
    let mut settled = Vec::new();
    for names in all {
        let mut rest = Some(names.clone());
        while let Some(names) = rest.take() {
            let place = Place { folder: names.folder(folder), names: &names, life: Duration::ZERO };
            let (kept, outside) = match place.limits() {
                Some(permitted) => names.split(permitted),
                None => (names, None),
            };
            settled.push(kept);
            rest = outside;
        }
    }
    settled
}

/// Finds or makes an authority and a leaf for each of `all`, below `folder/local`; leaves are good for `life`.
///
/// Where all is there and no leaf is due, nothing is written, so the folder may then be read-only. Two processes at
/// once end up with the same files. A leaf that is due and cannot be replaced is used for as long as it is good.
/// It waits for the other process, so it belongs to no worker.
///
/// # Errors
/// `LocalCaError` with the file; nothing that clients may trust is ever overwritten on doubt.
pub fn ensure(
    folder: &Path,
    all: &[LocalNames],
    life: Duration,
    now: SystemTime,
) -> Result<LocalCertificates, LocalCaError> {
    let mut local = LocalCertificates::default();
    for names in &settled(folder, all) {
        let place = Place { folder: names.folder(folder), names, life };
        let (certificate, state) = match place.existing(now) {
            Some(certificate) => (certificate, AuthorityState::Reused),
            None => place.make(now).or_else(|error| place.spare(error, now))?,
        };
        let authority = LocalAuthority { hosts: names.hosts().to_vec(), file: place.ca_certificate(), state };
        local.add(certificate, authority, life, now);
    }
    Ok(local)
}

/// The files of one authority.
struct Place<'a> {
    folder: PathBuf,
    names: &'a LocalNames,
    /// Of a leaf.
    life: Duration,
}

impl Place<'_> {
    fn ca_certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    fn ca_key(&self) -> PathBuf {
        self.folder.join("ca.key")
    }

    fn leaf(&self) -> PathBuf {
        self.folder.join("leaf.pem")
    }

    /// The leaf, when it and its authority are there and good for long enough.
    fn existing(&self, now: SystemTime) -> Option<LoadedCertificate> {
        let certificates = read_certificates(&self.ca_certificate()).ok()?;
        let authority = Link::parse(certificates.first()?)?;
        if authority.not_before() > now || authority.not_after() < now + self.life + AUTHORITY_MARGIN {
            return None;
        }
        match self.read_key() {
            Ok(key) if !self.is_ours(&authority, key.as_ref()) => return None,
            Ok(_) => {}
            // A leaf can be served without the authority's key, which may be kept from this user on purpose.
            Err(LocalCaError { problem: LocalCaProblem::KeyUnreadable(cause), .. })
                if cause.kind() == ErrorKind::PermissionDenied => {}
            Err(_) => return None,
        }
        let leaf = self.load_leaf(&authority, now).ok()?;
        (now <= due(&leaf, self.life) && self.has_our_names(&leaf)).then_some(leaf)
    }

    /// The leaf that should be replaced and could not be, where it is good all the same.
    fn spare(&self, error: LocalCaError, now: SystemTime) -> Result<(LoadedCertificate, AuthorityState), LocalCaError> {
        let found = if error.spares_the_leaf() { read_certificates(&self.ca_certificate()).ok() } else { None };
        let authority = found.as_ref().and_then(|found| found.first()).and_then(Link::parse);
        let authority = authority.filter(|authority| self.is_ours(authority, None));
        let leaf = authority.and_then(|authority| self.load_leaf(&authority, now).ok());
        let Some(mut leaf) = leaf.filter(|leaf| self.has_our_names(leaf)) else { return Err(error) };
        leaf.warnings.push(CertificateWarning::NotRenewed { reason: error.told() });
        Ok((leaf, AuthorityState::Reused))
    }

    /// The names that the authority on disk is limited to, where it was made here.
    fn limits(&self) -> Option<Vec<HostName>> {
        let certificates = read_certificates(&self.ca_certificate()).ok()?;
        let authority = Link::parse(certificates.first()?)?;
        let permitted = authority.permitted_dns().into_iter().map(HostName::parse);
        let permitted = permitted.collect::<Result<Vec<_>, _>>().ok()?;
        (!permitted.is_empty() && self.is_ours_by_name(&authority)).then_some(permitted)
    }

    /// Makes what is missing.
    fn make(&self, now: SystemTime) -> Result<(LoadedCertificate, AuthorityState), LocalCaError> {
        fs::create_dir_all(&self.folder).map_err(|error| fail(&self.folder, LocalCaProblem::Unwritable(error)))?;
        // Dropping the file at the end of this function gives the lock back, and so does the end of the process.
        let _lock = lock(&self.folder)?;
        if let Some(made_meanwhile) = self.existing(now) {
            return Ok((made_meanwhile, AuthorityState::Reused));
        }
        let (key, state) = self.authority(now)?;
        let generation = |error| fail(&self.leaf(), LocalCaProblem::Generation(error));
        let text = issue::leaf(self.names, key, self.life, now).map_err(generation)?;
        write(&self.leaf(), &text, 0o600)?;
        let certificates = self.read_ca()?.unwrap_or_default();
        let authority = certificates.first().and_then(Link::parse);
        let authority = authority.ok_or_else(|| fail(&self.ca_certificate(), LocalCaProblem::Foreign))?;
        Ok((self.load_leaf(&authority, now)?, state))
    }

    /// The authority's key, with its certificate on disk and good for long enough.
    fn authority(&self, now: SystemTime) -> Result<(KeyPair, AuthorityState), LocalCaError> {
        let file = self.ca_certificate();
        let certificates = self.read_ca()?;
        let key = self.read_key()?;
        let Some(certificates) = certificates else {
            // A key alone is what a crash between the two writes leaves behind.
            let key = key.map_or_else(|| self.new_key(), Ok)?;
            self.write_authority(&key, now)?;
            return Ok((key, AuthorityState::Created));
        };
        let key = key.ok_or_else(|| fail(&self.ca_key(), LocalCaProblem::KeyMissing))?;
        let authority = certificates.first().and_then(Link::parse);
        let authority = authority.filter(|authority| self.is_ours(authority, Some(&key)));
        let authority = authority.ok_or_else(|| fail(&file, LocalCaProblem::Foreign))?;
        if authority.not_before() > now {
            return Err(fail(&file, LocalCaProblem::NotYetValid(authority.not_before())));
        }
        if authority.not_after() < now + self.life + AUTHORITY_MARGIN {
            self.write_authority(&key, now)?;
            return Ok((key, AuthorityState::Renewed { old_end: authority.not_after() }));
        }
        Ok((key, AuthorityState::Reused))
    }

    fn new_key(&self) -> Result<KeyPair, LocalCaError> {
        let key = KeyPair::generate().map_err(|error| fail(&self.ca_key(), LocalCaProblem::Generation(error)))?;
        write(&self.ca_key(), &Zeroizing::new(key.serialize_pem()), 0o600)?;
        Ok(key)
    }

    fn write_authority(&self, key: &KeyPair, now: SystemTime) -> Result<(), LocalCaError> {
        let file = self.ca_certificate();
        let text =
            issue::authority(self.names, key, now).map_err(|error| fail(&file, LocalCaProblem::Generation(error)))?;
        write(&file, &text, 0o644)
    }

    /// Whether `authority` is what `issue` makes for these names, with `key` where there is one.
    fn is_ours(&self, authority: &Link<'_>, key: Option<&KeyPair>) -> bool {
        self.is_ours_by_name(authority)
            && authority.permitted_dns().into_iter().eq(self.names.permitted.iter().map(HostName::as_str))
            && key.is_none_or(|key| key.subject_public_key_info() == authority.public_key())
    }

    fn is_ours_by_name(&self, authority: &Link<'_>) -> bool {
        authority.is_authority()
            && authority.is_self_signed()
            && authority.common_name() == Some(issue::authority_name(self.names).as_str())
    }

    fn has_our_names(&self, leaf: &LoadedCertificate) -> bool {
        let expected = self.names.leaf.iter().cloned().map(NamePattern::Exact);
        expected.eq(leaf.names().iter().cloned())
    }

    fn load_leaf(&self, authority: &Link<'_>, now: SystemTime) -> Result<LoadedCertificate, LocalCaError> {
        let files = CertificateFiles { chain: self.leaf(), key: self.leaf() };
        let mut leaf =
            load_pair(&files, now).map_err(|error| fail(&files.chain, LocalCaProblem::Certificate(error)))?;
        if !leaf.anchor(authority) {
            return Err(fail(&self.ca_certificate(), LocalCaProblem::Foreign));
        }
        leaf.warnings.extend(permission_warning(&self.ca_key()));
        Ok(leaf)
    }

    fn read_ca(&self) -> Result<Option<Vec<rustls::pki_types::CertificateDer<'static>>>, LocalCaError> {
        let file = self.ca_certificate();
        match read_certificates(&file) {
            Ok(certificates) => Ok(Some(certificates)),
            Err(error) => match error.problem() {
                LoadProblem::Unreadable(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
                _ => Err(fail(&file, LocalCaProblem::Certificate(error))),
            },
        }
    }

    fn read_key(&self) -> Result<Option<KeyPair>, LocalCaError> {
        let file = self.ca_key();
        let read = open_file(&file).and_then(|opened| {
            let mut text = Zeroizing::new(String::new());
            opened.take(KEY_SIZE_MAX).read_to_string(&mut text)?;
            Ok(text)
        });
        match read {
            Ok(text) => {
                KeyPair::from_pem(&text).map(Some).map_err(|error| fail(&file, LocalCaProblem::KeyBroken(error)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fail(&file, LocalCaProblem::KeyUnreadable(error))),
        }
    }
}

/// Looks for a lock that another process holds, and the pause between them: making certificates takes milliseconds.
const LOCK_LOOKS: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// Holds the lock of `folder` until the file is dropped, or the process ends. Waits five seconds at most.
pub(super) fn lock(folder: &Path) -> Result<File, LocalCaError> {
    let path = folder.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| fail(&path, LocalCaProblem::Unwritable(error)))?;
    for _ in 0..LOCK_LOOKS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            // Some network file systems have no locks; one process alone is safe there too.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(fail(&path, LocalCaProblem::Unlockable(error))),
        }
    }
    let held = std::io::Error::new(ErrorKind::TimedOut, "another process holds it");
    Err(fail(&path, LocalCaProblem::Unlockable(held)))
}

/// Puts a file there, whole.
pub(super) fn write(file: &Path, text: &str, mode: u32) -> Result<(), LocalCaError> {
    replace_file(file, text, mode).map_err(|error| fail(file, LocalCaProblem::Unwritable(error)))
}

fn fail(file: &Path, problem: LocalCaProblem) -> LocalCaError {
    LocalCaError::of(file, problem)
}

#[cfg(test)]
mod tests;
