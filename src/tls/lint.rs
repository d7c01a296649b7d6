//! What is weak about a chain, though it can be served: keys, signatures, its life, and what a strict client says.

use super::chain::Link;
use super::strength::Verdict;
use super::warning::{CertificateWarning, LIFE_DAYS_MAX};
use crate::domain::names::NamePattern;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY_SECONDS: u64 = 24 * 3600;

/// What deserves a look about `chain`, leaf first, for clients that see it at `now`.
pub(super) fn lint(chain: &[CertificateDer<'static>], now: SystemTime) -> Vec<CertificateWarning> {
    let links = chain.iter().filter_map(Link::parse).collect::<Vec<_>>();
    let Some(leaf) = links.first() else { return Vec::new() };
    let mut warnings = links.iter().flat_map(of_one).collect::<Vec<_>>();
    if leaf.key_kind().verdict() == Verdict::NotBrowsers {
        warnings.push(CertificateWarning::NotForBrowsers { key: leaf.key_kind() });
    }
    let life = leaf.not_after().duration_since(leaf.not_before()).unwrap_or_default();
    if life.as_secs() > LIFE_DAYS_MAX * DAY_SECONDS {
        warnings.push(CertificateWarning::LongLife { days: life.as_secs() / DAY_SECONDS });
    }
    let explained = warnings.iter().any(|warning| {
        matches!(warning, CertificateWarning::WeakKey { .. } | CertificateWarning::WeakSignature { .. })
    });
    // A date that has passed is found elsewhere, and one that is to come as well.
    if !explained && links.iter().all(|link| link.is_valid_at(now)) {
        let refused = refusal(chain, leaf, now).map(|reason| CertificateWarning::ChainRefused { reason });
        warnings.extend(refused);
    }
    warnings
}

/// The key and the signature of one certificate. Nobody looks at the signature of a root: it is trusted by name.
fn of_one(link: &Link<'_>) -> Vec<CertificateWarning> {
    let mut warnings = Vec::new();
    if link.key_kind().verdict() == Verdict::Weak {
        warnings.push(CertificateWarning::WeakKey { subject: link.subject(), key: link.key_kind() });
    }
    let (algorithm, good) = link.signature();
    if !good && !link.is_self_signed() {
        warnings.push(CertificateWarning::WeakSignature { subject: link.subject(), algorithm });
    }
    warnings
}

/// The certificate of `chain`, leaf first, that has more authorities below it than it may have. The library leaves the
/// last one out, which it trusts as it stands; OpenSSL does not.
fn too_deep(chain: &[CertificateDer<'_>]) -> Option<String> {
    let authorities = chain.iter().skip(1).filter_map(Link::parse);
    let allows = |(below, link): &(usize, Link<'_>)| link.path_length().is_none_or(|most| *below <= most as usize);
    authorities.enumerate().find(|found| !allows(found)).map(|(_, link)| link.subject())
}

/// Why a client that trusts the last certificate of `chain` refuses the first, if it does.
pub(super) fn refusal(chain: &[CertificateDer<'_>], leaf: &Link<'_>, now: SystemTime) -> Option<String> {
    let [first, between @ .., last] = chain else { return None };
    if let Some(subject) = too_deep(chain) {
        return Some(format!("{subject} may not have as many authorities below it"));
    }
    let name = match leaf.dns_names().patterns.first()? {
        NamePattern::Exact(name) => name.to_string(),
        NamePattern::Wildcard(parent) => format!("any.{parent}"),
    };
    let name = ServerName::try_from(name).ok()?;
    let mut roots = RootCertStore::empty();
    if let Err(error) = roots.add(last.clone().into_owned()) {
        return Some(error.to_string());
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()?;
    let at = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).ok()?);
    verifier.verify_server_cert(first, between, &name, &[], at).err().map(|error| error.to_string())
}
