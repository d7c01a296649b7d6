//! A test CA, leaves signed by it, and TLS clients that trust it.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};
use x509_parser::prelude::{FromDer, X509Certificate};

/// A CA of this test run.
pub(crate) struct Pki {
    issuer: Issuer<'static, KeyPair>,
    ca: CertificateDer<'static>,
    ca_pem: String,
}

/// A certificate with its key.
#[derive(Clone)]
pub(crate) struct Leaf {
    /// The chain as PEM.
    pub(crate) chain: String,
    /// The key as PEM.
    pub(crate) key: String,
    /// The certificate itself, to compare with what a handshake showed.
    pub(crate) der: CertificateDer<'static>,
}

/// The cryptography all tests use.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

impl Pki {
    /// The one CA.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: LazyLock<Pki> = LazyLock::new(Pki::new);
        &SHARED
    }

    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Clearway test CA");
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        Self { ca: ca.der().clone(), ca_pem: ca.pem(), issuer: Issuer::new(params, key) }
    }

    /// A CA that nobody trusts yet.
    pub(crate) fn another() -> Self {
        Self::new()
    }

    /// A CA's certificate with another name, as PEM.
    pub(crate) fn ca_named(&self, name: &str) -> String {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.self_signed(self.issuer.key()).unwrap().pem()
    }

    /// The CA's certificate as PEM.
    pub(crate) fn ca(&self) -> &str {
        &self.ca_pem
    }

    /// A leaf for `names`.
    pub(crate) fn issue(&self, names: &[&str]) -> Leaf {
        self.issue_with(names, |_| {})
    }

    /// A leaf for `names` that is out of date.
    pub(crate) fn issue_expired(&self, names: &[&str]) -> Leaf {
        self.issue_with(names, |params| {
            (params.not_before, params.not_after) = (date_time_ymd(2023, 1, 1), date_time_ymd(2024, 1, 1));
        })
    }

    /// A client's certificate with this subject's common name.
    pub(crate) fn issue_client(&self, name: &str) -> Leaf {
        self.issue_client_until(name, 2100)
    }

    /// The same, out of date.
    pub(crate) fn issue_expired_client(&self, name: &str) -> Leaf {
        self.issue_client_until(name, 2024)
    }

    fn issue_client_until(&self, name: &str, year: i32) -> Leaf {
        self.issue_with(&["agent-1.example"], |params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.distinguished_name.push(DnType::OrganizationName, "Lab");
            params.subject_alt_names.push(SanType::URI("spiffe://lab/agent-1".try_into().unwrap()));
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.not_before = date_time_ymd(2023, 1, 1);
            params.not_after = date_time_ymd(year, 1, 1);
        })
    }

    /// A revocation list of this CA with `revoked`, to be replaced in `year`, as PEM.
    pub(crate) fn revocation_list(&self, revoked: &[&Leaf], year: i32) -> String {
        let revoked = revoked.iter().map(|leaf| RevokedCertParams {
            serial_number: SerialNumber::from_slice(X509Certificate::from_der(&leaf.der).unwrap().1.raw_serial()),
            revocation_time: date_time_ymd(2023, 6, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2023, 6, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// A leaf for `names` that ends then.
    pub(crate) fn issue_until(&self, names: &[&str], end: SystemTime) -> Leaf {
        // Short-lived ones would be spoken of later.
        let begin = end - Duration::from_secs(800 * 24 * 3_600);
        self.issue_with(names, |params| (params.not_before, params.not_after) = (begin.into(), end.into()))
    }

    fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name.push(DnType::CommonName, names[0].clone());
        // As long as what an authority gives: nothing is said about it.
        let day = Duration::from_secs(24 * 3_600);
        let now = SystemTime::now();
        (params.not_before, params.not_after) = ((now - day).into(), (now + 365 * day).into());
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { chain: leaf.pem() + &self.ca_pem, key: key.serialize_pem(), der: leaf.der().clone() }
    }

    /// A client that trusts this CA and offers `alpn`.
    pub(crate) fn client(&self, alpn: &[&str]) -> ClientConfig {
        self.client_of(provider(), rustls::DEFAULT_VERSIONS, alpn)
    }

    /// A client that trusts this CA and has a certificate of its own.
    pub(crate) fn client_as(
        &self,
        leaf: &Leaf,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.clone()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![leaf.der.clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    /// A client with chosen cryptography and versions.
    pub(crate) fn client_of(
        &self,
        provider: Arc<CryptoProvider>,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> ClientConfig {
        Self::client_trusting(self.ca.clone(), provider, versions, alpn)
    }

    /// A client that trusts the CA in `file` alone.
    pub(crate) fn client_trusting_file(file: &Path, alpn: &[&str]) -> ClientConfig {
        let ca = CertificateDer::from_pem_file(file).unwrap();
        Self::client_trusting(ca, provider(), rustls::DEFAULT_VERSIONS, alpn)
    }

    /// A client that trusts `ca` alone.
    pub(crate) fn client_trusting(
        ca: CertificateDer<'static>,
        provider: Arc<CryptoProvider>,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(ca).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}
