//! A chain as a client is shown it: taken without judging, then judged against authorities.
//!
//! For looking at a server only: a connection that was made like this is trusted with nothing. Leaves: connecting to
//! `upstream`, what a finding is worth to the caller.

use super::chain::{self, Link};
use super::client::ClientTls;
use super::load_error::LoadError;
use super::pem_file::read_certificates;
use super::server::ServerTlsError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

impl ClientTls {
    /// Shakes hands with anybody, to see what is shown.
    ///
    /// # Errors
    /// `ServerTlsError` when the library refuses it.
    pub fn observing() -> Result<Self, ServerTlsError> {
        Self::trusting_by(Arc::new(Anybody(Arc::new(aws_lc_rs::default_provider())))).map_err(ServerTlsError::new)
    }
}

/// Believes every certificate, but still wants the handshake signed with its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Authorities that somebody trusts.
#[derive(Clone, Debug)]
pub struct Authorities(RootCertStore);

impl Authorities {
    /// The public ones, as browsers and Python's `certifi` have them.
    #[must_use]
    pub fn public() -> Self {
        Self(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    /// Those in a PEM file; what cannot be an authority is left out.
    ///
    /// # Errors
    /// `LoadError` with the file and what is wrong with it.
    pub fn load(file: &Path) -> Result<Self, LoadError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(read_certificates(file)?);
        Ok(Self(roots))
    }
}

/// The certificates that a server showed, leaf first.
#[derive(Clone, Debug)]
pub struct SeenChain(Vec<CertificateDer<'static>>);

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainFault {
    /// The leaf ended at this moment.
    Expired(SystemTime),
    /// The leaf begins at this moment.
    NotYetValid(SystemTime),
    /// The leaf is for these names.
    WrongName(Vec<String>),
    /// The leaf came alone, and its issuer is known to nobody.
    Incomplete(String),
    /// The leaf signed itself.
    SelfSigned,
    /// It leads to this authority, which is not trusted.
    UnknownAuthority(String),
    /// Something else, in the library's words.
    Other(String),
}

impl SeenChain {
    /// What the other end of `connection` has shown.
    #[must_use]
    pub fn of(connection: &ClientConnection) -> Self {
        Self(connection.peer_certificates().unwrap_or_default().iter().map(|der| der.clone().into_owned()).collect())
    }

    /// The last moment the leaf is valid.
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        Some(Link::parse(self.0.first()?)?.not_after())
    }

    /// Whether `name` stands in the leaf: `None` where it does, else all names that do.
    #[must_use]
    pub fn lacks_name(&self, name: &str) -> Option<ChainFault> {
        let leaf = self.0.first()?;
        let parsed = ParsedCertificate::try_from(leaf).ok()?;
        let asked = ServerName::try_from(name.to_owned()).ok()?;
        verify_server_name(&parsed, &asked).is_err().then(|| {
            let names = Link::parse(leaf).map(|link| link.dns_names());
            let names = names.into_iter().flat_map(|names| names.patterns).map(|name| name.to_string());
            ChainFault::WrongName(names.collect())
        })
    }

    /// What is wrong with the leaf's dates at `now`.
    #[must_use]
    pub fn out_of_date(&self, now: SystemTime) -> Option<ChainFault> {
        let leaf = Link::parse(self.0.first()?)?;
        if now > leaf.not_after() {
            return Some(ChainFault::Expired(leaf.not_after()));
        }
        (now < leaf.not_before()).then(|| ChainFault::NotYetValid(leaf.not_before()))
    }

    /// Why it does not lead to one of `authorities`; the leaf's own dates do not count. `None` where it does.
    #[must_use]
    pub fn untrusted(&self, authorities: &Authorities, now: SystemTime) -> Option<ChainFault> {
        let Some((leaf, rest)) = self.0.split_first() else {
            return Some(ChainFault::Other(String::from("no certificate was shown")));
        };
        let Some(link) = Link::parse(leaf) else {
            return Some(ChainFault::Other(String::from("what was shown is no certificate")));
        };
        // The dates have a finding of their own; they may stand in the wrong order.
        let at = now.max(link.not_before()).min(link.not_after());
        let at = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).unwrap_or_default());
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        let trusted = ParsedCertificate::try_from(leaf).and_then(|parsed| {
            verify_server_cert_signed_by_trust_anchor(&parsed, &authorities.0, rest, at, algorithms)
        });
        match trusted {
            Ok(()) => None,
            Err(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)) => {
                Some(self.unknown(&link))
            }
            // A root as a leaf, which some tools make for a host.
            Err(_) if link.is_self_signed() => Some(ChainFault::SelfSigned),
            Err(error) => Some(ChainFault::Other(error.to_string())),
        }
    }

    fn unknown(&self, leaf: &Link<'_>) -> ChainFault {
        if leaf.is_self_signed() {
            return ChainFault::SelfSigned;
        }
        let links = self.0.iter().filter_map(Link::parse).collect::<Vec<_>>();
        match chain::order(&links, 0).as_slice() {
            [_] => ChainFault::Incomplete(leaf.issuer()),
            path => {
                let last = path.last().and_then(|position| links.get(*position)).unwrap_or(leaf);
                ChainFault::UnknownAuthority(last.issuer())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    struct Maker {
        issuer: Issuer<'static, KeyPair>,
        der: CertificateDer<'static>,
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    fn root(name: &str) -> Maker {
        let key = KeyPair::generate().unwrap();
        let der = params(name).self_signed(&key).unwrap().der().clone();
        Maker { issuer: Issuer::new(params(name), key), der }
    }

    fn below(parent: &Maker, name: &str) -> Maker {
        let key = KeyPair::generate().unwrap();
        let der = params(name).signed_by(&key, &parent.issuer).unwrap().der().clone();
        Maker { issuer: Issuer::new(params(name), key), der }
    }

    fn leaf(parent: &Maker, names: &[&str]) -> CertificateDer<'static> {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let key = KeyPair::generate().unwrap();
        CertificateParams::new(names).unwrap().signed_by(&key, &parent.issuer).unwrap().der().clone()
    }

    fn trust(root: &Maker) -> Authorities {
        let mut roots = RootCertStore::empty();
        roots.add(root.der.clone()).unwrap();
        Authorities(roots)
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_790_000_000)
    }

    #[test]
    fn trust_is_told_from_its_kinds_of_absence() {
        let (trusted, other) = (root("R"), root("S"));
        let (inner, foreign) = (below(&trusted, "I"), below(&other, "J"));
        let own = {
            let key = KeyPair::generate().unwrap();
            CertificateParams::new(vec![String::from("a.test")]).unwrap().self_signed(&key).unwrap().der().clone()
        };
        for (chain, expected) in [
            (vec![leaf(&trusted, &["a.test"])], None),
            (vec![leaf(&inner, &["a.test"]), inner.der.clone()], None),
            (vec![leaf(&inner, &["a.test"])], Some(ChainFault::Incomplete(String::from("CN=I")))),
            (vec![own], Some(ChainFault::SelfSigned)),
            (
                vec![leaf(&foreign, &["a.test"]), foreign.der.clone()],
                Some(ChainFault::UnknownAuthority(String::from("CN=S"))),
            ),
            (vec![], Some(ChainFault::Other(String::from("no certificate was shown")))),
        ] {
            assert_eq!(SeenChain(chain).untrusted(&trust(&trusted), now()), expected);
        }
    }

    #[test]
    fn dates_in_the_wrong_order_are_no_reason_to_panic() {
        let mut params = CertificateParams::new(vec![String::from("a.test")]).unwrap();
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2030, 1, 1), rcgen::date_time_ymd(2020, 1, 1));
        let chain = SeenChain(vec![params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()]);
        assert_eq!(chain.untrusted(&trust(&root("R")), now()), Some(ChainFault::SelfSigned));
    }

    #[test]
    fn names_and_dates_are_judged_apart() {
        let chain = SeenChain(vec![leaf(&root("R"), &["*.example.com", "x.test"])]);
        for (name, lacks) in [("app.example.com", false), ("api.clearml.example.com", true), ("x.test", false)] {
            assert_eq!(chain.lacks_name(name).is_some(), lacks, "{name}");
        }
        let fault = chain.lacks_name("y.test");
        assert_eq!(fault, Some(ChainFault::WrongName(vec!["*.example.com".to_owned(), "x.test".to_owned()])));
        let end = chain.not_after().unwrap();
        assert_eq!(chain.out_of_date(end - DAY), None);
        assert_eq!(chain.out_of_date(end + DAY), Some(ChainFault::Expired(end)));
        assert!(matches!(chain.out_of_date(UNIX_EPOCH), Some(ChainFault::NotYetValid(_))));
        assert_eq!(SeenChain(vec![]).out_of_date(end), None);
    }
}
