//! Why TLS handshakes fail: the labels of their counter, and what the log says of each.

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsFailure {
    /// The client closed in the middle.
    Eof,
    /// `timeouts.handshake` passed.
    Timeout,
    /// The connection was reset, or failed in another way below TLS.
    Transport,
    /// Plain HTTP on the TLS port.
    PlainHttp,
    /// The first bytes were neither TLS nor HTTP: a port scan.
    NotTls,
    /// The client does not know the authority of our certificate.
    UnknownAuthority,
    /// The client refused our certificate for another reason: name, dates, kind.
    CertificateRefused,
    /// No TLS version in common.
    Version,
    /// No cipher suite, group or signature scheme in common.
    Cipher,
    /// No application protocol in common.
    Protocol,
    /// The client sent another alert.
    Alert,
    /// The client broke the protocol.
    Malformed,
    /// The host needs a client certificate, and the client has none.
    ClientCertificateMissing,
    /// The client's certificate is out of date.
    ClientCertificateExpired,
    /// The client's certificate is on a revocation list.
    ClientCertificateRevoked,
    /// No current revocation list tells of the client's certificate.
    ClientRevocationUnknown,
    /// The client's certificate is of another authority, or for another purpose.
    ClientCertificateRefused,
    /// Something went wrong on our side.
    Internal,
}

impl TlsFailure {
    /// Every reason.
    pub const ALL: &'static [Self] = &[
        Self::Eof,
        Self::Timeout,
        Self::Transport,
        Self::PlainHttp,
        Self::NotTls,
        Self::UnknownAuthority,
        Self::CertificateRefused,
        Self::Version,
        Self::Cipher,
        Self::Protocol,
        Self::Alert,
        Self::Malformed,
        Self::ClientCertificateMissing,
        Self::ClientCertificateExpired,
        Self::ClientCertificateRevoked,
        Self::ClientRevocationUnknown,
        Self::ClientCertificateRefused,
        Self::Internal,
    ];

    /// The reason as a label and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eof => "eof",
            Self::Timeout => "timeout",
            Self::Transport => "transport",
            Self::PlainHttp => "plain_http",
            Self::NotTls => "not_tls",
            Self::UnknownAuthority => "unknown_authority",
            Self::CertificateRefused => "certificate_refused",
            Self::Version => "version",
            Self::Cipher => "cipher",
            Self::Protocol => "protocol",
            Self::Alert => "alert",
            Self::Malformed => "malformed",
            Self::ClientCertificateMissing => "client_certificate_missing",
            Self::ClientCertificateExpired => "client_certificate_expired",
            Self::ClientCertificateRevoked => "client_certificate_revoked",
            Self::ClientRevocationUnknown => "client_revocation_unknown",
            Self::ClientCertificateRefused => "client_certificate_refused",
            Self::Internal => "internal",
        }
    }

    /// What it means and what to do, for the log.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::NotTls => "the client spoke no TLS; plain HTTP belongs on the http listener",
            Self::Eof => "the client left during the handshake; a health check or port scan does that",
            Self::Timeout => "the client did not complete the handshake in time",
            Self::PlainHttp => "the client spoke plain HTTP on the TLS port; give it the https URL",
            Self::Transport => "the connection broke during the handshake",
            Self::UnknownAuthority => {
                "the client does not trust our certificate: give it the authority's file as it is now (REQUESTS_CA_BUNDLE, or \
                 api.verify_certificate in clearml.conf), and check that the chain has its intermediates"
            }
            Self::CertificateRefused => {
                "the client refuses our certificate: check its names and dates, and that the client trusts its authority"
            }
            Self::Version => "the client offers no TLS version that tls.policy allows, 1.2 or 1.3; update it",
            Self::Cipher => "the client offers no cipher suite, group or kind of key that tls.policy allows; update it",
            Self::Protocol => "the client speaks neither HTTP/2 nor HTTP/1.1 by its own word (ALPN)",
            Self::Alert => "the client gave up the handshake",
            Self::Malformed => "the client broke the TLS protocol; something between may alter its bytes",
            Self::ClientCertificateMissing => {
                "the host needs a client certificate and the client has none: give it one, or look at \
                 tls.client_certificates"
            }
            Self::ClientCertificateExpired => {
                "the client's certificate is out of date: issue a new one, and check both clocks"
            }
            Self::ClientCertificateRevoked => "the client's certificate is on a revocation list: issue a new one",
            Self::ClientRevocationUnknown => {
                "no current revocation list tells of the client's certificate: renew the files in crls, one for each \
                 authority"
            }
            Self::ClientCertificateRefused => {
                "the client's certificate is of an authority that is not among roots, or not for clients (clientAuth)"
            }
            Self::Internal => "the handshake failed on our side; see the error",
        }
    }
}
