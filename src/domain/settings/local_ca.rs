//! Leaves that are signed here, and the defaults.

use super::CertificateFiles;
use std::path::PathBuf;
use std::time::Duration;

/// Who signs them, and for how long they are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalCaSettings {
    /// The certificate of an authority of yours, with those above it; `None`: one is made.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Life of a leaf; it is replaced when a third of it is left.
    pub leaf_life: Duration,
}

impl LocalCaSettings {
    /// The authority of yours, where there is one.
    #[must_use]
    pub fn files(&self) -> Option<CertificateFiles> {
        let (chain, key) = self.certificate.clone().zip(self.key.clone())?;
        Some(CertificateFiles { chain, key })
    }
}

impl Default for LocalCaSettings {
    fn default() -> Self {
        // Browsers take up to 397 days; a short one keeps renewal exercised.
        Self { certificate: None, key: None, leaf_life: Duration::from_secs(90 * 24 * 3600) }
    }
}
