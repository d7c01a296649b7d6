//! Acceptor: what one worker needs to serve connections.

use crate::connection::Connections;
use crate::domain::facts::ConnectionFacts;
use crate::request::{Scope, Worker};
use crate::tls::ServerTls;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::Semaphore;

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
    pub places: Arc<Semaphore>,
    /// Numbers connections, of the whole process.
    pub numbers: Arc<AtomicU64>,
    /// The port that clients reach https on.
    pub https_port: u16,
}

impl Acceptor {
    pub(super) fn scope(&self, facts: ConnectionFacts) -> Arc<Scope> {
        Arc::new(Scope::new(Arc::clone(&self.worker), facts, self.https_port))
    }
}
