//! Certificates for the tests of this folder, and handshakes in memory against a whole `ServerTls`.

use super::session::tests::Server;
use super::*;
use crate::domain::facts::TlsFacts;
use crate::domain::names::HostName;
use crate::domain::settings::{CertificateFiles, TlsPolicy};
use crate::telemetry::TlsFailure;
use ::aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, ConnectionTrafficSecrets, HandshakeKind, NamedGroup, RootCertStore,
    SupportedProtocolVersion,
};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use time::OffsetDateTime;

type Versions = &'static [&'static SupportedProtocolVersion];

static ONLY_12: [&SupportedProtocolVersion; 1] = [&TLS12];
static ONLY_13: [&SupportedProtocolVersion; 1] = [&TLS13];
static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// The time of all tests: 15 January 2027.
pub(super) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub(super) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate and its key.
pub(super) struct Pair {
    pub(super) certificate: Certificate,
    pub(super) key: KeyPair,
}

impl Pair {
    pub(super) fn pem(&self) -> String {
        self.certificate.pem()
    }
}

/// Parameters valid from 10 days ago to 80 days ahead.
pub(super) fn params(common_name: &str, names: &[&str]) -> CertificateParams {
    let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = OffsetDateTime::from(now() - 10 * DAY);
    params.not_after = OffsetDateTime::from(now() + 80 * DAY);
    params
}

fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = params(common_name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

pub(super) fn root(common_name: &str) -> Authority {
    CertifiedIssuer::self_signed(authority_params(common_name), KeyPair::generate().unwrap()).unwrap()
}

pub(super) fn intermediate(common_name: &str, issuer: &Authority) -> Authority {
    CertifiedIssuer::signed_by(authority_params(common_name), KeyPair::generate().unwrap(), issuer).unwrap()
}

pub(super) fn leaf(names: &[&str], issuer: &Authority) -> Pair {
    sign(&params("leaf", names), KeyPair::generate().unwrap(), issuer)
}

pub(super) fn sign(params: &CertificateParams, key: KeyPair, issuer: &Issuer<'_, KeyPair>) -> Pair {
    Pair { certificate: params.signed_by(&key, issuer).unwrap(), key }
}

pub(super) fn rsa_key() -> KeyPair {
    KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap()
}

/// A folder with `chain.pem` and `key.pem`, the key closed to others.
pub(super) struct Files {
    pub(super) folder: TempDir,
    pub(super) names: CertificateFiles,
}

pub(super) fn files(chain: &str, key: &str) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let at = |name| -> PathBuf { folder.path().join(name) };
    let names = CertificateFiles { chain: at("chain.pem"), key: at("key.pem") };
    fs::write(&names.chain, chain).unwrap();
    fs::write(&names.key, key).unwrap();
    close(&names.key);
    Files { folder, names }
}

pub(super) fn close(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

pub(super) fn loaded(pair: &Pair) -> LoadedCertificate {
    load_pair(&files(&pair.pem(), &pair.key.serialize_pem()).names, now()).unwrap()
}

/// The clock of the client in these tests.
#[derive(Debug)]
struct Clock(SystemTime);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0.duration_since(SystemTime::UNIX_EPOCH).ok()?))
    }
}

/// What a client of these tests can do.
pub(super) struct Client {
    provider: CryptoProvider,
    versions: Versions,
    alpn: Vec<Vec<u8>>,
    at: SystemTime,
    sni: bool,
}

impl Client {
    pub(super) fn new() -> Self {
        Self { provider: aws_lc_rs::default_provider(), versions: &BOTH, alpn: Vec::new(), at: now(), sni: true }
    }

    pub(super) fn at(self, at: SystemTime) -> Self {
        Self { at, ..self }
    }

    pub(super) fn versions(self, versions: Versions) -> Self {
        Self { versions, ..self }
    }

    fn alpn(self, names: &[&str]) -> Self {
        Self { alpn: names.iter().map(|name| name.as_bytes().to_vec()).collect(), ..self }
    }

    /// Its configuration when it trusts `roots` only.
    pub(super) fn trusting(self, roots: &[CertificateDer<'static>]) -> Arc<ClientConfig> {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root.clone()).unwrap();
        }
        let mut config = ClientConfig::builder_with_details(Arc::new(self.provider), Arc::new(Clock(self.at)))
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = self.alpn;
        config.enable_sni = self.sni;
        Arc::new(config)
    }

    /// Its configuration when it trusts anything.
    fn trusting_all(self) -> Arc<ClientConfig> {
        let mut config = (*self.trusting(&[])).clone();
        config.dangerous().set_certificate_verifier(Arc::new(TrustAll));
        Arc::new(config)
    }
}

#[derive(Debug)]
struct TrustAll;

impl rustls::client::danger::ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A handshake that failed, with what each side made of it.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) client: Option<rustls::Error>,
    pub(super) server: Option<io::Error>,
}

/// Shakes hands in memory, tickets included; both ends, the server's by what it settled.
pub(super) fn shake(
    server: &ServerTls,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<(ClientConnection, TlsFacts), Box<Failed>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = Server::new(server);
    let mut failed = Failed { client: None, server: None };
    while client.wants_write() {
        let mut said = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut said).unwrap();
        }
        failed.server = failed.server.or(server.read(&said).err());
        let answer = server.take();
        failed.client = failed.client.or(hear(&mut client, &answer).err());
    }
    match &failed {
        Failed { client: None, server: None } => {
            let session = server.session().unwrap();
            assert!(!client.is_handshaking() && !session.is_handshaking());
            let facts = session.facts();
            Ok((client, facts))
        }
        _ => Err(Box::new(failed)),
    }
}

fn hear(client: &mut ClientConnection, mut bytes: &[u8]) -> Result<(), rustls::Error> {
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).unwrap();
        client.process_new_packets()?;
    }
    Ok(())
}

pub(super) fn serving(certificates: Vec<LoadedCertificate>) -> ServerTls {
    ServerTls::build(
        CertStore::new(certificates).unwrap(),
        &Tickets::new().unwrap(),
        None,
        TlsPolicy::Default,
        &ClientRules::default(),
    )
    .unwrap()
}

/// A server with one certificate for `app.example.com`, and its root.
pub(super) fn example() -> (ServerTls, CertificateDer<'static>) {
    let root = root("root");
    let server = serving(vec![loaded(&leaf(&["app.example.com"], &root))]);
    (server, root.der().clone())
}

/// The same, and what a client needs that trusts it: for the tests of other folders.
pub(crate) fn example_pair() -> (ServerTls, Arc<ClientConfig>) {
    let (server, root) = example();
    let mut client = (*Client::new().trusting(&[root])).clone();
    client.enable_secret_extraction = true;
    (server, Arc::new(client))
}

/// Makes records under a client's keys that no client library makes; TLS 1.3 with AES-128-GCM.
pub(crate) struct Forger {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    sequence: u64,
}

impl Forger {
    pub(crate) fn of(client: ClientConnection) -> Self {
        let (sequence, secrets) = client.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else { panic!("another cipher") };
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap());
        Self { key, iv: iv.as_ref().try_into().unwrap(), sequence }
    }

    /// A record of this kind, filled up with zeros to 16 KiB.
    pub(crate) fn record(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut sealed = [content, &[kind]].concat();
        sealed.resize(16 * 1024, 0);
        let length = u16::try_from(sealed.len() + AES_128_GCM.tag_len()).unwrap().to_be_bytes();
        let header = [23, 3, 3, length[0], length[1]];
        let mut nonce = self.iv;
        for (byte, count) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= count;
        }
        self.sequence += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(header), &mut sealed).unwrap();
        [&header[..], &sealed].concat()
    }
}

/// The certificate that a client without any doubts is given.
fn served(server: &ServerTls, client: Client, name: &str) -> Vec<u8> {
    let (client, _) = shake(server, &client.trusting_all(), name).unwrap();
    client.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn speaks_both_versions_and_both_protocols() {
    let (server, root) = example();
    for (versions, version) in [(&ONLY_12[..], "TLSv1.2"), (&ONLY_13[..], "TLSv1.3"), (&BOTH[..], "TLSv1.3")] {
        for (alpn, http2) in [(&["h2", "http/1.1"][..], true), (&["http/1.1", "h2"], true), (&["http/1.1"], false)] {
            let client = Client::new().versions(versions).alpn(alpn).trusting(std::slice::from_ref(&root));
            let (_, facts) = shake(&server, &client, "app.example.com").unwrap();
            assert_eq!((facts.version, facts.http2, facts.resumed), (version, http2, false), "{versions:?} {alpn:?}");
            assert_eq!(facts.server_name.as_deref(), Some("app.example.com"));
        }
    }
}

#[test]
fn a_client_without_alpn_is_served() {
    let (server, root) = example();
    let (_, facts) = shake(&server, &Client::new().trusting(&[root]), "app.example.com").unwrap();
    assert!(!facts.http2);
}

#[test]
fn takes_aes_128_whatever_the_client_prefers() {
    let (server, root) = example();
    for (versions, expected) in [
        (&ONLY_13[..], CipherSuite::TLS13_AES_128_GCM_SHA256),
        (&ONLY_12[..], CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ] {
        let client = Client::new().versions(versions).trusting(std::slice::from_ref(&root));
        let (connection, _) = shake(&server, &client, "app.example.com").unwrap();
        assert_eq!(connection.negotiated_cipher_suite().unwrap().suite(), expected);
    }
}

#[test]
fn takes_the_hybrid_group_from_clients_that_put_it_first() {
    let (server, root) = example();
    for (groups, expected) in [
        (vec![kx_group::X25519MLKEM768, kx_group::X25519], NamedGroup::X25519MLKEM768),
        (vec![kx_group::X25519MLKEM768], NamedGroup::X25519MLKEM768),
        (vec![kx_group::X25519], NamedGroup::X25519),
        (vec![kx_group::SECP256R1], NamedGroup::secp256r1),
    ] {
        let mut client = Client::new();
        client.provider.kx_groups = groups;
        let client = client.trusting(std::slice::from_ref(&root));
        let (connection, _) = shake(&server, &client, "app.example.com").unwrap();
        assert_eq!(connection.negotiated_key_exchange_group().unwrap().name(), expected);
    }
}

#[test]
fn tickets_resume_also_after_a_rebuild() {
    let root = root("root");
    let pair = leaf(&["app.example.com"], &root);
    let store = || CertStore::new(vec![loaded(&pair)]).unwrap();
    let tickets = Tickets::new().unwrap();
    let first = ServerTls::build(store(), &tickets, None, TlsPolicy::Default, &ClientRules::default()).unwrap();
    let rebuilt = ServerTls::build(store(), &tickets, None, TlsPolicy::Default, &ClientRules::default()).unwrap();
    let stranger =
        ServerTls::build(store(), &Tickets::new().unwrap(), None, TlsPolicy::Default, &ClientRules::default()).unwrap();
    for versions in [&ONLY_13[..], &ONLY_12[..]] {
        let client = Client::new().versions(versions).trusting(&[root.der().clone()]);
        let kind = |server: &ServerTls| {
            let (connection, facts) = shake(server, &client, "app.example.com").unwrap();
            assert_eq!(connection.handshake_kind() == Some(HandshakeKind::Resumed), facts.resumed);
            facts.resumed
        };
        assert!(!kind(&first), "{versions:?}");
        assert!(kind(&first), "{versions:?}");
        assert!(kind(&rebuilt), "{versions:?}");
        assert!(!kind(&stranger), "{versions:?}");
    }
}

#[test]
fn early_data_is_not_on_offer() {
    let (server, root) = example();
    let mut client = (*Client::new().trusting(&[root])).clone();
    client.enable_early_data = true;
    let client = Arc::new(client);
    shake(&server, &client, "app.example.com").unwrap();
    let name = ServerName::try_from("app.example.com").unwrap();
    let mut again = ClientConnection::new(Arc::clone(&client), name).unwrap();
    assert!(again.early_data().is_none());
    let (_, facts) = shake(&server, &client, "app.example.com").unwrap();
    assert!(facts.resumed, "the ticket was there");
}

#[test]
fn clients_without_a_known_name_get_the_default_certificate() {
    let root = root("root");
    let (first, second) = (leaf(&["*.first.example"], &root), leaf(&["app.second.example"], &root));
    let server = serving(vec![loaded(&first), loaded(&second)]);
    let silent = Client { sni: false, ..Client::new() };
    assert_eq!(served(&server, silent, "app.second.example"), **first.certificate.der());
    assert_eq!(served(&server, Client::new(), "127.0.0.1"), **first.certificate.der());
    assert_eq!(served(&server, Client::new(), "app.third.example"), **first.certificate.der());
    assert_eq!(served(&server, Client::new(), "APP.second.example"), **second.certificate.der());
}

#[test]
fn rsa_only_clients_get_the_rsa_certificate() {
    let root = root("root");
    let rsa = sign(&params("rsa", &["app.example.com"]), rsa_key(), &root);
    let ecdsa = leaf(&["app.example.com"], &root);
    let server = serving(vec![loaded(&rsa), loaded(&ecdsa)]);
    assert_eq!(served(&server, Client::new(), "app.example.com"), **ecdsa.certificate.der());
    let silent = Client { sni: false, ..Client::new() };
    assert_eq!(served(&server, silent, "app.example.com"), **ecdsa.certificate.der());
    let mut old = Client::new().versions(&ONLY_12);
    old.provider.cipher_suites = vec![cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384];
    assert_eq!(served(&server, old, "app.example.com"), **rsa.certificate.der());
}

#[test]
fn certificates_are_swapped_between_handshakes() {
    let root = root("root");
    let (old, new) = (leaf(&["app.example.com"], &root), leaf(&["app.example.com", "api.example.com"], &root));
    let server = serving(vec![loaded(&old)]);
    assert_eq!(served(&server, Client::new(), "app.example.com"), **old.certificate.der());
    assert!(!server.certificates().covers("api.example.com"));
    server.replace(CertStore::new(vec![loaded(&new)]).unwrap());
    assert_eq!(served(&server, Client::new(), "app.example.com"), **new.certificate.der());
    assert!(server.certificates().covers("api.example.com"));
}

fn described(error: &io::Error) -> TlsFailure {
    describe_handshake_error(error).reason
}

#[test]
fn failed_handshakes_say_why() {
    let (server, _) = example();
    let stranger = root("stranger").der().clone();
    let failure = |client: Client| {
        let failed = shake(&server, &client.trusting(std::slice::from_ref(&stranger)), "app.example.com");
        described(&failed.unwrap_err().server.unwrap())
    };
    let with_suite = |suite| {
        let mut client = Client::new();
        client.provider.cipher_suites = vec![suite];
        client
    };
    for versions in [&ONLY_13[..], &ONLY_12[..]] {
        assert_eq!(failure(Client::new().versions(versions)), TlsFailure::UnknownAuthority);
    }
    assert_eq!(failure(Client::new().alpn(&["smtp"])), TlsFailure::Protocol);
    let rsa_only = with_suite(cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256).versions(&ONLY_12);
    assert_eq!(failure(rsa_only), TlsFailure::Cipher);
}

#[test]
fn refused_names_and_dates_are_told_from_unknown_authorities() {
    let (server, root) = example();
    for (client, name) in [
        (Client::new(), "app.other.example"),
        (Client::new().at(now() + 81 * DAY), "app.example.com"),
        (Client::new().at(now() - 11 * DAY), "app.example.com"),
    ] {
        let failed = shake(&server, &client.trusting(std::slice::from_ref(&root)), name).unwrap_err();
        assert_eq!(described(&failed.server.unwrap()), TlsFailure::CertificateRefused, "{name}");
    }
}

#[test]
fn bytes_that_are_no_tls_are_named_so() {
    let (server, _) = example();
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n"[..], TlsFailure::NotTls),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", TlsFailure::NotTls),
        (b"SSH-2.0-OpenSSH_9.6\r\n", TlsFailure::NotTls),
        (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", TlsFailure::Malformed),
    ] {
        assert_eq!(described(&Server::new(&server).read(bytes).unwrap_err()), expected, "{bytes:?}");
    }
}
