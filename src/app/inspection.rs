//! Inspection: what a start would say of the certificates, without starting.

use super::causes::told;
use super::certificates::{CertificateError, UNCOVERED, authorities, clock_is_behind, clock_message, from_files};
use super::inventory::{CertificateSource, InventoryEntry, inventory};
use crate::domain::settings::Settings;
use crate::runtime::{may_write, wall};
use std::path::{Path, PathBuf};

/// One thing that a start would say of the files that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The key that names it.
    pub key: &'static str,
    /// The file that it is about.
    pub file: Option<PathBuf>,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether it stops the start.
    pub stops: bool,
}

/// What a start would say of the certificates now. Files are only read; what is to be made is left to the start.
pub(super) fn inspect(settings: &Settings) -> Vec<Finding> {
    let now = wall();
    let clock = clock_is_behind(now).then(|| warning(None, clock_message(now)));
    clock.into_iter().chain(if settings.certificates.is_empty() { made(settings) } else { named(settings) }).collect()
}

const KEY: &str = "certificates";

fn stopping(file: Option<PathBuf>, message: String, hint: String) -> Finding {
    Finding { key: KEY, file, message, hint: Some(hint), stops: true }
}

fn warning(file: Option<PathBuf>, message: String) -> Finding {
    Finding { key: KEY, file, message, hint: None, stops: false }
}

/// Those that are obtained or signed here.
fn made(settings: &Settings) -> Vec<Finding> {
    if authorities(&settings.layout).is_empty() {
        let error = CertificateError::NoDomain;
        return vec![stopping(None, error.to_string(), error.hint())];
    }
    let of_one = |InventoryEntry { file, error, warnings, source, .. }: InventoryEntry| {
        // One from an authority that cannot be used is asked for again, and a local one is made again.
        let stops = source == CertificateSource::Authority;
        let key = if stops { "local_ca.certificate" } else { KEY };
        let error = error.map(|(message, hint)| Finding { stops, key, ..stopping(Some(file.clone()), message, hint) });
        let warnings = warnings.into_iter().map(|about| warning(Some(file.clone()), about));
        error.into_iter().chain(warnings.collect::<Vec<_>>())
    };
    let entries = inventory(settings, wall()).entries;
    let unwritable = entries.iter().filter(|entry| entry.expected).find_map(|entry| unwritable(&entry.file));
    entries.into_iter().flat_map(of_one).chain(unwritable).collect()
}

/// Why `file` could not be made. Another user than that of the proxy may be asking, so it stops nothing here.
fn unwritable(file: &Path) -> Option<Finding> {
    let here = |folder: &Path| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
    let folder = file.ancestors().skip(1).map(here).find(|folder| folder.exists())?;
    let error = may_write(&folder).err()?;
    let message = format!("{} cannot be made by this user: {}: {error}", file.display(), folder.display());
    let hint = "name a folder that the proxy's user may write; the systemd unit has /var/lib/clearway";
    let hint = Some(String::from(hint));
    Some(Finding { key: "certificate_folder", file: None, message, hint, stops: false })
}

/// Those that the configuration names.
fn named(settings: &Settings) -> Vec<Finding> {
    match from_files(settings, wall(), None) {
        Ok((store, about)) => {
            let of_files = store.certificates().iter().flat_map(|certificate| {
                let file = certificate.file();
                certificate.warnings().iter().map(move |about| warning(Some(file.to_owned()), about.to_string()))
            });
            let uncovered = about.uncovered.iter().map(|name| warning(None, format!("{UNCOVERED}: {name}")));
            of_files.chain(uncovered).collect()
        }
        Err(CertificateError::Load(errors)) => {
            errors.iter().map(|error| stopping(Some(error.file().to_owned()), told(error), error.hint())).collect()
        }
        Err(error) => vec![stopping(None, error.to_string(), error.hint())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_where_nothing_can_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(unwritable(&folder.path().join("certs/local/x/leaf.pem")).is_none());
        assert!(unwritable(Path::new("certs-that-are-not-there/leaf.pem")).is_none(), "below the working directory");
        // Nobody may make something in a file, root neither.
        let found = unwritable(&file.join("certs/local/x/leaf.pem")).unwrap();
        assert!(found.key == "certificate_folder" && !found.stops, "{found:?}");
        assert!(found.message.contains(file.to_str().unwrap()), "{found:?}");
    }
}
