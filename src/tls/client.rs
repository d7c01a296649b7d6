//! TLS towards targets: certificates checked against given authorities, for the target's name.
//!
//! Leaves: sockets and deadlines to `upstream`.

use super::load_error::{LoadError, LoadProblem};
use super::pem_file::read_certificates;
use super::server::ServerTlsError;
use crate::domain::addr::TargetHost;
use rustls::client::WantsClientCert;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What is needed to shake hands with targets; cheap to clone, shared by all workers.
#[derive(Clone)]
pub struct ClientTls(Arc<ClientConfig>);

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

impl ClientTls {
    /// Trusts the public authorities, as browsers do; otherwise as `load`.
    ///
    /// # Errors
    /// `ServerTlsError` when the library refuses it.
    pub fn public() -> Result<Self, ServerTlsError> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self::trusting(roots).map_err(ServerTlsError::new)
    }

    /// Trusts exactly the authorities in the PEM file `ca`. HTTP/1.1 only; sessions are resumed, no early data is sent.
    ///
    /// # Errors
    /// `LoadError` with the file and what is wrong with it.
    pub fn load(ca: &Path) -> Result<Self, LoadError> {
        let fail = |problem| LoadError { file: ca.to_owned(), problem };
        let mut roots = RootCertStore::empty();
        for (position, certificate) in read_certificates(ca)?.into_iter().enumerate() {
            roots.add(certificate).map_err(|_| fail(LoadProblem::NotACertificate(position + 1)))?;
        }
        Self::trusting(roots).map_err(|error| fail(LoadProblem::UnsupportedKey(error)))
    }

    fn trusting(roots: RootCertStore) -> Result<Self, rustls::Error> {
        Ok(Self::with(builder()?.with_root_certificates(roots)))
    }

    /// Asks `verifier` about certificates.
    pub(super) fn trusting_by(verifier: Arc<dyn ServerCertVerifier>) -> Result<Self, rustls::Error> {
        Ok(Self::with(builder()?.dangerous().with_custom_certificate_verifier(verifier)))
    }

    fn with(builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> Self {
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self(Arc::new(config))
    }

    /// The configuration, for the connector.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
}

/// The name that a target's certificate must have: its host name, or its address.
#[must_use]
pub fn name_of(host: &TargetHost) -> Option<ServerName<'static>> {
    match host {
        TargetHost::Ip(ip) => Some(ServerName::from(*ip)),
        TargetHost::Name(name) => ServerName::try_from(name.as_str().to_owned()).ok(),
    }
}
