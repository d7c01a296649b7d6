//! What is refused although it is well formed, and the defaults.

use super::super::addr::TrustedNetworks;
use super::super::page_origin::PageOrigin;

/// Rules about who may do what to the API and the file server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// Requests that foreign pages make with a signed-in person's browser.
    pub cross_site: CrossSite,
    /// The file server.
    pub files: FilesProtection,
}

/// Requests that foreign pages make with a signed-in person's browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossSite {
    /// Whether they are refused (403).
    pub refuse: bool,
    /// Pages that may make them, besides the web UI.
    pub allowed_pages: Vec<PageOrigin>,
    /// Whether links on foreign pages may lead to files.
    pub file_links: bool,
}

impl Default for CrossSite {
    fn default() -> Self {
        Self { refuse: true, allowed_pages: Vec::new(), file_links: true }
    }
}

/// The file server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesProtection {
    /// Whether pages among the files are shown without access to what their origin has.
    pub sandbox: bool,
    /// Whether removing files is refused (403).
    pub refuse_removal: bool,
    /// Networks from which files may be removed nevertheless.
    pub removal_from: TrustedNetworks,
}

impl Default for FilesProtection {
    fn default() -> Self {
        Self { sandbox: true, refuse_removal: false, removal_from: TrustedNetworks::default() }
    }
}
