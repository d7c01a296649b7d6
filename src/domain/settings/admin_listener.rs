//! The listener that shows how the proxy is, and its defaults.

use super::super::addr::ListenAddr;
use super::super::names::HostName;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Pages about the proxy itself, to look at and never to change anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminListenerSettings {
    /// Where; empty: there is no such listener.
    pub listen: Vec<ListenAddr>,
    /// Names that it may be asked by, besides addresses and `localhost`.
    pub names: Vec<HostName>,
    /// The file with the token that everybody must have.
    pub token_file: Option<PathBuf>,
    /// Connections at once.
    pub connections: NonZeroUsize,
}

impl Default for AdminListenerSettings {
    fn default() -> Self {
        let connections = NonZeroUsize::MIN.saturating_add(63);
        Self { listen: Vec::new(), names: Vec::new(), token_file: None, connections }
    }
}
