//! Acceptor: what one worker needs to serve connections; replaced whole when the configuration changes.

use super::handshakes::Handshakes;
use crate::connection::Connections;
use crate::domain::facts::ConnectionFacts;
use crate::request::{Scope, Worker};
use crate::runtime::{Places, ShutdownWatch};
use crate::tls::ServerTls;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What one worker needs to accept connections.
#[derive(Clone, Debug)]
pub struct Acceptor {
    /// How its connections are served.
    pub connections: Connections,
    /// The parts that its requests share.
    pub worker: Arc<Worker>,
    /// Certificates and TLS settings.
    pub tls: Arc<ServerTls>,
    /// Places for connections, of the whole process.
    pub places: Places,
    /// TLS handshakes, of the whole process.
    pub handshakes: Handshakes,
    /// Numbers connections, of the whole process.
    pub numbers: Arc<AtomicU64>,
    /// The port that clients reach https on.
    pub https_port: u16,
}

/// One worker's acceptor now; cheap to clone.
#[derive(Clone, Debug)]
pub struct AcceptorCell(Arc<ArcSwap<Acceptor>>);

impl AcceptorCell {
    /// A cell that holds `acceptor`.
    #[must_use]
    pub fn new(acceptor: Acceptor) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(acceptor)))
    }

    /// The acceptor now.
    #[must_use]
    pub fn now(&self) -> Arc<Acceptor> {
        self.0.load_full()
    }

    /// Serves connections that are accepted from now on with `acceptor`.
    pub fn replace(&self, acceptor: Acceptor) {
        self.0.store(Arc::new(acceptor));
    }

    /// The acceptor for one connection of the listener that `open` watches.
    pub(super) fn for_connection(&self, open: &ShutdownWatch) -> Acceptor {
        let mut acceptor = Acceptor::clone(&self.0.load());
        acceptor.connections.shutdown = open.clone();
        acceptor
    }
}

impl Acceptor {
    pub(super) fn scope(&self, facts: ConnectionFacts) -> Arc<Scope> {
        Arc::new(Scope::new(Arc::clone(&self.worker), facts, self.https_port))
    }
}
