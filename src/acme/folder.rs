//! The folder of one authority, which several instances may share.
//!
//! ```text
//! <certificate_folder>/acme/<authority>/
//!   account.json      the account with its key, mode 0600
//!   certificate.pem   the chain and its key in one file (so that they change together), mode 0600
//!   attempts.json     when orders were begun, and how many failed
//!   challenges/       what is answered by http at the moment
//!   lock              held by the one instance that orders
//! ```

use crate::domain::renewal::Attempts;
use crate::domain::settings::{CertificateFiles, Settings};
use crate::tls::{LoadError, LoadedCertificate, load_pair, replace_file};
use instant_acme::AccountCredentials;
use serde_json::{Value, json};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The folder of one authority.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The one that `settings` mean. Nothing is made yet.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self(settings.certificate_folder.join("acme").join(settings.acme.directory.folder_name()))
    }

    /// The file with the certificate and its key.
    #[must_use]
    pub fn certificate_file(&self) -> PathBuf {
        self.0.join("certificate.pem")
    }

    /// The certificate, if there is one that can be served at `now`.
    ///
    /// # Errors
    /// `LoadError` when there is one that cannot.
    pub fn certificate(&self, now: SystemTime) -> Result<Option<LoadedCertificate>, LoadError> {
        let file = self.certificate_file();
        match fs::exists(&file) {
            Ok(false) => Ok(None),
            _ => load(file, now).map(Some),
        }
    }

    pub(super) fn challenges(&self) -> PathBuf {
        self.0.join("challenges")
    }

    /// Makes the folders, for this user alone.
    pub(super) fn make(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.challenges())
    }

    /// The right to order; `None` while another instance has it. Dropping it gives it back, as does the process's end.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        let file = File::options().create(true).truncate(false).write(true).open(self.0.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some network file systems have no locks; one instance alone is safe there too.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(Some(file)),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Removes what orders that were cut off left behind.
    pub(super) fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.challenges())? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    /// Takes a new certificate in, once it is seen that it can be served at `now`.
    pub(super) fn install(&self, text: &str, now: SystemTime) -> Result<(), InstallError> {
        let new = self.0.join("new.pem");
        replace_file(&new, text, 0o600).map_err(InstallError::Unwritable)?;
        load(new.clone(), now).map_err(InstallError::Unusable)?;
        fs::rename(&new, self.certificate_file()).map_err(InstallError::Unwritable)?;
        // The name is safe only once the folder is written as well.
        File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(InstallError::Unwritable)
    }

    pub(super) fn account(&self) -> io::Result<Option<AccountCredentials>> {
        match fs::read_to_string(self.0.join("account.json")) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn keep_account(&self, account: &AccountCredentials) -> io::Result<()> {
        let text = serde_json::to_string(account).map_err(io::Error::other)?;
        replace_file(&self.0.join("account.json"), &text, 0o600)
    }

    /// Sets an account aside that the authority does not know any more.
    pub(super) fn forget_account(&self) -> io::Result<()> {
        fs::rename(self.0.join("account.json"), self.0.join("account-unknown.json"))
    }

    /// What was tried; nothing where that cannot be read, because it only slows us down.
    pub(super) fn attempts(&self) -> Attempts {
        let text = fs::read_to_string(self.0.join("attempts.json")).unwrap_or_default();
        let value = serde_json::from_str::<Value>(&text).unwrap_or_default();
        let moment = |value: &Value| UNIX_EPOCH.checked_add(Duration::from_secs(value.as_u64()?));
        Attempts {
            begun: value.get("begun").and_then(Value::as_array).into_iter().flatten().filter_map(moment).collect(),
            failures: value
                .get("failures")
                .and_then(Value::as_u64)
                .and_then(|count| count.try_into().ok())
                .unwrap_or(0),
            patience: value.get("patience").and_then(moment),
        }
    }

    pub(super) fn keep_attempts(&self, attempts: &Attempts) -> io::Result<()> {
        let seconds = |at: &SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let value = json!({
            "begun": attempts.begun.iter().map(seconds).collect::<Vec<_>>(),
            "failures": attempts.failures,
            "patience": attempts.patience.as_ref().map(seconds),
        });
        replace_file(&self.0.join("attempts.json"), &value.to_string(), 0o600)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// Why a new certificate is not taken in; the one before is still there.
#[derive(Debug)]
pub(super) enum InstallError {
    Unwritable(io::Error),
    Unusable(LoadError),
}

fn load(file: PathBuf, now: SystemTime) -> Result<LoadedCertificate, LoadError> {
    load_pair(&CertificateFiles { chain: file.clone(), key: file }, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settings::Domains;
    use std::num::NonZeroUsize;
    use std::os::unix::fs::PermissionsExt;

    fn folder(root: &Path) -> Folder {
        let settings = Settings {
            certificate_folder: root.to_owned(),
            ..Settings::public(Domains::Listed(Vec::new()), NonZeroUsize::MIN)
        };
        let folder = Folder::of(&settings);
        folder.make().unwrap();
        folder
    }

    #[test]
    fn attempts_survive_and_nonsense_is_none() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        assert_eq!(folder.attempts(), Attempts::default());
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let attempts = Attempts { begun: vec![at(5), at(7)], failures: 2, patience: Some(at(9)) };
        folder.keep_attempts(&attempts).unwrap();
        assert_eq!(folder.attempts(), attempts);
        for nonsense in ["", "[]", "{\"begun\": 3, \"failures\": -1}", "{\"begun\": [\"x\", 18446744073709551615]}"] {
            fs::write(folder.path().join("attempts.json"), nonsense).unwrap();
            assert_eq!(folder.attempts(), Attempts::default(), "{nonsense}");
        }
    }

    #[test]
    fn one_instance_orders_and_nobody_else_can_read() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        let held = folder.lock().unwrap();
        assert!(held.is_some() && folder.lock().unwrap().is_none());
        drop(held);
        assert!(folder.lock().unwrap().is_some());
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_cannot_be_served_is_not_taken_in() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        fs::write(folder.certificate_file(), "the one in use").unwrap();
        for text in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(folder.install(text, UNIX_EPOCH), Err(InstallError::Unusable(_))), "{text}");
            assert_eq!(fs::read_to_string(folder.certificate_file()).unwrap(), "the one in use");
        }
    }
}
