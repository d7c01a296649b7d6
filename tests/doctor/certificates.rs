//! Certificates as they are, well and badly made.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::{Arc, LazyLock};

/// A chain and its key.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) pem: String,
    pub(crate) key: String,
    key_der: Vec<u8>,
}

/// What is to be wrong with a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Leaf and intermediate of the trusted root.
    Good,
    /// The intermediate is missing.
    Alone,
    Expired,
    Future,
    EndsSoon,
    SelfSigned,
    /// Of a root that nobody was told of.
    Stranger,
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

fn authority(name: &str, parent: Option<&Authority>) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let made = match parent {
        Some(parent) => params.signed_by(&key, &parent.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    Authority { der: made.der().clone(), pem: made.pem(), issuer: Issuer::new(params, key) }
}

static ROOT: LazyLock<Authority> = LazyLock::new(|| authority("test root", None));
static INNER: LazyLock<Authority> = LazyLock::new(|| authority("test intermediate", Some(&ROOT)));
static STRANGER: LazyLock<Authority> = LazyLock::new(|| authority("somebody's root", None));

/// The trusted root, as PEM.
pub(crate) fn root() -> &'static str {
    &ROOT.pem
}

pub(crate) fn leaf(kind: Kind, names: &[&str]) -> Leaf {
    let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a leaf");
    let now = time::OffsetDateTime::now_utc();
    match kind {
        Kind::Expired => params.not_after = now - time::Duration::days(3),
        Kind::Future => params.not_before = now + time::Duration::days(3),
        Kind::EndsSoon => params.not_after = now + time::Duration::days(3),
        _ => {}
    }
    let key = KeyPair::generate().unwrap();
    let (made, above) = match kind {
        Kind::SelfSigned => (params.self_signed(&key).unwrap(), None),
        Kind::Stranger => (params.signed_by(&key, &STRANGER.issuer).unwrap(), Some(&*STRANGER)),
        Kind::Alone => (params.signed_by(&key, &INNER.issuer).unwrap(), None),
        _ => (params.signed_by(&key, &INNER.issuer).unwrap(), Some(&*INNER)),
    };
    let chain = std::iter::once(made.der().clone()).chain(above.map(|above| above.der.clone())).collect();
    let pem = made.pem() + above.map_or("", |above| above.pem.as_str());
    Leaf { chain, pem, key: key.serialize_pem(), key_der: key.serialize_der() }
}

impl Leaf {
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.key_der.clone()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Arc::new(config.with_single_cert(self.chain.clone(), key).unwrap())
    }
}
