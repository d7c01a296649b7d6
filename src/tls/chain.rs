//! What stands in a certificate, and which certificate issued which.
//!
//! Owns: reading names, dates and purposes; putting a chain in order from the leaf upwards.
//! Leaves: files and keys to `load`, what a finding means (error or warning) to `load` and `local_ca`.

use super::strength::{self, KeyKind};
use crate::domain::names::NamePattern;
use ::aws_lc_rs::signature::{self, RsaParameters, UnparsedPublicKey};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, GeneralSubtree, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

/// What no client takes any more, but what still says who issued what.
const OUTDATED: [&RsaParameters; 3] = [
    &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
];

/// One certificate, parsed.
pub(super) struct Link<'a> {
    x509: X509Certificate<'a>,
}

/// The DNS names of a certificate.
pub(super) struct DnsNames {
    /// Those that can match a host.
    pub(super) patterns: Vec<NamePattern>,
    /// Those that never match one, such as `*.*.example.com`.
    pub(super) ignored: Vec<String>,
}

impl<'a> Link<'a> {
    /// Parses one certificate; `None` when it is none, or has bytes after its end.
    pub(super) fn parse(der: &'a CertificateDer<'_>) -> Option<Self> {
        let (rest, x509) = X509Certificate::from_der(der.as_ref()).ok()?;
        rest.is_empty().then_some(Self { x509 })
    }

    /// The subject as `CN=..., O=...`.
    pub(super) fn subject(&self) -> String {
        readable(self.x509.subject())
    }

    /// The issuer as `CN=..., O=...`.
    pub(super) fn issuer(&self) -> String {
        readable(self.x509.issuer())
    }

    /// The first common name of the subject.
    pub(super) fn common_name(&self) -> Option<&str> {
        self.x509.subject().iter_common_name().next().and_then(|name| name.as_str().ok())
    }

    /// The first moment it is valid.
    pub(super) fn not_before(&self) -> SystemTime {
        wall(self.x509.validity().not_before)
    }

    /// The last moment it is valid.
    pub(super) fn not_after(&self) -> SystemTime {
        wall(self.x509.validity().not_after)
    }

    /// Whether `now` is within its validity.
    pub(super) fn is_valid_at(&self, now: SystemTime) -> bool {
        self.not_before() <= now && now <= self.not_after()
    }

    /// Its public key with the algorithm, in DER.
    pub(super) fn public_key(&self) -> &[u8] {
        self.x509.public_key().raw
    }

    /// Its number and the id of its issuer's key, as the bytes in DER; together they name it among all certificates.
    ///
    /// Source: RFC 9773 section 4.1.
    pub(super) fn renewal_id(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let authority = self.x509.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
            _ => None,
        })?;
        Some((authority, self.x509.raw_serial().to_vec()))
    }

    /// What its public key is.
    pub(super) fn key_kind(&self) -> KeyKind {
        KeyKind::of(&self.x509)
    }

    /// The algorithm of its signature, and whether clients take that.
    pub(super) fn signature(&self) -> (String, bool) {
        strength::signature(&self.x509)
    }

    /// Its number in hexadecimal.
    pub(super) fn serial(&self) -> String {
        self.x509.raw_serial_as_string()
    }

    /// Its subject as it stands in DER.
    pub(super) fn raw_subject(&self) -> &[u8] {
        self.x509.subject().as_raw()
    }

    /// The id of its own key.
    pub(super) fn key_id(&self) -> Option<&[u8]> {
        self.x509.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
            _ => None,
        })
    }

    /// How many authorities may stand between it and a leaf; `None` for any number.
    pub(super) fn path_length(&self) -> Option<u32> {
        self.x509.basic_constraints().ok().flatten().and_then(|basic| basic.value.path_len_constraint)
    }

    /// Whether its key may sign certificates. Without key usage it may.
    pub(super) fn may_sign(&self) -> bool {
        self.x509.key_usage().ok().flatten().is_none_or(|usage| usage.value.key_cert_sign())
    }

    /// Whether it is the very same certificate.
    pub(super) fn is_same_as(&self, other: &Link<'_>) -> bool {
        self.x509.signature_value.data == other.x509.signature_value.data
            && self.x509.tbs_certificate.as_ref() == other.x509.tbs_certificate.as_ref()
    }

    /// The certificate itself.
    pub(super) const fn x509(&self) -> &X509Certificate<'a> {
        &self.x509
    }

    /// Whether it may issue others.
    pub(super) fn is_authority(&self) -> bool {
        self.x509.is_ca()
    }

    /// Whether it may stand for a server. Without extended key usage it may.
    ///
    /// Source: RFC 5280 section 4.2.1.12.
    pub(super) fn allows_servers(&self) -> bool {
        match self.x509.extended_key_usage() {
            Ok(Some(usage)) => usage.value.server_auth || usage.value.any,
            Ok(None) | Err(_) => true,
        }
    }

    /// The DNS names of its subject alternative name. The common name counts for no client any more.
    ///
    /// Source: RFC 9525 section 2.
    pub(super) fn dns_names(&self) -> DnsNames {
        let mut names = DnsNames { patterns: Vec::new(), ignored: Vec::new() };
        let Ok(Some(extension)) = self.x509.subject_alternative_name() else { return names };
        for name in &extension.value.general_names {
            let GeneralName::DNSName(text) = name else { continue };
            match NamePattern::parse(text) {
                Ok(pattern) => names.patterns.push(pattern),
                Err(_) => names.ignored.push((*text).to_owned()),
            }
        }
        names
    }

    /// The DNS subtrees that it may issue for; empty when there is no such limit.
    pub(super) fn permitted_dns(&self) -> Vec<&str> {
        let constraints = self.x509.name_constraints().ok().flatten();
        dns_of(constraints.and_then(|constraints| constraints.value.permitted_subtrees.as_ref()))
    }

    /// The DNS subtrees that it may not issue for.
    pub(super) fn excluded_dns(&self) -> Vec<&str> {
        let constraints = self.x509.name_constraints().ok().flatten();
        dns_of(constraints.and_then(|constraints| constraints.value.excluded_subtrees.as_ref()))
    }

    /// Whether it is its own issuer, as a root is.
    pub(super) fn is_self_signed(&self) -> bool {
        self.is_issued_by(self)
    }

    /// Whether `issuer` has the name and the key that signed this certificate.
    pub(super) fn is_issued_by(&self, issuer: &Link<'_>) -> bool {
        self.x509.issuer().as_raw() == issuer.x509.subject().as_raw() && self.is_signed_by(issuer)
    }

    /// Whether `issuer`'s key signed this certificate.
    pub(super) fn is_signed_by(&self, issuer: &Link<'_>) -> bool {
        let key = issuer.x509.public_key().subject_public_key.data.as_ref();
        let message = self.x509.tbs_certificate.as_ref();
        let signature = self.x509.signature_value.data.as_ref();
        // A signature that verifies under one of them was made by that key; naming the algorithm adds nothing.
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        algorithms.iter().any(|algorithm| algorithm.verify_signature(key, message, signature).is_ok())
            || OUTDATED
                .iter()
                .any(|algorithm| UnparsedPublicKey::new(*algorithm, key).verify(message, signature).is_ok())
    }
}

fn dns_of<'a>(subtrees: Option<&'a Vec<GeneralSubtree<'a>>>) -> Vec<&'a str> {
    let dns = subtrees.into_iter().flatten().filter_map(|subtree| match subtree.base {
        GeneralName::DNSName(name) => Some(name),
        _ => None,
    });
    dns.collect()
}

/// The positions in `links` that lead from `leaf` upwards, each certificate issued by the next.
pub(super) fn order(links: &[Link<'_>], leaf: usize) -> Vec<usize> {
    let mut path = vec![leaf];
    let mut current = links.get(leaf);
    while let Some(link) = current.filter(|link| !link.is_self_signed()) {
        let issuer = links
            .iter()
            .enumerate()
            .find(|(position, candidate)| !path.contains(position) && link.is_issued_by(candidate));
        path.extend(issuer.map(|(position, _)| position));
        current = issuer.map(|(_, next)| next);
    }
    path
}

/// A name for people.
pub(super) fn readable(name: &X509Name<'_>) -> String {
    match name.to_string() {
        text if text.is_empty() => String::from("(no name)"),
        text => text,
    }
}

/// The moment by the wall clock.
pub(super) fn wall(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let moment = if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    moment.unwrap_or(UNIX_EPOCH)
}
