//! Why a certificate cannot be served, and what to do about it.

use rustls::pki_types::pem;
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
    NoCertificate,
    /// A `CERTIFICATE` section, counted from 1, holds something else.
    NotACertificate(usize),
    /// It has no private key.
    NoKey,
    /// Its key is protected by a passphrase.
    EncryptedKey,
    /// Its key is of a kind that TLS here cannot use.
    UnsupportedKey(rustls::Error),
    /// The key belongs to no certificate of the chain.
    KeyMismatch {
        /// The first certificate of the chain.
        subject: String,
        /// The file of the chain.
        chain: PathBuf,
    },
    /// The leaf is past its end.
    Expired(SystemTime),
    /// The leaf's time has not begun.
    NotYetValid(SystemTime),
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

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let file = self.file.display();
        match &self.problem {
            LoadProblem::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => {
                String::from("check the path in `certificates`; relative paths start at the configuration's folder")
            }
            LoadProblem::Unreadable(_) => String::from("let the user that runs this program read the file"),
            LoadProblem::TooLarge => String::from("give the PEM file of the certificate or key alone"),
            LoadProblem::BrokenPem(_) => String::from("copy the file again, whole, as text"),
            LoadProblem::NoCertificate | LoadProblem::NotACertificate(_) => {
                format!("give a PEM file; from DER: openssl x509 -inform der -in {file} -out chain.pem")
            }
            LoadProblem::NoKey => {
                String::from("name the file with the private key (PKCS#8, PKCS#1 or SEC1, PEM) as `key`")
            }
            LoadProblem::EncryptedKey => {
                format!("take the passphrase off: openssl pkey -in {file} -out plain.key, then chmod 600 plain.key")
            }
            LoadProblem::UnsupportedKey(_) => {
                String::from("use an ECDSA (P-256, P-384, P-521), Ed25519 or RSA (2048 bits or more) key")
            }
            LoadProblem::KeyMismatch { .. } => {
                String::from("name the key that the certificate was requested with, or ask for a new certificate")
            }
            LoadProblem::Expired(_) => String::from("renew the certificate"),
            LoadProblem::NotYetValid(_) => String::from("check this machine's clock, or wait until that day"),
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
            LoadProblem::NoCertificate => f.write_str("file has no PEM certificate")?,
            LoadProblem::NotACertificate(number) => write!(f, "section {number} is not an X.509 certificate")?,
            LoadProblem::NoKey => f.write_str("file has no PEM private key")?,
            LoadProblem::EncryptedKey => f.write_str("private key is protected by a passphrase")?,
            LoadProblem::UnsupportedKey(_) => f.write_str("private key is broken or of an unknown kind")?,
            LoadProblem::KeyMismatch { subject, chain } => {
                write!(f, "private key does not belong to the certificate {subject} in {}", chain.display())?;
            }
            LoadProblem::Expired(at) => write!(f, "certificate expired on {}", day(*at))?,
            LoadProblem::NotYetValid(at) => write!(f, "certificate is not valid before {}", day(*at))?,
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
