//! The rustls configuration of the TLS listener.
//!
//! Owns: versions, cipher suites, ALPN, and swapping certificates while connections come in.
//! Leaves: which certificate fits which name to `store`, sockets and deadlines to `listener`.

use super::challenge::{ACME_TLS, Challenges};
use super::store::CertStore;
use super::tickets::Tickets;
use crate::domain::facts::TlsFacts;
use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection, SupportedCipherSuite};
use std::fmt;
use std::sync::Arc;

/// AES-128 first: measured cheaper than AES-256, and as strong as the P-256 keys that guard it. All are AEAD with
/// forward secrecy. For processors with instructions for AES; others begin with ChaCha20.
const CIPHER_SUITES: [SupportedCipherSuite; 9] = [
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

const CHACHA20: [CipherSuite; 3] = [
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// Tickets sent after a TLS 1.3 handshake. Each resumes once; browsers open more than one connection.
const TICKETS_PER_HANDSHAKE: usize = 2;

/// The suites in the order of preference.
fn cipher_suites(aes: bool) -> Vec<SupportedCipherSuite> {
    let mut suites = CIPHER_SUITES.to_vec();
    if !aes {
        suites.sort_by_key(|suite| !CHACHA20.contains(&suite.suite()));
    }
    suites
}

/// Whether this processor has instructions for AES.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

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
    config: Arc<ServerConfig>,
    store: Arc<ArcSwap<CertStore>>,
}

impl ServerTls {
    /// Builds the configuration: TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1, no early data.
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
    ) -> Result<Self, ServerTlsError> {
        let store = Arc::new(ArcSwap::from_pointee(certificates));
        // Never the process default: that panics as soon as a second provider is linked in.
        let provider = CryptoProvider { cipher_suites: cipher_suites(has_aes()), ..aws_lc_rs::default_provider() };
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(ServerTlsError)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver { store: Arc::clone(&store), challenges: challenges.clone() }));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.alpn_protocols.extend(challenges.map(|_| ACME_TLS.to_vec()));
        config.ignore_client_order = true;
        config.ticketer = Arc::clone(&tickets.0);
        config.send_tls13_tickets = TICKETS_PER_HANDSHAKE;
        // Tickets do it all; the other store is one lock shared by all workers.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // A replayed request would be carried out twice, and nothing further on could tell.
        config.max_early_data_size = 0;
        config.send_half_rtt_data = false;
        Ok(Self { config: Arc::new(config), store })
    }

    /// The configuration, for the acceptor of the listener.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
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

struct Resolver {
    store: Arc<ArcSwap<CertStore>>,
    challenges: Option<Challenges>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(challenges) = &self.challenges
            && hello.alpn().is_some_and(|offered| offered.eq([ACME_TLS]))
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

/// Whether the handshake was an authority's challenge: it is answered by then, and nothing is spoken after it.
#[must_use]
pub fn answers_challenge(connection: &ServerConnection) -> bool {
    connection.alpn_protocol() == Some(ACME_TLS)
}

/// What a finished handshake settled.
#[must_use]
pub fn facts_of(connection: &ServerConnection) -> TlsFacts {
    TlsFacts {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "unknown",
        },
        cipher: connection.negotiated_cipher_suite().map_or("unknown", |suite| openssl_name(suite.suite())),
        server_name: connection.server_name().map(Into::into),
        http2: connection.alpn_protocol() == Some(b"h2"),
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
    }
}

/// The name that load balancers log and people look up.
fn openssl_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chacha20_comes_first_where_aes_is_slow_and_no_suite_is_lost() {
        let names = |aes| cipher_suites(aes).iter().map(SupportedCipherSuite::suite).collect::<Vec<_>>();
        assert_eq!(names(true)[0], CipherSuite::TLS13_AES_128_GCM_SHA256);
        assert_eq!(names(false)[..3], CHACHA20);
        let sorted = |mut suites: Vec<CipherSuite>| {
            suites.sort_by_key(|suite| u16::from(*suite));
            suites
        };
        assert_eq!(sorted(names(true)), sorted(names(false)));
    }
}
