//! What deserves a look about a certificate that can be served.

use super::strength::KeyKind;
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;
use time::OffsetDateTime;

/// The longest life of a leaf that every client takes, whoever issued it. Source: Apple, HT210176.
pub(super) const LIFE_DAYS_MAX: u64 = 825;

/// One finding; its message ends with what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateWarning {
    /// Less than 30 days are left.
    ExpiresSoon {
        /// The last moment of the leaf.
        not_after: SystemTime,
    },
    /// The leaf was served before, and its end has come since.
    Expired {
        /// The last moment of the leaf.
        not_after: SystemTime,
    },
    /// The file has the leaf alone, and something else issued it.
    MissingIssuer {
        /// Who issued the leaf.
        issuer: String,
    },
    /// The leaf is its own issuer.
    SelfSigned,
    /// Everybody on the machine can read or change the key.
    KeyReadable {
        /// The key's file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The certificates did not stand leaf first.
    Reordered,
    /// A certificate of the file is no part of the chain.
    Unrelated {
        /// Which one.
        subject: String,
    },
    /// A certificate of the file is in it twice.
    Duplicate {
        /// Which one.
        subject: String,
    },
    /// A key that clients refuse.
    WeakKey {
        /// Whose.
        subject: String,
        /// What it is.
        key: KeyKind,
    },
    /// A key of the leaf that browsers refuse and other clients take.
    NotForBrowsers {
        /// What it is.
        key: KeyKind,
    },
    /// A signature that clients refuse.
    WeakSignature {
        /// On which certificate.
        subject: String,
        /// Its algorithm.
        algorithm: String,
    },
    /// The leaf lives longer than some clients allow.
    LongLife {
        /// How long.
        days: u64,
    },
    /// Clients that check the chain as we do refuse it.
    ChainRefused {
        /// Why, in the words of the library.
        reason: String,
    },
    /// The leaf is due to be replaced, and that did not work.
    NotRenewed {
        /// Why.
        reason: String,
    },
    /// A certificate above the leaf is out of date.
    IssuerOutOfDate {
        /// Which one.
        subject: String,
        /// Its last moment.
        not_after: SystemTime,
    },
    /// A DNS name that no host can match.
    IgnoredName {
        /// As it stands in the certificate.
        name: String,
    },
}

impl fmt::Display for CertificateWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |at: &SystemTime| OffsetDateTime::from(*at).date();
        match self {
            Self::ExpiresSoon { not_after } => write!(f, "expires on {}; renew it", day(not_after)),
            Self::Expired { not_after } => {
                write!(
                    f,
                    "expired on {}, so clients refuse it; it is served for want of another: renew it",
                    day(not_after)
                )
            }
            Self::MissingIssuer { issuer } => write!(
                f,
                "the file lacks the issuer, {issuer}; append its certificate, unless clients trust that very issuer"
            ),
            Self::SelfSigned => {
                f.write_str("is self-signed; every client must be given this very certificate to trust")
            }
            Self::KeyReadable { file, mode } => {
                write!(f, "key {} is open to everybody (mode {mode:04o}); chmod 600 it", file.display())
            }
            Self::Reordered => f.write_str("was not in order; put the leaf first, then its issuer, and so on"),
            Self::Unrelated { subject } => write!(f, "{subject} is no part of the chain and is not sent; remove it"),
            Self::Duplicate { subject } => write!(f, "{subject} is in the file twice; remove one"),
            Self::WeakKey { subject, key } => write!(
                f,
                "{subject} has a key that clients refuse ({key}); ask for one with P-256, or RSA of 2048 bits or more"
            ),
            Self::NotForBrowsers { key } => {
                write!(f, "its key is {key}, which browsers refuse; where people sign in, use P-256")
            }
            Self::WeakSignature { subject, algorithm } => {
                write!(f, "{subject} is signed with {algorithm}, which clients refuse; have it issued anew")
            }
            Self::LongLife { days } => {
                write!(f, "is valid for {days} days; Apple's systems refuse more than {LIFE_DAYS_MAX}")
            }
            Self::ChainRefused { reason } => {
                write!(f, "clients may refuse its chain: {reason}; ask whoever issued it")
            }
            Self::NotRenewed { reason } => write!(f, "is due to be replaced, which failed: {reason}"),
            Self::IssuerOutOfDate { subject, not_after } => {
                write!(f, "{subject}, above it in the chain, is out of date (valid to {}); replace it", day(not_after))
            }
            Self::IgnoredName { name } => write!(f, "its name {name:?} matches no host"),
        }
    }
}
