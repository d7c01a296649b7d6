//! How strong the keys and signatures of a certificate are, and who takes them.
//!
//! Source: CA/Browser Forum Baseline Requirements 6.1.5 and 7.1.3; what BoringSSL, NSS and OpenSSL take by default.

use std::fmt;
use x509_parser::certificate::X509Certificate;
use x509_parser::public_key::PublicKey;

/// The shortest RSA key that clients take.
pub(super) const RSA_BITS_MIN: usize = 2048;

/// What a public key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, with the bits of its modulus.
    Rsa(usize),
    /// An elliptic curve, by the name people know.
    Curve(&'static str),
    /// Another, by the number of its algorithm or curve.
    Other(String),
}

/// What clients make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All take it.
    Good,
    /// Browsers do not, other clients do.
    NotBrowsers,
    /// Nobody should.
    Weak,
}

impl KeyKind {
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        let key = certificate.public_key();
        if let Ok(PublicKey::RSA(rsa)) = key.parsed() {
            let modulus = rsa.modulus.iter().position(|byte| *byte != 0).and_then(|first| rsa.modulus.get(first..));
            let first = modulus.and_then(<[u8]>::first).map_or(0, |byte| byte.leading_zeros() as usize);
            return Self::Rsa(modulus.map_or(0, |bytes| bytes.len() * 8 - first));
        }
        let algorithm = key.algorithm.algorithm.to_id_string();
        let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        let id = curve.filter(|_| algorithm == EC).map_or_else(|| algorithm.clone(), |curve| curve.to_id_string());
        CURVES.iter().find(|(known, _)| *known == id).map_or(Self::Other(id), |(_, name)| Self::Curve(name))
    }

    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Rsa(bits) if *bits >= RSA_BITS_MIN => Verdict::Good,
            Self::Curve("P-256" | "P-384") => Verdict::Good,
            Self::Curve("P-521" | "Ed25519") => Verdict::NotBrowsers,
            _ => Verdict::Weak,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA, {bits} bits"),
            Self::Curve(name) if name.starts_with("Ed") => f.write_str(name),
            Self::Curve(name) => write!(f, "ECDSA, {name}"),
            Self::Other(id) => write!(f, "an unknown kind ({id})"),
        }
    }
}

/// The algorithm of keys that name a curve.
const EC: &str = "1.2.840.10045.2.1";

const CURVES: &[(&str, &str)] = &[
    ("1.2.840.10045.3.1.7", "P-256"),
    ("1.3.132.0.34", "P-384"),
    ("1.3.132.0.35", "P-521"),
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.33", "P-224"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
];

/// Signature algorithms by number: the name, and whether clients take it.
const SIGNATURES: &[(&str, &str, bool)] = &[
    ("1.2.840.113549.1.1.4", "MD5 with RSA", false),
    ("1.2.840.113549.1.1.5", "SHA-1 with RSA", false),
    ("1.2.840.113549.1.1.10", "RSA-PSS", true),
    ("1.2.840.113549.1.1.11", "SHA-256 with RSA", true),
    ("1.2.840.113549.1.1.12", "SHA-384 with RSA", true),
    ("1.2.840.113549.1.1.13", "SHA-512 with RSA", true),
    ("1.2.840.10040.4.3", "SHA-1 with DSA", false),
    ("1.2.840.10045.4.1", "SHA-1 with ECDSA", false),
    ("1.2.840.10045.4.3.2", "SHA-256 with ECDSA", true),
    ("1.2.840.10045.4.3.3", "SHA-384 with ECDSA", true),
    ("1.2.840.10045.4.3.4", "SHA-512 with ECDSA", true),
    ("1.3.101.112", "Ed25519", true),
];

/// The name of the algorithm that signed `certificate`, and whether clients take it.
pub(super) fn signature(certificate: &X509Certificate<'_>) -> (String, bool) {
    let id = certificate.signature_algorithm.algorithm.to_id_string();
    let known = SIGNATURES.iter().find(|(known, ..)| *known == id);
    known.map_or_else(|| (format!("unknown ({id})"), false), |(_, name, good)| ((*name).to_owned(), *good))
}
