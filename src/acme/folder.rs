//! The folder of one authority, which several instances may share.
//!
//! ```text
//! <certificate_folder>/acme/<authority>/
//!   account.json      the account with its key, mode 0600
//!   certificate.pem   the chain and its key in one file (so that they change together), mode 0600
//!   new.pem           one that was issued and is not taken in
//!   attempts.json     when orders were begun, and how many failed
//!   ledger.json       how the last orders ended, and who issued
//!   dns-records.json  records in the DNS that are to be removed
//!   challenges/       what is answered by http at the moment
//!   lock              held by the one instance that orders
//! ```
//!
//! The second authority's folder has its account alone: all else is in the first one's, whoever issued.

use super::ledger::{LedgerEntry, moment};
use crate::domain::renewal::Attempts;
use crate::domain::settings::{AuthoritySettings, CertificateFiles, Settings};
use crate::tls::{LoadError, LoadedCertificate, load_pair, replace_file};
use instant_acme::AccountCredentials;
use serde_json::{Value, json};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Bytes of one of our own small files.
const FILE_MAX: u64 = 1024 * 1024;

/// Orders that the ledger remembers: the last weeks of a proxy that fails as often as it may.
const LEDGER_MAX: usize = 100;

/// The folder of one authority.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The one that `settings` mean. Nothing is made yet.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self(settings.certificate_folder.join("acme").join(settings.acme.directory.folder_name()))
    }

    /// The one with the account at `authority`, beside this one. Nothing is made yet.
    pub(super) fn beside(&self, authority: &AuthoritySettings) -> Self {
        Self(self.0.with_file_name(authority.directory.folder_name()))
    }

    /// One that is thrown away.
    pub(super) const fn at(path: PathBuf) -> Self {
        Self(path)
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

    /// Removes what orders that were cut off left behind, and nothing else: a network file system keeps files of its
    /// own there while somebody reads one that was removed.
    pub(super) fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.challenges())? {
            let entry = entry?;
            let foreign = entry.file_name().as_encoded_bytes().starts_with(b".nfs");
            if entry.file_type()?.is_file() && !foreign {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Takes a new certificate in, once it is seen that it can be served at `now`.
    pub(super) fn install(&self, text: &str, now: SystemTime) -> Result<(), InstallError> {
        let new = self.new_file();
        replace_file(&new, text, 0o600).map_err(InstallError::Unwritable)?;
        load(new, now).map_err(InstallError::Unusable)?;
        self.take_new().map_err(InstallError::Unwritable)
    }

    /// Takes in what an earlier order obtained and could not be served then, where it fits now. Authorities issue only
    /// so many for the same names.
    pub(super) fn take_issued(
        &self,
        now: SystemTime,
        fits: impl FnOnce(&LoadedCertificate) -> bool,
    ) -> io::Result<Issued> {
        match load(self.new_file(), now) {
            Ok(issued) if fits(&issued) => self.take_new().map(|()| Issued::TakenIn),
            Ok(_) => Ok(Issued::None),
            Err(error) => Ok(error.begins().map_or(Issued::None, Issued::TooEarly)),
        }
    }

    /// Whether there may be one.
    pub(super) fn has_issued(&self) -> bool {
        self.new_file().exists()
    }

    fn new_file(&self) -> PathBuf {
        self.0.join("new.pem")
    }

    fn take_new(&self) -> io::Result<()> {
        fs::rename(self.new_file(), self.certificate_file())?;
        // The name is safe only once the folder is written as well.
        File::open(&self.0)?.sync_all()
    }

    /// The account, if there is one; `Ok(Err)` for a file that holds none.
    pub(super) fn account(&self) -> io::Result<Option<Result<AccountCredentials, serde_json::Error>>> {
        match self.read("account.json") {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn keep_account(&self, account: &AccountCredentials) -> io::Result<()> {
        let text = Zeroizing::new(serde_json::to_string(account).map_err(io::Error::other)?);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        replace_file(&self.0.join("account.json"), &text, 0o600)
    }

    /// Sets an account aside that is of no use any more; `why` becomes part of its name.
    pub(super) fn forget_account(&self, why: &str) -> io::Result<()> {
        fs::rename(self.0.join("account.json"), self.0.join(format!("account-{why}.json")))
    }

    /// Records in the DNS that are to be removed, as they were noted.
    pub(super) fn records(&self) -> Option<String> {
        String::from_utf8(self.read("dns-records.json").ok()?.to_vec()).ok()
    }

    pub(super) fn keep_records(&self, noted: &str) -> io::Result<()> {
        replace_file(&self.0.join("dns-records.json"), noted, 0o600)
    }

    pub(super) fn forget_records(&self) -> io::Result<()> {
        fs::remove_file(self.0.join("dns-records.json"))
    }

    /// How the last orders ended, oldest first; nothing where that cannot be read, because it is only told.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        let text = self.read("ledger.json").unwrap_or_default();
        let value = serde_json::from_slice::<Value>(&text).unwrap_or_default();
        value.as_array().into_iter().flatten().filter_map(LedgerEntry::from_json).collect()
    }

    pub(super) fn note(&self, entry: LedgerEntry) -> io::Result<()> {
        let mut entries = self.ledger();
        entries.push(entry);
        let kept = entries.iter().skip(entries.len().saturating_sub(LEDGER_MAX)).map(LedgerEntry::to_json);
        replace_file(&self.0.join("ledger.json"), &Value::from(kept.collect::<Vec<_>>()).to_string(), 0o600)
    }

    /// One of our own small files; more than they ever hold is not read.
    fn read(&self, name: &str) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::new());
        File::open(self.0.join(name))?.take(FILE_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// What was tried; nothing where that cannot be read, because it only slows us down.
    pub(super) fn attempts(&self) -> Attempts {
        let text = self.read("attempts.json").unwrap_or_default();
        let value = serde_json::from_slice::<Value>(&text).unwrap_or_default();
        let moment = |value: &Value| moment(value.as_u64()?);
        Attempts {
            begun: value.get("begun").and_then(Value::as_array).into_iter().flatten().filter_map(moment).collect(),
            failures: value
                .get("failures")
                .and_then(Value::as_u64)
                .and_then(|count| count.try_into().ok())
                .unwrap_or(0),
            patience: value.get("patience").and_then(moment),
            second_patience: value.get("second_patience").and_then(moment),
        }
    }

    pub(super) fn keep_attempts(&self, attempts: &Attempts) -> io::Result<()> {
        let seconds = |at: &SystemTime| at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let value = json!({
            "begun": attempts.begun.iter().map(seconds).collect::<Vec<_>>(),
            "failures": attempts.failures,
            "patience": attempts.patience.as_ref().map(seconds),
            "second_patience": attempts.second_patience.as_ref().map(seconds),
        });
        replace_file(&self.0.join("attempts.json"), &value.to_string(), 0o600)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// What became of a certificate that an earlier order obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Issued {
    /// There is none that is of use.
    None,
    /// It is the certificate now.
    TakenIn,
    /// By this machine's clock it begins only then.
    TooEarly(SystemTime),
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
    use crate::domain::names::HostName;
    use crate::domain::settings::Domains;
    use crate::tls::{LocalNames, ensure_local};
    use std::num::NonZeroUsize;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

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
        let (patience, second_patience) = (Some(at(9)), Some(at(11)));
        let attempts = Attempts { begun: vec![at(5), at(7)], failures: 2, patience, second_patience };
        folder.keep_attempts(&attempts).unwrap();
        assert_eq!(folder.attempts(), attempts);
        for nonsense in [
            "",
            "[]",
            "{\"begun\": 3, \"failures\": -1}",
            "{\"begun\": [\"x\", 18446744073709551615]}",
            "{\"patience\": 253402300800}",
        ] {
            fs::write(folder.path().join("attempts.json"), nonsense).unwrap();
            assert_eq!(folder.attempts(), Attempts::default(), "{nonsense}");
        }
    }

    #[test]
    fn the_ledger_keeps_the_last_orders_and_nonsense_is_none() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        let entry = |second: usize| LedgerEntry {
            at: UNIX_EPOCH + Duration::from_secs(second as u64),
            authority: String::from("https://ca.example/dir"),
            names: vec![String::from("*.site.test")],
            outcome: if second.is_multiple_of(2) {
                Ok(Some(String::from("aki.serial")))
            } else {
                Err(String::from("no"))
            },
        };
        for second in 0..LEDGER_MAX + 5 {
            folder.note(entry(second)).unwrap();
        }
        let kept = folder.ledger();
        assert_eq!((kept.len(), &kept[0], kept.last()), (LEDGER_MAX, &entry(5), Some(&entry(LEDGER_MAX + 4))));
        for nonsense in [
            "",
            "{}",
            "[1, {\"at\": -1}, {\"at\": 1, \"authority\": [], \"names\": 4}]",
            "[{\"at\": 253402300800, \"authority\": \"x\", \"names\": []}]",
        ] {
            fs::write(folder.path().join("ledger.json"), nonsense).unwrap();
            assert_eq!(folder.ledger(), [], "{nonsense}");
        }
        folder.note(entry(2)).unwrap();
        assert_eq!(folder.ledger(), [entry(2)]);
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
    fn a_clock_that_is_wrong_takes_nothing_in_and_nothing_away() {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        let now = UNIX_EPOCH + 57 * YEAR;
        let names = LocalNames::below(&HostName::parse("site.test").unwrap());
        let made = ensure_local(root.path(), &[names], YEAR / 4, now).unwrap();
        let text = fs::read_to_string(made.certificates[0].file()).unwrap();
        folder.install(&text, now).unwrap();
        for wrong in [now - YEAR, now + YEAR] {
            assert!(matches!(folder.install(&text, wrong), Err(InstallError::Unusable(_))));
            assert_eq!(fs::read_to_string(folder.certificate_file()).unwrap(), text);
        }
        assert!(folder.certificate(now).unwrap().is_some());
    }

    #[test]
    fn what_came_too_early_is_taken_in_when_the_clock_is_right() {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        let now = UNIX_EPOCH + 57 * YEAR;
        assert_eq!(folder.take_issued(now, |_| true).unwrap(), Issued::None);
        let names = LocalNames::below(&HostName::parse("site.test").unwrap());
        let made = ensure_local(root.path(), &[names], YEAR / 4, now).unwrap();
        let text = fs::read_to_string(made.certificates[0].file()).unwrap();
        assert!(matches!(folder.install(&text, now - YEAR), Err(InstallError::Unusable(_))));
        let begins = made.certificates[0].not_before();
        assert_eq!(folder.take_issued(now - YEAR, |_| true).unwrap(), Issued::TooEarly(begins));
        assert_eq!(folder.take_issued(now, |_| false).unwrap(), Issued::None, "for other names");
        assert!(folder.certificate(now).unwrap().is_none());
        assert_eq!(folder.take_issued(now, |_| true).unwrap(), Issued::TakenIn);
        assert!(folder.certificate(now).unwrap().is_some());
        assert_eq!(folder.take_issued(now, |_| true).unwrap(), Issued::None);
    }

    #[test]
    fn only_answers_are_swept_away() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        let at = |name: &str| folder.challenges().join(name);
        fs::create_dir(at("lost+found")).unwrap();
        for name in ["tok-en", ".new-x1", ".nfs0001"] {
            fs::write(at(name), "x").unwrap();
        }
        folder.sweep().unwrap();
        let left = fs::read_dir(folder.challenges()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left = left.map(|name| name.into_string().unwrap()).collect::<Vec<_>>();
        left.sort();
        assert_eq!(left, [".nfs0001", "lost+found"]);
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
