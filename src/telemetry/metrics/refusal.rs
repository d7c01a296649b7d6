//! Why a certificate was refused, for a counter.

/// What a refused certificate had wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateRefusal {
    /// A file cannot be read, or is too large.
    Unreadable,
    /// A file holds something else.
    Malformed,
    /// The key cannot be used.
    Key,
    /// The key belongs to another certificate.
    KeyMismatch,
    /// Out of date, or not valid yet.
    Dates,
    /// It lacks names, or is not for servers.
    Names,
    /// Issuers are missing, or others.
    Chain,
    /// Whoever signs here cannot.
    Authority,
}

impl CertificateRefusal {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::Unreadable,
        Self::Malformed,
        Self::Key,
        Self::KeyMismatch,
        Self::Dates,
        Self::Names,
        Self::Chain,
        Self::Authority,
    ];

    /// The reason as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Malformed => "malformed",
            Self::Key => "key",
            Self::KeyMismatch => "key_mismatch",
            Self::Dates => "dates",
            Self::Names => "names",
            Self::Chain => "chain",
            Self::Authority => "authority",
        }
    }
}
