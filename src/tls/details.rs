//! Certificates as plain data, for people: what stands in them, and what is wrong with them.

use super::chain::{self, Link};
use super::lint::lint;
use super::load_error::{LoadError, LoadProblem};
use super::pem_file::read_certificates;
use super::warning::CertificateWarning;
use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::SystemTime;
use x509_parser::extensions::GeneralName;

/// What stands in one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateDetails {
    /// `CN=..., O=...`
    pub subject: String,
    /// The same of whoever issued it.
    pub issuer: String,
    /// Its number, in hexadecimal.
    pub serial: String,
    /// The first moment it is valid.
    pub not_before: SystemTime,
    /// The last moment it is valid.
    pub not_after: SystemTime,
    /// Subject alternative names of all kinds.
    pub names: Vec<String>,
    /// Kind and size of its key.
    pub key: String,
    /// The algorithm of the signature on it.
    pub signature: String,
    /// SHA-256 of it, as browsers show it.
    pub fingerprint: String,
    /// Whether it may issue others.
    pub authority: bool,
    /// How many authorities may stand below it.
    pub path_length: Option<u32>,
    /// The DNS subtrees that it may issue for; empty where nothing limits it.
    pub permitted: Vec<String>,
    /// The DNS subtrees that it may not issue for.
    pub excluded: Vec<String>,
    /// Whether it is its own issuer.
    pub self_signed: bool,
}

/// A file of certificates, read without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDetails {
    /// As they stand in the file.
    pub certificates: Vec<CertificateDetails>,
    /// What deserves a look about the first and its issuers.
    pub warnings: Vec<CertificateWarning>,
}

/// What stands in the PEM file, and what is weak about it at `now`.
///
/// # Errors
/// `LoadError` with the file and what is wrong with it.
pub fn describe_file(file: &Path, now: SystemTime) -> Result<FileDetails, LoadError> {
    let certificates = read_certificates(file)?;
    let mut links = Vec::with_capacity(certificates.len());
    for (position, der) in certificates.iter().enumerate() {
        let problem = || LoadError { file: file.to_owned(), problem: LoadProblem::NotACertificate(position + 1) };
        links.push(Link::parse(der).ok_or_else(problem)?);
    }
    let path = chain::order(&links, 0);
    let chain = path.iter().filter_map(|position| certificates.get(*position).cloned()).collect::<Vec<_>>();
    let details = certificates.iter().zip(&links).map(|(der, link)| details(der, link));
    Ok(FileDetails { certificates: details.collect(), warnings: lint(&chain, now) })
}

/// What stands in each certificate of a chain in DER; those that are none are left out.
pub fn describe_chain<'a>(chain: impl IntoIterator<Item = &'a [u8]>) -> Vec<CertificateDetails> {
    let parsed = chain.into_iter().filter_map(|bytes| {
        let der = CertificateDer::from(bytes);
        Link::parse(&der).map(|link| details(&der, &link))
    });
    parsed.collect()
}

/// The certificate of a file that clients are to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    /// What stands in it.
    pub details: CertificateDetails,
    /// It alone in PEM, with nothing else that may stand in the file, such as a key.
    pub pem: String,
}

/// The certificate of the PEM file that others come from: the root, or else the last one that may issue others.
///
/// # Errors
/// `LoadError` with the file and what is wrong with it.
pub fn trust_anchor(file: &Path) -> Result<TrustAnchor, LoadError> {
    let certificates = read_certificates(file)?;
    let mut found: Option<TrustAnchor> = None;
    for der in &certificates {
        let broken = || LoadError::not_a_certificate(file, &certificates);
        let details = details(der, &Link::parse(der).ok_or_else(broken)?);
        let better = found.as_ref().is_none_or(|before| {
            details.authority && (!before.details.authority || details.self_signed || !before.details.self_signed)
        });
        if better {
            found = Some(TrustAnchor { pem: pem_of(der), details });
        }
    }
    found.ok_or_else(|| LoadError::not_a_certificate(file, &certificates))
}

/// A certificate in PEM.
pub(super) fn pem_of(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn details(der: &[u8], link: &Link<'_>) -> CertificateDetails {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    CertificateDetails {
        subject: link.subject(),
        issuer: link.issuer(),
        serial: link.serial(),
        not_before: link.not_before(),
        not_after: link.not_after(),
        names: names(link),
        key: link.key_kind().to_string(),
        signature: link.signature().0,
        fingerprint: fingerprint(der),
        authority: link.is_authority(),
        path_length: link.path_length(),
        permitted: owned(link.permitted_dns()),
        excluded: owned(link.excluded_dns()),
        self_signed: link.is_self_signed(),
    }
}

fn names(link: &Link<'_>) -> Vec<String> {
    let Ok(Some(extension)) = link.x509().subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => address(bytes),
        GeneralName::RFC822Name(name) => format!("email:{name}"),
        GeneralName::URI(name) => format!("uri:{name}"),
        other => other.to_string(),
    };
    extension.value.general_names.iter().map(name).collect()
}

fn address(bytes: &[u8]) -> String {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let any = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    any.map_or_else(|_| String::from("(an address of unknown form)"), |ip| ip.to_string())
}

/// SHA-256 in pairs of hexadecimal digits.
pub(super) fn fingerprint(der: &[u8]) -> String {
    let mut text = String::new();
    for (index, byte) in digest(&SHA256, der).as_ref().iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}{byte:02X}", if index == 0 { "" } else { ":" });
    }
    text
}
