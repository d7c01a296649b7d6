//! An authority from files: of a company, an intermediate, or the local one, to sign leaves with.
//!
//! Owns: that it can sign what it is asked to, and that clients take the result. Leaves: what stands in a leaf to
//! `issue`, where leaves are kept to `issued`.

use super::chain::{self, Link};
use super::details::pem_of;
use super::issue::{self, Validity};
use super::lint::refusal;
use super::load::{LoadedCertificate, permission_warning};
use super::load_error::LoadError;
use super::pem_file::{has_key, read_certificates, read_key};
use crate::domain::names::NamePattern;
use crate::domain::settings::CertificateFiles;
use rcgen::{KeyPair, PublicKeyData};
use rustls::pki_types::CertificateDer;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// An authority that can sign.
pub struct Signer {
    files: CertificateFiles,
    key: KeyPair,
    /// Its certificate, then those above it.
    chain: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("files", &self.files).finish_non_exhaustive()
    }
}

/// A leaf with what belongs to it, in PEM.
pub struct IssuedLeaf {
    /// The leaf, then its issuers without the root.
    pub chain: String,
    /// Its key.
    pub key: Zeroizing<String>,
    /// Its last moment.
    pub not_after: SystemTime,
}

impl fmt::Debug for IssuedLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedLeaf").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

/// Why an authority cannot sign. Its message names the file, its `hint` what to do.
#[derive(Debug)]
pub struct SignerError {
    file: PathBuf,
    problem: SignerProblem,
}

/// What is wrong with it, or with what it was asked for.
#[derive(Debug)]
pub enum SignerProblem {
    /// A file cannot be used.
    File(LoadError),
    /// The key is of a kind that cannot sign here.
    UnusableKey,
    /// The key belongs to no certificate of the file.
    KeyMismatch {
        /// The first certificate.
        subject: String,
    },
    /// The file that clients are given has the key in it.
    KeyInside,
    /// Its certificate is for a leaf.
    NotAnAuthority {
        /// Whose.
        subject: String,
    },
    /// Its key usage does not include certificates.
    MayNotSign {
        /// Whose.
        subject: String,
    },
    /// It is past its end.
    Expired(SystemTime),
    /// Its time has not begun.
    NotYetValid(SystemTime),
    /// Its constraints leave a name out.
    Forbidden {
        /// The name.
        name: String,
        /// What it may issue for; empty where only some are excluded.
        permitted: Vec<String>,
    },
    /// A client would refuse what it signs.
    Refused(String),
    /// The library cannot make it.
    Generation(rcgen::Error),
}

impl SignerError {
    /// The file with the problem.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The problem.
    #[must_use]
    pub const fn problem(&self) -> &SignerProblem {
        &self.problem
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.problem {
            SignerProblem::File(error) => error.hint(),
            SignerProblem::UnusableKey => String::from("use an ECDSA (P-256, P-384, P-521), Ed25519 or RSA key"),
            SignerProblem::KeyMismatch { .. } => String::from("name the key that belongs to this authority"),
            SignerProblem::KeyInside => {
                String::from("keep the key in a file of its own: clients are given the file with the certificate")
            }
            SignerProblem::NotAnAuthority { .. } | SignerProblem::MayNotSign { .. } => String::from(
                "ask for a certificate that may sign others (basicConstraints CA:TRUE, keyUsage keyCertSign)",
            ),
            SignerProblem::Expired(_) => String::from("have the authority's certificate renewed"),
            SignerProblem::NotYetValid(_) => String::from("check this machine's clock, or wait until that day"),
            SignerProblem::Forbidden { permitted, .. } if permitted.is_empty() => {
                String::from("ask for an authority that may issue for this name")
            }
            SignerProblem::Forbidden { permitted, .. } => {
                format!("it may issue for {}; ask for one that may issue for this name too", permitted.join(", "))
            }
            SignerProblem::Refused(_) => {
                String::from("put all certificates above it into the file, in order, and see how far down it may sign")
            }
            SignerProblem::Generation(_) => String::from("name your own `certificates`"),
        }
    }
}

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |at: &SystemTime| OffsetDateTime::from(*at).date();
        match &self.problem {
            SignerProblem::File(error) => {
                write!(f, "authority cannot be used: {error}")?;
                return error.source().map_or(Ok(()), |cause| write!(f, ": {cause}"));
            }
            SignerProblem::UnusableKey => f.write_str("authority's key is broken or of an unknown kind")?,
            SignerProblem::KeyMismatch { subject } => write!(f, "key does not belong to the authority {subject}")?,
            SignerProblem::KeyInside => f.write_str("file of the authority's certificate has its key as well")?,
            SignerProblem::NotAnAuthority { subject } => write!(f, "{subject} is no certificate authority")?,
            SignerProblem::MayNotSign { subject } => write!(f, "{subject} may not sign certificates")?,
            SignerProblem::Expired(at) => write!(f, "authority expired on {}", day(at))?,
            SignerProblem::NotYetValid(at) => write!(f, "authority is not valid before {}", day(at))?,
            SignerProblem::Forbidden { name, .. } => write!(f, "authority may not issue for {name}")?,
            SignerProblem::Refused(reason) => write!(f, "clients would refuse what the authority signs: {reason}")?,
            SignerProblem::Generation(error) => write!(f, "certificate cannot be made: {error}")?,
        }
        write!(f, ": {}", self.file.display())
    }
}

impl Error for SignerError {}

impl Signer {
    /// The authority whose certificate is in `files.chain`, with those above it in any order, and whose key is in
    /// `files.key`; checked to be able to sign at `now`.
    ///
    /// # Errors
    /// `SignerError`.
    pub fn load(files: &CertificateFiles, now: SystemTime) -> Result<Self, SignerError> {
        let of_chain = |problem| SignerError { file: files.chain.clone(), problem };
        let of_key = |problem| SignerError { file: files.key.clone(), problem };
        let from_file =
            |error: LoadError| SignerError { file: error.file().to_owned(), problem: SignerProblem::File(error) };
        let certificates = read_certificates(&files.chain).map_err(from_file)?;
        if has_key(&files.chain) {
            return Err(of_chain(SignerProblem::KeyInside));
        }
        let key = KeyPair::try_from(&read_key(&files.key).map_err(from_file)?);
        let key = key.map_err(|_| of_key(SignerProblem::UnusableKey))?;
        let links = certificates.iter().filter_map(Link::parse).collect::<Vec<_>>();
        if links.len() != certificates.len() {
            let broken = SignerProblem::File(LoadError::not_a_certificate(&files.chain, &certificates));
            return Err(of_chain(broken));
        }
        let public = key.subject_public_key_info();
        let found = links.iter().position(|link| link.public_key() == public);
        let Some((position, own)) = found.and_then(|position| Some((position, links.get(position)?))) else {
            let subject = links.first().map(Link::subject).unwrap_or_default();
            return Err(of_key(SignerProblem::KeyMismatch { subject }));
        };
        check(own, now).map_err(of_chain)?;
        let path = chain::order(&links, position);
        let chain = path.iter().filter_map(|position| certificates.get(*position).cloned()).collect();
        Ok(Self { files: files.clone(), key, chain })
    }

    /// The file of its certificate.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.files.chain
    }

    /// A new leaf for `names` that is good for `life` from `now`, though never longer than those above it.
    ///
    /// # Errors
    /// `SignerError` when it may not issue for a name, or when clients would refuse the leaf.
    pub fn issue(&self, names: &[NamePattern], life: Duration, now: SystemTime) -> Result<IssuedLeaf, SignerError> {
        let fail = |problem| SignerError { file: self.files.chain.clone(), problem };
        let links = self.chain.iter().filter_map(Link::parse).collect::<Vec<_>>();
        for name in names {
            if let Some(link) = links.iter().find(|link| !may_issue(link, name)) {
                let permitted = link.permitted_dns().into_iter().map(str::to_owned).collect();
                return Err(fail(SignerProblem::Forbidden { name: name.to_string(), permitted }));
            }
        }
        let validity = within(&links, Validity::of(life, now));
        let own = links.first().ok_or_else(|| fail(SignerProblem::UnusableKey))?;
        let issuer = issue::IssuerFacts { subject: own.raw_subject(), key_id: own.key_id(), key: &self.key };
        let (der, key) =
            issue::leaf_by(&issuer, names, &validity).map_err(|error| fail(SignerProblem::Generation(error)))?;
        let leaf = CertificateDer::from(der);
        let whole = std::iter::once(&leaf).chain(&self.chain).cloned().collect::<Vec<_>>();
        let parsed = Link::parse(&leaf).filter(|made| made.is_issued_by(own));
        let parsed = parsed.ok_or_else(|| fail(SignerProblem::Generation(rcgen::Error::CouldNotParseCertificate)))?;
        if let Some(reason) = refusal(&whole, &parsed, now) {
            return Err(fail(SignerProblem::Refused(reason)));
        }
        let sent = whole.iter().zip(std::iter::once(&parsed).chain(&links)).filter(|(_, link)| !link.is_self_signed());
        let chain = sent.map(|(der, _)| pem_of(der)).collect();
        Ok(IssuedLeaf { chain, key, not_after: validity.not_after })
    }

    /// Whether its own certificate issued `leaf`, in DER.
    #[must_use]
    pub fn issued(&self, leaf: &[u8]) -> bool {
        let (leaf, own) = (CertificateDer::from(leaf), self.chain.first().and_then(Link::parse));
        Link::parse(&leaf).zip(own).is_some_and(|(leaf, own)| leaf.is_issued_by(&own))
    }

    /// Tells `leaf` the authority that clients know.
    pub(super) fn anchor(&self, leaf: &mut LoadedCertificate) {
        for link in self.chain.iter().filter_map(Link::parse) {
            leaf.anchor(&link);
        }
        leaf.warnings.extend(permission_warning(&self.files.key));
    }
}

fn check(own: &Link<'_>, now: SystemTime) -> Result<(), SignerProblem> {
    if !own.is_authority() {
        return Err(SignerProblem::NotAnAuthority { subject: own.subject() });
    }
    if !own.may_sign() {
        return Err(SignerProblem::MayNotSign { subject: own.subject() });
    }
    if now > own.not_after() {
        return Err(SignerProblem::Expired(own.not_after()));
    }
    if now < own.not_before() {
        return Err(SignerProblem::NotYetValid(own.not_before()));
    }
    Ok(())
}

/// Whether the constraints of `authority` let it issue for `name`. A wildcard needs all that it may stand for.
///
/// Source: RFC 5280 section 4.2.1.10; a leading dot is for what is below only, as OpenSSL has it.
fn may_issue(authority: &Link<'_>, name: &NamePattern) -> bool {
    let host = match name {
        NamePattern::Exact(host) | NamePattern::Wildcard(host) => host.as_str(),
    };
    let below = matches!(name, NamePattern::Wildcard(_));
    let inside = |subtree: &&str| is_within(host, subtree, below);
    let permitted = authority.permitted_dns();
    let excluded = authority.excluded_dns();
    (permitted.is_empty() || permitted.iter().any(inside)) && !excluded.iter().any(inside)
}

fn is_within(host: &str, subtree: &str, below: bool) -> bool {
    let subtree = subtree.to_ascii_lowercase();
    if let Some(parent) = subtree.strip_prefix('.') {
        return host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.') || (below && rest.is_empty()));
    }
    subtree.is_empty() || host.strip_suffix(&*subtree).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// No leaf begins before those above it, nor outlives one of them.
fn within(links: &[Link<'_>], validity: Validity) -> Validity {
    links.iter().fold(validity, |validity, link| Validity {
        not_before: validity.not_before.max(link.not_before()),
        not_after: validity.not_after.min(link.not_after()),
    })
}

#[cfg(test)]
mod tests;
