//! The rustls configuration of the TLS listener.
//!
//! Owns: putting it together, one for each rule about client certificates, and swapping certificates while connections
//! come in. Leaves: versions and cipher suites to `policy`, which certificate fits which name to `store`, sockets and
//! deadlines to `listener`.

use super::bound_tickets::BoundTickets;
use super::challenge::{ACME_TLS, Challenges};
use super::client_rules::{ClientRule, ClientRules};
use super::identity::identity;
use super::policy::{APPLICATION_PROTOCOLS, openssl_name, provider, versions};
use super::store::CertStore;
use super::tickets::Tickets;
use crate::domain::facts::{RuleId, TlsFacts};
use crate::domain::settings::TlsPolicy;
use arc_swap::ArcSwap;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CommonState, HandshakeKind, ProtocolVersion, ServerConfig};
use std::fmt;
use std::sync::Arc;

/// Tickets sent after a TLS 1.3 handshake. Each resumes once; browsers open more than one connection.
const TICKETS_PER_HANDSHAKE: usize = 2;

/// The library refused the configuration or could not make random keys.
#[derive(Debug)]
pub struct ServerTlsError(rustls::Error);

impl ServerTlsError {
    pub(super) const fn new(error: rustls::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for ServerTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TLS cannot be set up")
    }
}

impl std::error::Error for ServerTlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// What the TLS listener needs to shake hands; cheap to clone, shared by all workers.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// For hosts that ask for no certificate.
    config: Arc<ServerConfig>,
    /// For each rule that asks.
    asking: Vec<(RuleId, Arc<ServerConfig>)>,
    rules: ClientRules,
    store: Arc<ArcSwap<CertStore>>,
}

/// What all configurations have in common.
struct Common<'a> {
    policy: TlsPolicy,
    resolver: Arc<Resolver>,
    tickets: &'a Tickets,
}

impl ServerTls {
    /// Builds the configurations: versions and suites of `policy`, HTTP/2 before HTTP/1.1, no early data; clients are
    /// asked for certificates as `rules` say.
    ///
    /// X25519MLKEM768 is taken by clients that put it first; the group follows the client's order.
    ///
    /// Certificate authorities that ask on their own protocol get the answers among `challenges`.
    ///
    /// # Errors
    /// `ServerTlsError` when the library refuses it.
    pub fn build(
        certificates: CertStore,
        tickets: &Tickets,
        challenges: Option<Challenges>,
        policy: TlsPolicy,
        rules: &ClientRules,
    ) -> Result<Self, ServerTlsError> {
        let store = Arc::new(ArcSwap::from_pointee(certificates));
        let resolver = Arc::new(Resolver { store: Arc::clone(&store), challenges });
        let common = Common { policy, resolver, tickets };
        let asking = rules.iter().map(|rule| Ok((rule.id(), common.config(Some(rule))?))).collect::<Result<_, _>>()?;
        Ok(Self { config: common.config(None)?, asking, rules: rules.clone(), store })
    }

    /// The configuration for a client that begins with `hello`, and by which rule it is asked for a certificate.
    ///
    /// Certificate authorities that look at a challenge have none.
    pub(super) fn choose(&self, hello: &ClientHello<'_>) -> (Arc<ServerConfig>, Option<RuleId>) {
        let name = hello.server_name().filter(|_| !(self.has_challenges() && is_challenge(hello)));
        let rule = name.and_then(|name| self.rules.of(name)).map(ClientRule::id);
        let asking = rule.and_then(|rule| self.asking.iter().find(|(id, _)| *id == rule));
        match asking {
            Some((id, config)) => (Arc::clone(config), Some(*id)),
            None => (Arc::clone(&self.config), None),
        }
    }

    fn has_challenges(&self) -> bool {
        self.config.alpn_protocols.iter().any(|protocol| protocol == ACME_TLS)
    }

    /// The certificates in use now.
    #[must_use]
    pub fn certificates(&self) -> Arc<CertStore> {
        self.store.load_full()
    }

    /// Serves with other certificates from the next handshake on.
    pub fn replace(&self, certificates: CertStore) {
        self.store.store(Arc::new(certificates));
    }
}

impl Common<'_> {
    fn config(&self, rule: Option<&ClientRule>) -> Result<Arc<ServerConfig>, ServerTlsError> {
        let verifier = rule.map_or_else(WebPkiClientVerifier::no_client_auth, |rule| Arc::clone(&rule.verifier));
        let mut config = ServerConfig::builder_with_provider(provider(self.policy))
            .with_protocol_versions(versions(self.policy))
            .map_err(ServerTlsError)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::clone(&self.resolver) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = APPLICATION_PROTOCOLS.map(|protocol| protocol.as_bytes().to_vec()).to_vec();
        config.alpn_protocols.extend(self.resolver.challenges.as_ref().map(|_| ACME_TLS.to_vec()));
        config.ignore_client_order = true;
        config.ticketer = self.ticketer(rule);
        config.send_tls13_tickets = TICKETS_PER_HANDSHAKE;
        // Tickets do it all; the other store is one lock shared by all workers.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // A replayed request would be carried out twice, and nothing further on could tell.
        config.max_early_data_size = 0;
        config.send_half_rtt_data = false;
        Ok(Arc::new(config))
    }

    fn ticketer(&self, rule: Option<&ClientRule>) -> Arc<dyn ProducesTickets> {
        let inner = Arc::clone(&self.tickets.0);
        match rule {
            Some(rule) => Arc::new(BoundTickets { inner, rule: rule.id() }),
            None => inner,
        }
    }
}

struct Resolver {
    store: Arc<ArcSwap<CertStore>>,
    challenges: Option<Challenges>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(challenges) = &self.challenges
            && is_challenge(&hello)
        {
            return challenges.tls(hello.server_name()?);
        }
        self.store.load().select(hello.server_name(), hello.signature_schemes())
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

/// Whether a certificate authority looks at a challenge.
///
/// Source: RFC 8737 section 3.
fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|offered| offered.eq([ACME_TLS]))
}

/// Whether the handshake was an authority's challenge: it is answered by then, and nothing is spoken after it.
pub(super) fn answers_challenge(connection: &CommonState) -> bool {
    connection.alpn_protocol() == Some(ACME_TLS)
}

/// What a finished handshake settled, in which the client named `server_name` and was `asked` for a certificate.
pub(super) fn facts_of(connection: &CommonState, server_name: Option<Box<str>>, asked: Option<RuleId>) -> TlsFacts {
    TlsFacts {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "unknown",
        },
        cipher: connection.negotiated_cipher_suite().map_or("unknown", |suite| openssl_name(suite.suite())),
        server_name,
        http2: connection.alpn_protocol() == Some(b"h2"),
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        asked,
        client: connection.peer_certificates().and_then(identity).map(Arc::new),
    }
}
