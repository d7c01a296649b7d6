//! `CertStore`: name to certificate, replaced whole.
//!
//! Owns: which certificate a client gets, and which hosts are covered.
//! Leaves: reading certificates to `load`, the handshake to `server`.
//!
//! Clients that send no name, or one that no certificate covers, get the default certificate: the one configured
//! first. A refused handshake would tell them nothing; this way their request is answered, 421 or 404 with a reason.

use super::load::LoadedCertificate;
use crate::domain::names::{HostName, NamePattern};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Every certificate of the proxy, by the names they cover.
pub struct CertStore {
    certificates: Vec<LoadedCertificate>,
    /// By full name.
    exact: ByName,
    /// By what stands behind `*.`.
    wildcard: ByName,
    /// What covers the first certificate's first name; never empty.
    default: Vec<Arc<CertifiedKey>>,
}

/// For each name, the preferred certificate first.
type ByName = HashMap<Box<str>, Vec<Arc<CertifiedKey>>>;

/// A store needs one certificate at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmptyStore;

impl fmt::Display for EmptyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no certificate to serve with")
    }
}

impl std::error::Error for EmptyStore {}

impl CertStore {
    /// A store of `certificates`; the first is the default.
    ///
    /// Where several cover one name, ECDSA goes first (its signature costs the server a tenth of RSA's), then the
    /// order given.
    ///
    /// # Errors
    /// `EmptyStore` when there is none.
    pub fn new(certificates: Vec<LoadedCertificate>) -> Result<Self, EmptyStore> {
        let (mut exact, mut wildcard) = (ByName::new(), ByName::new());
        for certificate in &certificates {
            for name in certificate.names() {
                let (map, name) = match name {
                    NamePattern::Exact(name) => (&mut exact, name),
                    NamePattern::Wildcard(parent) => (&mut wildcard, parent),
                };
                map.entry(name.as_str().into()).or_default().push(Arc::clone(&certificate.key));
            }
        }
        for keys in exact.values_mut().chain(wildcard.values_mut()) {
            keys.sort_by_key(|key| key.key.algorithm() != SignatureAlgorithm::ECDSA);
        }
        let first_name = certificates.first().and_then(|first| first.names().first()).ok_or(EmptyStore)?;
        let default = match first_name {
            NamePattern::Exact(name) => exact.get(name.as_str()),
            NamePattern::Wildcard(parent) => wildcard.get(parent.as_str()),
        };
        let default = default.cloned().ok_or(EmptyStore)?;
        Ok(Self { certificates, exact, wildcard, default })
    }

    /// Whether a certificate covers `host` (no port, any case).
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.covering(&host.to_ascii_lowercase()).next().is_some();
        }
        self.covering(host).next().is_some()
    }

    /// Whether `leaf`, in DER, is served.
    #[must_use]
    pub fn serves(&self, leaf: &[u8]) -> bool {
        self.certificates.iter().any(|certificate| certificate.chain().next() == Some(leaf))
    }

    /// Those of `hosts` that no certificate covers.
    #[must_use]
    pub fn uncovered(&self, hosts: &[HostName]) -> Vec<HostName> {
        hosts.iter().filter(|host| !self.covers(host.as_str())).cloned().collect()
    }

    /// Every name that is covered, in the order of the certificates.
    pub fn names(&self) -> impl Iterator<Item = &NamePattern> {
        self.certificates.iter().flat_map(LoadedCertificate::names)
    }

    /// The certificates, the default first.
    #[must_use]
    pub fn certificates(&self) -> &[LoadedCertificate] {
        &self.certificates
    }

    /// The certificates, given up.
    #[must_use]
    pub fn into_certificates(self) -> Vec<LoadedCertificate> {
        self.certificates
    }

    /// The certificate for a client that asks for `server_name` and can check signatures of `schemes`.
    ///
    /// Exact names win over wildcards, and the default takes what is left. A covered name whose certificates the
    /// client cannot check still gets its own certificate: the handshake then fails for its true reason.
    pub(super) fn select(&self, server_name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let covering = || server_name.into_iter().flat_map(|name| self.covering(name));
        let chosen = covering().find(fits).or_else(|| covering().next());
        let chosen = chosen.or_else(|| self.default.iter().find(fits)).or_else(|| self.default.first());
        chosen.map(Arc::clone)
    }

    /// The certificates that cover `host` (lower case), exact before wildcard.
    fn covering(&self, host: &str) -> impl Iterator<Item = &Arc<CertifiedKey>> {
        let host = host.strip_suffix('.').unwrap_or(host);
        let parent = host.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, parent)| parent);
        let exact = self.exact.get(host);
        let wildcard = parent.and_then(|parent| self.wildcard.get(parent));
        exact.into_iter().chain(wildcard).flatten()
    }
}

impl fmt::Debug for CertStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertStore").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::tests::{Pair, host, leaf, loaded, params, root, rsa_key, sign};

    fn store(pairs: &[&Pair]) -> CertStore {
        CertStore::new(pairs.iter().map(|pair| loaded(pair)).collect()).unwrap()
    }

    fn all_schemes() -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }

    /// Which of `pairs` is selected.
    fn selected(store: &CertStore, pairs: &[&Pair], name: Option<&str>, schemes: &[SignatureScheme]) -> usize {
        let key = store.select(name, schemes).unwrap();
        pairs.iter().position(|pair| **pair.certificate.der() == *key.cert[0]).unwrap()
    }

    #[test]
    fn exact_names_win_over_wildcards_and_the_first_takes_the_rest() {
        let root = root("root");
        let pairs = [
            &leaf(&["first.example"], &root),
            &leaf(&["*.example.com"], &root),
            &leaf(&["app.example.com", "example.com"], &root),
        ];
        let store = store(&pairs);
        for (name, expected) in [
            (Some("app.example.com"), 2),
            (Some("app.example.com."), 2),
            (Some("example.com"), 2),
            (Some("api.example.com"), 1),
            (Some("a.api.example.com"), 0),
            (Some("first.example"), 0),
            (Some("other.example"), 0),
            (Some(""), 0),
            (Some("."), 0),
            (None, 0),
        ] {
            assert_eq!(selected(&store, &pairs, name, &all_schemes()), expected, "{name:?}");
        }
    }

    #[test]
    fn clients_get_a_kind_of_key_that_they_can_check() {
        let root = root("root");
        let rsa = |names: &[&str]| sign(&params("rsa", names), rsa_key(), &root);
        let pairs = [
            &rsa(&["app.example.com"]),
            &leaf(&["app.example.com"], &root),
            &rsa(&["*.example.com"]),
            &leaf(&["api.example.com"], &root),
            &leaf(&["app.other.example"], &root),
        ];
        let store = store(&pairs);
        let (rsa, ecdsa) = ([SignatureScheme::RSA_PSS_SHA256], [SignatureScheme::ECDSA_NISTP256_SHA256]);
        for (name, schemes, expected) in [
            (Some("app.example.com"), &all_schemes()[..], 1),
            (Some("app.example.com"), &ecdsa, 1),
            (Some("app.example.com"), &rsa, 0),
            (Some("api.example.com"), &ecdsa, 3),
            (Some("api.example.com"), &rsa, 2),
            // Nothing fits, so the handshake shall fail for the kind of key and not for the name.
            (Some("app.other.example"), &rsa, 4),
            (None, &ecdsa, 1),
            (None, &rsa, 0),
        ] {
            assert_eq!(selected(&store, &pairs, name, schemes), expected, "{name:?} {schemes:?}");
        }
    }

    #[test]
    fn tells_which_hosts_are_covered() {
        let root = root("root");
        let store = store(&[&leaf(&["app.example.com"], &root), &leaf(&["*.wide.example"], &root)]);
        for (host, covered) in [
            ("app.example.com", true),
            ("APP.Example.com", true),
            ("api.wide.example", true),
            ("Api.WIDE.example", true),
            ("api.example.com", false),
            ("example.com", false),
            ("wide.example", false),
            ("a.b.wide.example", false),
            (".wide.example", false),
            ("127.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(store.covers(host), covered, "{host}");
        }
        let hosts = ["app.example.com", "api.example.com", "api.wide.example", "files.example.com"].map(host);
        assert_eq!(store.uncovered(&hosts), [hosts[1].clone(), hosts[3].clone()]);
        let names = store.names().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names, ["app.example.com", "*.wide.example"]);
    }

    #[test]
    fn an_empty_store_is_refused() {
        assert_eq!(CertStore::new(Vec::new()).err(), Some(EmptyStore));
    }
}
