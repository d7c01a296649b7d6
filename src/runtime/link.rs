//! What the two ends of one client connection tell each other past the HTTP library.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by a connection's transport and its requests; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ClientLink(Arc<AtomicBool>);

impl ClientLink {
    /// A link without news.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The transport gives up on a client that takes no bytes; what is dropped now is dropped for that reason.
    pub fn set_stalled(&self, stalled: bool) {
        self.0.store(stalled, Ordering::Relaxed);
    }

    /// Whether the transport gave up on the client.
    #[must_use]
    pub fn stalled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
