//! The leaf that an authority of the operator's has signed, kept so that a start does not need another one.
//!
//! ```text
//! <certificate_folder>/issued/
//!   leaf.pem   the leaf, its issuers without the root, and its key, mode 0600
//!   lock       held while it is made
//! ```

use super::load::{LoadedCertificate, load_pair};
use super::local_ca::{AuthorityState, LocalAuthority, LocalCertificates, due, lock, write};
use super::local_ca_error::{LocalCaError, LocalCaProblem};
use super::signer::{Signer, SignerError};
use crate::domain::names::{HostName, NamePattern};
use crate::domain::settings::CertificateFiles;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// Where the leaf is, below `folder`.
#[must_use]
pub fn issued_file(folder: &Path) -> PathBuf {
    folder.join("issued").join("leaf.pem")
}

/// Finds or makes a leaf for `hosts`, signed by the authority in `files`; good for `life`.
///
/// Where it is there and not due, nothing is written. It waits for another process that makes one.
///
/// # Errors
/// `LocalCaError` with the file: the authority cannot sign, or the folder cannot be written.
pub fn ensure_issued(
    folder: &Path,
    files: &CertificateFiles,
    hosts: &[HostName],
    life: Duration,
    now: SystemTime,
) -> Result<LocalCertificates, LocalCaError> {
    let of_signer = |error: SignerError| {
        let file = error.file().to_owned();
        LocalCaError::of(&file, LocalCaProblem::Signer(Box::new(error)))
    };
    let signer = Signer::load(files, now).map_err(of_signer)?;
    let file = issued_file(folder);
    let names = hosts.iter().cloned().map(NamePattern::Exact).collect::<Vec<_>>();
    let existing = || {
        let leaf = load(&file, &signer, now).ok().filter(|leaf| leaf.names() == names && now <= due(leaf, life));
        leaf.filter(|leaf| leaf.chain().next().is_some_and(|leaf| signer.issued(leaf)))
    };
    let certificate = match existing() {
        Some(leaf) => leaf,
        None => {
            let folder = file.parent().unwrap_or(folder);
            fs::create_dir_all(folder).map_err(|error| LocalCaError::of(folder, LocalCaProblem::Unwritable(error)))?;
            let _lock = lock(folder)?;
            match existing() {
                Some(made_meanwhile) => made_meanwhile,
                None => {
                    let issued = signer.issue(&names, life, now).map_err(of_signer)?;
                    let text = Zeroizing::new(format!("{}{}", issued.chain, issued.key.as_str()));
                    write(&file, &text, 0o600)?;
                    load(&file, &signer, now)?
                }
            }
        }
    };
    let authority = LocalAuthority { hosts: hosts.to_vec(), file: files.chain.clone(), state: AuthorityState::Given };
    let mut made = LocalCertificates::default();
    made.add(certificate, authority, life, now);
    Ok(made)
}

fn load(file: &Path, signer: &Signer, now: SystemTime) -> Result<LoadedCertificate, LocalCaError> {
    let files = CertificateFiles { chain: file.to_owned(), key: file.to_owned() };
    let mut leaf =
        load_pair(&files, now).map_err(|error| LocalCaError::of(file, LocalCaProblem::Certificate(error)))?;
    signer.anchor(&mut leaf);
    Ok(leaf)
}

#[cfg(test)]
mod tests;
