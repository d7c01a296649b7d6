//! Why a certificate cannot be served, and what to do about it.

use super::chain::Link;
use super::strength::KeyKind;
use crate::telemetry::CertificateRefusal;
use rustls::pki_types::{CertificateDer, pem};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use time::OffsetDateTime;

/// Why a certificate cannot be served. Its message names the file, its `hint` what to do.
#[derive(Debug)]
pub struct LoadError {
    pub(super) file: PathBuf,
    pub(super) problem: LoadProblem,
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum LoadProblem {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is over 1 MiB.
    TooLarge,
    /// A PEM section has no end, or is no base64.
    BrokenPem(pem::Error),
    /// It has no `CERTIFICATE` section.
    NoCertificate(Instead),
    /// A `CERTIFICATE` section, counted from 1, holds something else.
    NotACertificate(usize),
    /// It has no private key.
    NoKey(Instead),
    /// Its key is protected by a passphrase.
    EncryptedKey,
    /// Its key is of a kind that TLS here cannot use.
    UnsupportedKey(rustls::Error),
    /// Its key is of a kind that no client takes.
    WeakKey(KeyKind),
    /// The key belongs to no certificate of the chain.
    KeyMismatch {
        /// The first certificate of the chain.
        subject: String,
        /// The file of the chain.
        chain: PathBuf,
    },
    /// It has no revocation list, or a broken one.
    NotARevocationList,
    /// The leaf is past its end.
    Expired(SystemTime),
    /// The leaf's time has not begun.
    NotYetValid {
        /// When it begins.
        not_before: SystemTime,
        /// What the clock says.
        now: SystemTime,
    },
    /// The leaf has no DNS name among its subject alternative names.
    NoNames {
        /// The common name, which clients ignore.
        common_name: Option<String>,
    },
    /// The leaf is for other purposes only.
    NotForServers,
    /// The other certificates of the file did not issue the leaf.
    WrongIssuer {
        /// The leaf.
        subject: String,
        /// Who issued it.
        issuer: String,
    },
}

/// What a file has instead of what was looked for in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// Nothing that is known here.
    Nothing,
    /// A private key.
    PrivateKey,
    /// A key as SSH writes it.
    SshKey,
    /// A public key.
    PublicKey,
    /// A certificate.
    Certificate,
    /// A certificate as OpenSSL keeps it with marks of trust.
    TrustedCertificate,
    /// A request for a certificate.
    Request,
    /// PKCS#7, in PEM.
    Pkcs7,
    /// PKCS#12.
    Pkcs12,
    /// Something in DER.
    Der,
    /// Text of 16 bits a character.
    Utf16,
    /// The right label, but not at the begin of a line or not in one piece.
    Misshapen,
}

impl Instead {
    /// How a sentence about the file goes on.
    const fn clause(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::PrivateKey => "; it has a private key",
            Self::SshKey => "; it has a key of SSH",
            Self::PublicKey => "; it has a public key",
            Self::Certificate => "; it has a certificate",
            Self::TrustedCertificate => "; it has an OpenSSL TRUSTED CERTIFICATE",
            Self::Request => "; it has a request for one",
            Self::Pkcs7 => "; it has PKCS#7",
            Self::Pkcs12 => "; it is PKCS#12",
            Self::Der => "; it is DER",
            Self::Utf16 => "; it is text in UTF-16",
            Self::Misshapen => "; its lines are not as PEM wants them",
        }
    }

    fn hint(self, file: &str, certificate: bool) -> String {
        let (what, out) = if certificate { ("certificate", "chain.pem") } else { ("private key", "site.key") };
        match self {
            Self::PrivateKey | Self::Certificate => {
                String::from("name the file with the certificates as `chain` and the one with the private key as `key`")
            }
            Self::TrustedCertificate => format!("make a plain one of it: openssl x509 -in {file} -out chain.pem"),
            Self::Request => String::from("give the certificate that the authority made of the request"),
            Self::Pkcs7 => format!("take the certificates out: openssl pkcs7 -print_certs -in {file} -out chain.pem"),
            Self::Pkcs12 if certificate => {
                format!("take the certificates out: openssl pkcs12 -nokeys -in {file} -out chain.pem")
            }
            Self::Pkcs12 => format!(
                "take the key out: openssl pkcs12 -nocerts -nodes -in {file} -out site.key, then chmod 600 site.key"
            ),
            Self::Der if certificate => {
                format!("make PEM of it: openssl x509 -inform der -in {file} -out chain.pem")
            }
            Self::Der => {
                format!("make PEM of it: openssl pkey -inform der -in {file} -out site.key, then chmod 600 site.key")
            }
            Self::Utf16 => String::from("save it as plain text (ASCII or UTF-8)"),
            Self::Misshapen => String::from(
                "let each line begin at its very start, with -----BEGIN and -----END on lines of their own",
            ),
            Self::Nothing | Self::SshKey | Self::PublicKey => format!(
                "give a PEM file with the {what}{}, such as {out}",
                if certificate { "" } else { " (PKCS#8, PKCS#1 or SEC1)" }
            ),
        }
    }
}

impl LoadError {
    /// The file with the problem.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The problem.
    #[must_use]
    pub const fn problem(&self) -> &LoadProblem {
        &self.problem
    }

    /// What is wrong, for a counter.
    #[must_use]
    pub const fn reason(&self) -> CertificateRefusal {
        match &self.problem {
            LoadProblem::Unreadable(_) | LoadProblem::TooLarge => CertificateRefusal::Unreadable,
            LoadProblem::BrokenPem(_)
            | LoadProblem::NoCertificate(_)
            | LoadProblem::NotACertificate(_)
            | LoadProblem::NotARevocationList
            | LoadProblem::NoKey(_) => CertificateRefusal::Malformed,
            LoadProblem::EncryptedKey | LoadProblem::UnsupportedKey(_) | LoadProblem::WeakKey(_) => {
                CertificateRefusal::Key
            }
            LoadProblem::KeyMismatch { .. } => CertificateRefusal::KeyMismatch,
            LoadProblem::Expired(_) | LoadProblem::NotYetValid { .. } => CertificateRefusal::Dates,
            LoadProblem::NoNames { .. } | LoadProblem::NotForServers => CertificateRefusal::Names,
            LoadProblem::WrongIssuer { .. } => CertificateRefusal::Chain,
        }
    }

    /// For the first of `certificates` that is none.
    pub(super) fn not_a_certificate(file: &Path, certificates: &[CertificateDer<'_>]) -> Self {
        let broken = certificates.iter().position(|der| Link::parse(der).is_none()).unwrap_or_default();
        Self { file: file.to_owned(), problem: LoadProblem::NotACertificate(broken + 1) }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let file = self.file.display();
        match &self.problem {
            LoadProblem::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => {
                String::from("check the path; relative paths start at the configuration's folder")
            }
            LoadProblem::Unreadable(_) => String::from("let the user that runs this program read the file"),
            LoadProblem::TooLarge => String::from("give the PEM file of the certificate or key alone"),
            LoadProblem::BrokenPem(_) => String::from("copy the file again, whole, as text"),
            LoadProblem::NoCertificate(instead) => instead.hint(&file.to_string(), true),
            LoadProblem::NoKey(instead) => instead.hint(&file.to_string(), false),
            LoadProblem::NotACertificate(_) => String::from("copy the file again, whole, as text"),
            LoadProblem::EncryptedKey => {
                format!("take the passphrase off: openssl pkey -in {file} -out plain.key, then chmod 600 plain.key")
            }
            LoadProblem::UnsupportedKey(_) | LoadProblem::WeakKey(_) => {
                String::from("use an ECDSA (P-256, P-384, P-521), Ed25519 or RSA (2048 bits or more) key")
            }
            LoadProblem::NotARevocationList => String::from(
                "give a whole revocation list, PEM or DER, of at most 16 MiB, as the authority publishes it",
            ),
            LoadProblem::KeyMismatch { .. } => {
                String::from("name the key that the certificate was requested with, or ask for a new certificate")
            }
            LoadProblem::Expired(_) => String::from("renew the certificate"),
            LoadProblem::NotYetValid { now, .. } => {
                format!("check this machine's clock, which says {}, or wait until that day", day(*now))
            }
            LoadProblem::NoNames { .. } => {
                String::from("ask for a certificate with app., api. and files. as subject alternative names (DNS)")
            }
            LoadProblem::NotForServers => String::from("ask for a certificate with the purpose serverAuth"),
            LoadProblem::WrongIssuer { issuer, .. } => {
                format!("put the certificate of {issuer} after the leaf, in place of the others")
            }
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            LoadProblem::Unreadable(_) => f.write_str("certificate file cannot be read")?,
            LoadProblem::TooLarge => f.write_str("file is over 1 MiB, too large for a certificate or key")?,
            LoadProblem::BrokenPem(_) => f.write_str("file is not well-formed PEM")?,
            LoadProblem::NoCertificate(instead) => write!(f, "file has no PEM certificate{}", instead.clause())?,
            LoadProblem::NotACertificate(number) => write!(f, "section {number} is not an X.509 certificate")?,
            LoadProblem::NoKey(instead) => write!(f, "file has no PEM private key{}", instead.clause())?,
            LoadProblem::EncryptedKey => f.write_str("private key is protected by a passphrase")?,
            LoadProblem::WeakKey(kind) => write!(f, "private key is too weak for clients: {kind}")?,
            LoadProblem::UnsupportedKey(_) => f.write_str("private key is broken or of an unknown kind")?,
            LoadProblem::NotARevocationList => f.write_str("file is no revocation list")?,
            LoadProblem::KeyMismatch { subject, chain } => {
                write!(f, "private key does not belong to the certificate {subject} in {}", chain.display())?;
            }
            LoadProblem::Expired(at) => write!(f, "certificate expired on {}", day(*at))?,
            LoadProblem::NotYetValid { not_before, .. } => {
                write!(f, "certificate is not valid before {}", day(*not_before))?;
            }
            LoadProblem::NoNames { common_name: Some(name) } => {
                write!(f, "certificate names {name} only as common name, which clients ignore")?;
            }
            LoadProblem::NoNames { common_name: None } => f.write_str("certificate has no DNS name")?,
            LoadProblem::NotForServers => f.write_str("certificate is not meant for servers")?,
            LoadProblem::WrongIssuer { subject, issuer } => {
                write!(f, "no other certificate of the file issued {subject}, whose issuer is {issuer}")?;
            }
        }
        write!(f, ": {}", self.file.display())
    }
}

impl LoadError {
    /// When the leaf's time begins, where that is all that is wrong.
    #[must_use]
    pub const fn begins(&self) -> Option<SystemTime> {
        match self.problem {
            LoadProblem::NotYetValid { not_before, .. } => Some(not_before),
            _ => None,
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            LoadProblem::Unreadable(error) => Some(error),
            LoadProblem::BrokenPem(error) => Some(error),
            LoadProblem::UnsupportedKey(error) => Some(error),
            _ => None,
        }
    }
}

/// The day of `at`, in UTC.
fn day(at: SystemTime) -> time::Date {
    OffsetDateTime::from(at).date()
}
