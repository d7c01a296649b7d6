//! The local authority: made on first use, with the leaf it issued.
//!
//! Owns: the files below `<certificate_folder>/local/<name>/`, when each is reused, renewed or refused.
//! Leaves: what stands in the certificates to `issue`, installing the authority on clients to the operator.
//! Limits: an authority lives 10 years and is renewed 120 days before its end, a leaf 90 days and 30.
//!
//! ```text
//! ca.pem     the authority's certificate: clients are given this one
//! ca.key     its key, mode 0600; may be taken away, and is then missed at the next renewal
//! leaf.pem   the certificate served and its key in one file (so that they change together), mode 0600
//! lock       held while files are made
//! ```

use super::chain::Link;
use super::issue;
use super::load::{LoadedCertificate, load_pair, permission_warning, read_certificates};
use super::load_error::{LoadError, LoadProblem};
use super::local_names::LocalNames;
use super::replace::replace_file;
use crate::domain::names::{HostName, NamePattern};
use crate::domain::settings::CertificateFiles;
use rcgen::{KeyPair, PublicKeyData};
use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// A leaf with less than this left is replaced.
const LEAF_LEFT_MIN: Duration = Duration::from_secs(30 * 24 * 3600);

/// An authority with less than this left is renewed: more than a leaf's life, so that no leaf outlives its issuer.
const AUTHORITY_LEFT_MIN: Duration = Duration::from_secs(120 * 24 * 3600);

/// What `ensure` found or made.
#[derive(Debug, Default)]
pub struct LocalCertificates {
    /// One for each of the names, in their order.
    pub certificates: Vec<LoadedCertificate>,
    /// One for each of the names, in their order.
    pub authorities: Vec<LocalAuthority>,
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
            Self::Created => f.write_str("created"),
            Self::Renewed { old_end } => {
                write!(f, "renewed; give clients the new file before {}", OffsetDateTime::from(*old_end).date())
            }
        }
    }
}

/// Why there is no local certificate. Its message names the file, its `hint` what to do.
#[derive(Debug)]
pub struct LocalCaError {
    file: PathBuf,
    problem: LocalCaProblem,
}

/// What went wrong.
#[derive(Debug)]
pub enum LocalCaProblem {
    /// The folder or a file in it cannot be written.
    Unwritable(io::Error),
    /// The lock cannot be taken.
    Unlockable(io::Error),
    /// The authority's key cannot be read.
    KeyUnreadable(io::Error),
    /// The authority's key is no key.
    KeyBroken(rcgen::Error),
    /// The authority's key is gone, and a new leaf is due.
    KeyMissing,
    /// The authority's certificate cannot be used, or the leaf just made cannot.
    Certificate(LoadError),
    /// The authority's certificate is not the one that was made here with this key for these names.
    Foreign,
    /// The authority's time has not begun.
    NotYetValid(SystemTime),
    /// No key or certificate could be made.
    Generation(rcgen::Error),
}

impl LocalCaError {
    /// The file or folder with the problem.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The problem.
    #[must_use]
    pub const fn problem(&self) -> &LocalCaProblem {
        &self.problem
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.problem {
            LocalCaProblem::Unwritable(_) | LocalCaProblem::Unlockable(_) => String::from(
                "make the folder writable for the user that runs this program, set `certificate_folder` to another, \
                 or name your own `certificates`",
            ),
            LocalCaProblem::KeyUnreadable(_) => String::from("let the user that runs this program read the file"),
            LocalCaProblem::KeyBroken(_) | LocalCaProblem::KeyMissing | LocalCaProblem::Foreign => {
                let folder = self.file.parent().unwrap_or(&self.file).display();
                format!(
                    "bring back the file that was there, or move {folder} away: a new authority is then made, \
                     which clients must be given anew"
                )
            }
            LocalCaProblem::Certificate(error) => error.hint(),
            LocalCaProblem::NotYetValid(_) => String::from("check this machine's clock"),
            LocalCaProblem::Generation(_) => String::from("name your own `certificates`"),
        }
    }
}

impl fmt::Display for LocalCaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            LocalCaProblem::Unwritable(_) => f.write_str("local certificates cannot be written")?,
            LocalCaProblem::Unlockable(_) => f.write_str("lock of the local certificates cannot be taken")?,
            LocalCaProblem::KeyUnreadable(_) => f.write_str("local CA's key cannot be read")?,
            LocalCaProblem::KeyBroken(_) => f.write_str("local CA's key is broken")?,
            LocalCaProblem::KeyMissing => f.write_str("local CA's key is missing")?,
            LocalCaProblem::Certificate(_) => f.write_str("local certificate cannot be used")?,
            LocalCaProblem::Foreign => f.write_str("local CA's certificate was not made here with this key")?,
            LocalCaProblem::NotYetValid(at) => {
                write!(f, "local CA is not valid before {}", OffsetDateTime::from(*at).date())?;
            }
            LocalCaProblem::Generation(_) => f.write_str("local certificate cannot be made")?,
        }
        write!(f, ": {}", self.file.display())
    }
}

impl Error for LocalCaError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            LocalCaProblem::Unwritable(error)
            | LocalCaProblem::Unlockable(error)
            | LocalCaProblem::KeyUnreadable(error) => Some(error),
            LocalCaProblem::KeyBroken(error) | LocalCaProblem::Generation(error) => Some(error),
            LocalCaProblem::Certificate(error) => Some(error),
            LocalCaProblem::KeyMissing | LocalCaProblem::Foreign | LocalCaProblem::NotYetValid(_) => None,
        }
    }
}

/// Finds or makes an authority and a leaf for each of `all`, below `folder/local`.
///
/// Where all is there and good for 30 days more,
/// nothing is written, so the folder may then be read-only. Two processes at once end up with the same files.
/// It waits for the other process, so it belongs to the start, not on a worker.
///
/// # Errors
/// `LocalCaError` with the file; nothing that clients may trust is ever overwritten on doubt.
pub fn ensure(folder: &Path, all: &[LocalNames], now: SystemTime) -> Result<LocalCertificates, LocalCaError> {
    let mut local = LocalCertificates::default();
    for names in all {
        let place = Place { folder: names.folder(folder), names };
        let (certificate, state) = match place.existing(now) {
            Some(certificate) => (certificate, AuthorityState::Reused),
            None => place.make(now)?,
        };
        local.certificates.push(certificate);
        local.authorities.push(LocalAuthority { hosts: names.leaf.clone(), file: place.ca_certificate(), state });
    }
    Ok(local)
}

/// The files of one authority.
struct Place<'a> {
    folder: PathBuf,
    names: &'a LocalNames,
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
        if authority.not_before() > now || authority.not_after() < now + AUTHORITY_LEFT_MIN {
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
        (leaf.not_after() >= now + LEAF_LEFT_MIN && self.has_our_names(&leaf)).then_some(leaf)
    }

    /// Makes what is missing.
    fn make(&self, now: SystemTime) -> Result<(LoadedCertificate, AuthorityState), LocalCaError> {
        fs::create_dir_all(&self.folder).map_err(|error| fail(&self.folder, LocalCaProblem::Unwritable(error)))?;
        // Dropping the file at the end of this function gives the lock back, and so does the end of the process.
        let _lock = self.lock()?;
        if let Some(made_meanwhile) = self.existing(now) {
            return Ok((made_meanwhile, AuthorityState::Reused));
        }
        let (key, state) = self.authority(now)?;
        let generation = |error| fail(&self.leaf(), LocalCaProblem::Generation(error));
        let text = issue::leaf(self.names, key, now).map_err(generation)?;
        write(&self.leaf(), &text, 0o600)?;
        let certificates = self.read_ca()?.unwrap_or_default();
        let authority = certificates.first().and_then(Link::parse);
        let authority = authority.ok_or_else(|| fail(&self.ca_certificate(), LocalCaProblem::Foreign))?;
        Ok((self.load_leaf(&authority, now)?, state))
    }

    fn lock(&self) -> Result<File, LocalCaError> {
        let path = self.folder.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| fail(&path, LocalCaProblem::Unwritable(error)))?;
        match file.lock() {
            Ok(()) => Ok(file),
            // Some network file systems have no locks; one process alone is safe there too.
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(file),
            Err(error) => Err(fail(&path, LocalCaProblem::Unlockable(error))),
        }
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
        if authority.not_after() < now + AUTHORITY_LEFT_MIN {
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
        authority.is_authority()
            && authority.is_self_signed()
            && authority.common_name() == Some(issue::authority_name(self.names).as_str())
            && authority.permitted_dns().into_iter().eq(self.names.permitted.iter().map(HostName::as_str))
            && key.is_none_or(|key| key.subject_public_key_info() == authority.public_key())
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
        match fs::read_to_string(&file).map(Zeroizing::new) {
            Ok(text) => {
                KeyPair::from_pem(&text).map(Some).map_err(|error| fail(&file, LocalCaProblem::KeyBroken(error)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fail(&file, LocalCaProblem::KeyUnreadable(error))),
        }
    }
}

fn write(file: &Path, text: &str, mode: u32) -> Result<(), LocalCaError> {
    replace_file(file, text, mode).map_err(|error| fail(file, LocalCaProblem::Unwritable(error)))
}

fn fail(file: &Path, problem: LocalCaProblem) -> LocalCaError {
    LocalCaError { file: file.to_owned(), problem }
}

#[cfg(test)]
mod tests;
