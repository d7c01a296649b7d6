//! Inventory: every certificate that a configuration uses, looked at without starting anything or writing a file.

use super::causes::told;
use super::certificates::{authorities, served};
use crate::acme::Folder;
use crate::domain::names::{HostName, NamePattern};
use crate::domain::settings::{CertificateFiles, Settings};
use crate::tls::{
    CertificateDetails, CertificateWarning, LoadError, LoadedCertificate, Signer, describe_chain, describe_file,
    issued_file, load_pair, settled,
};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// Files that the configuration names.
    Files,
    /// An authority by ACME.
    Acme,
    /// It is signed here.
    Local,
    /// It signs here: clients are given it.
    Authority,
}

impl CertificateSource {
    /// For people and programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Acme => "acme",
            Self::Local => "local",
            Self::Authority => "authority",
        }
    }
}

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryEntry {
    /// Where it comes from.
    pub source: CertificateSource,
    /// Where it lies, or will lie.
    pub file: PathBuf,
    /// What stands in it and its issuers, as sent; empty where it is not there or cannot be read.
    pub certificates: Vec<CertificateDetails>,
    /// The configured hosts that it covers.
    pub covers: Vec<HostName>,
    /// Whether it is not there yet, and will be made or obtained by the running proxy.
    pub expected: bool,
    /// Why it cannot be used, and what to do about it.
    pub error: Option<(String, String)>,
    /// What deserves a look although it can be used.
    pub warnings: Vec<String>,
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// In the order in which they are chosen from, authorities after what they sign.
    pub entries: Vec<InventoryEntry>,
    /// Configured hosts that none covers.
    pub uncovered: Vec<HostName>,
}

/// What `settings` use, as it is at `now`.
#[must_use]
pub fn inventory(settings: &Settings, now: SystemTime) -> Inventory {
    let look = Look { hosts: served(&settings.layout), now };
    let mut entries = Vec::new();
    for files in &settings.certificates {
        entries.push(look.pair(CertificateSource::Files, files));
    }
    if settings.acme.enabled {
        entries.push(look.single(CertificateSource::Acme, Folder::of(settings).certificate_file()));
    }
    let covered = |entries: &[InventoryEntry], host: &HostName| entries.iter().any(|entry| entry.covers.contains(host));
    if settings.certificates.is_empty() && !look.hosts.iter().all(|host| covered(&entries, host)) {
        entries.extend(look.local(settings));
    }
    let promised = |entry: &InventoryEntry| entry.expected;
    let uncovered = look.hosts.iter().filter(|host| !covered(&entries, host) && !entries.iter().any(promised));
    let uncovered = uncovered.cloned().collect();
    Inventory { entries, uncovered }
}

struct Look {
    hosts: Vec<HostName>,
    now: SystemTime,
}

impl Look {
    fn pair(&self, source: CertificateSource, files: &CertificateFiles) -> InventoryEntry {
        match load_pair(files, self.now) {
            Ok(loaded) => InventoryEntry {
                certificates: describe_chain(loaded.chain()),
                covers: self.covered(&loaded),
                warnings: loaded
                    .warnings()
                    .iter()
                    .filter(|about| matters(source, about))
                    .map(ToString::to_string)
                    .collect(),
                ..empty(source, &files.chain)
            },
            Err(error) => self.broken(source, &files.chain, &error),
        }
    }

    /// A file with chain and key, that the proxy makes by itself.
    fn single(&self, source: CertificateSource, file: PathBuf) -> InventoryEntry {
        if is_missing(&file) {
            return InventoryEntry { expected: true, ..empty(source, &file) };
        }
        self.pair(source, &CertificateFiles { chain: file.clone(), key: file })
    }

    fn broken(&self, source: CertificateSource, file: &Path, error: &LoadError) -> InventoryEntry {
        // What can be read of it may say more than the error.
        let certificates = describe_file(file, self.now).map(|found| found.certificates).unwrap_or_default();
        InventoryEntry { certificates, error: Some((told(error), error.hint())), ..empty(source, file) }
    }

    fn local(&self, settings: &Settings) -> Vec<InventoryEntry> {
        let folder = &settings.certificate_folder;
        if let Some(files) = settings.local_ca.files() {
            let leaf = self.single(CertificateSource::Local, issued_file(folder));
            let error = Signer::load(&files, self.now).err().map(|error| (error.to_string(), error.hint()));
            let authority = self.authority(&files.chain);
            return vec![
                leaf,
                InventoryEntry { error: error.or(authority.error.clone()), expected: false, ..authority },
            ];
        }
        let mut entries = Vec::new();
        for names in settled(folder, &authorities(&settings.layout)) {
            let leaf = names.folder(folder).join("leaf.pem");
            entries.push(self.single(CertificateSource::Local, leaf));
            entries.push(self.authority(&names.certificate_file(folder)));
        }
        entries
    }

    fn authority(&self, file: &Path) -> InventoryEntry {
        let entry = empty(CertificateSource::Authority, file);
        if is_missing(file) {
            return InventoryEntry { expected: true, ..entry };
        }
        match describe_file(file, self.now) {
            Ok(found) => {
                let warnings = found.warnings.iter().filter(|about| matters(entry.source, about));
                let warnings = warnings.map(ToString::to_string).collect();
                InventoryEntry { certificates: found.certificates, warnings, ..entry }
            }
            Err(error) => self.broken(CertificateSource::Authority, file, &error),
        }
    }

    fn covered(&self, loaded: &LoadedCertificate) -> Vec<HostName> {
        let covers = |host: &HostName| loaded.names().iter().any(|name: &NamePattern| name.covers(host.as_str()));
        self.hosts.iter().filter(|host| covers(host)).cloned().collect()
    }
}

/// Whether `about` is to be said: clients trust the issuer of what is signed here, so it need not be sent, and an
/// authority may live as long as it likes.
const fn matters(source: CertificateSource, about: &CertificateWarning) -> bool {
    match about {
        CertificateWarning::MissingIssuer { .. } => !matches!(source, CertificateSource::Local),
        CertificateWarning::LongLife { .. } => !matches!(source, CertificateSource::Authority),
        _ => true,
    }
}

fn empty(source: CertificateSource, file: &Path) -> InventoryEntry {
    InventoryEntry {
        source,
        file: file.to_owned(),
        certificates: Vec::new(),
        covers: Vec::new(),
        expected: false,
        error: None,
        warnings: Vec::new(),
    }
}

fn is_missing(file: &Path) -> bool {
    matches!(std::fs::exists(file), Ok(false))
}

/// The files of the local authority that may issue for all of `names`, where it is there; and what each of them may
/// issue for.
#[must_use]
pub fn local_authority_for(settings: &Settings, names: &[NamePattern]) -> (Option<CertificateFiles>, Vec<HostName>) {
    let folder = &settings.certificate_folder;
    let all = settled(folder, &authorities(&settings.layout));
    let host = |name: &NamePattern| match name {
        NamePattern::Exact(host) | NamePattern::Wildcard(host) => host.clone(),
    };
    let able = all.iter().find(|authority| names.iter().all(|name| authority.permits(&host(name))));
    let files = able.map(|names| CertificateFiles {
        chain: names.certificate_file(folder),
        key: names.folder(folder).join("ca.key"),
    });
    (files, all.iter().flat_map(|names| names.permitted().iter().cloned()).collect())
}
