//! Why a handshake failed, in words for a counter and for a log line.
//!
//! Owns: the closed list of reasons. Leaves: counting and logging to `listener`, deadlines too.
//!
//! It allocates nothing: an SDK that does not trust our certificate comes back ten times a second, for ever.

use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible};
use std::io;

/// What ended a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeReason {
    /// The first bytes were no TLS: plain HTTP, a port scan.
    NotTls,
    /// The client closed before the end.
    Closed,
    /// The connection was reset, or failed in another way below TLS.
    Transport,
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
    /// Something went wrong on our side.
    Internal,
}

/// A failed handshake, described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeFailure {
    /// For a counter.
    pub reason: HandshakeReason,
    /// For the log: what it means and what to do.
    pub hint: &'static str,
}

impl HandshakeReason {
    /// Every reason, for the table of counters.
    pub const ALL: [Self; 11] = [
        Self::NotTls,
        Self::Closed,
        Self::Transport,
        Self::UnknownAuthority,
        Self::CertificateRefused,
        Self::Version,
        Self::Cipher,
        Self::Protocol,
        Self::Alert,
        Self::Malformed,
        Self::Internal,
    ];

    /// The label of the counter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotTls => "not_tls",
            Self::Closed => "closed",
            Self::Transport => "transport",
            Self::UnknownAuthority => "unknown_authority",
            Self::CertificateRefused => "certificate_refused",
            Self::Version => "version",
            Self::Cipher => "cipher",
            Self::Protocol => "protocol",
            Self::Alert => "alert",
            Self::Malformed => "malformed",
            Self::Internal => "internal",
        }
    }

    const fn hint(self) -> &'static str {
        match self {
            Self::NotTls => "the client spoke no TLS; plain HTTP belongs on the http listener",
            Self::Closed => "the client left during the handshake; a health check or port scan does that",
            Self::Transport => "the connection broke during the handshake",
            Self::UnknownAuthority => {
                "the client does not trust our certificate: give it the authority's file (REQUESTS_CA_BUNDLE, or \
                 api.verify_certificate in clearml.conf), and check that the chain has its intermediates"
            }
            Self::CertificateRefused => {
                "the client refuses our certificate: check its names and dates, and that the client trusts its authority"
            }
            Self::Version => "the client offers neither TLS 1.2 nor TLS 1.3; update it",
            Self::Cipher => "the client and this proxy have no cipher suite or key kind in common; update it",
            Self::Protocol => "the client speaks neither HTTP/2 nor HTTP/1.1 by its own word (ALPN)",
            Self::Alert => "the client gave up the handshake",
            Self::Malformed => "the client broke the TLS protocol; something between may alter its bytes",
            Self::Internal => "the handshake failed on our side; see the error",
        }
    }
}

/// Describes the error that ended a handshake, as the TLS acceptor gave it.
#[must_use]
pub fn describe_handshake_error(error: &io::Error) -> HandshakeFailure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let reason = match tls {
        Some(error) => reason_of(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => HandshakeReason::Closed,
        None => HandshakeReason::Transport,
    };
    HandshakeFailure { reason, hint: reason.hint() }
}

fn reason_of(error: &Error) -> HandshakeReason {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            HandshakeReason::NotTls
        }
        Error::AlertReceived(alert) => reason_of_alert(*alert),
        Error::PeerIncompatible(incompatible) => reason_of_mismatch(incompatible),
        Error::NoApplicationProtocol => HandshakeReason::Protocol,
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord
        | Error::DecryptError => HandshakeReason::Malformed,
        _ => HandshakeReason::Internal,
    }
}

const fn reason_of_alert(alert: AlertDescription) -> HandshakeReason {
    match alert {
        AlertDescription::UnknownCA => HandshakeReason::UnknownAuthority,
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => HandshakeReason::CertificateRefused,
        AlertDescription::ProtocolVersion => HandshakeReason::Version,
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => HandshakeReason::Cipher,
        AlertDescription::NoApplicationProtocol => HandshakeReason::Protocol,
        AlertDescription::CloseNotify | AlertDescription::UserCanceled => HandshakeReason::Closed,
        _ => HandshakeReason::Alert,
    }
}

const fn reason_of_mismatch(mismatch: &PeerIncompatible) -> HandshakeReason {
    match mismatch {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        // Clients of TLS 1.1 and older are found out by this first: the extension came with TLS 1.2.
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired
        | PeerIncompatible::SupportedVersionsExtensionRequired => HandshakeReason::Version,
        _ => HandshakeReason::Cipher,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn reason(error: io::Error) -> HandshakeReason {
        describe_handshake_error(&error).reason
    }

    #[test]
    fn errors_are_told_apart() {
        let alert = |alert| Error::AlertReceived(alert);
        for (error, expected) in [
            (alert(AlertDescription::UnknownCA), HandshakeReason::UnknownAuthority),
            (alert(AlertDescription::BadCertificate), HandshakeReason::CertificateRefused),
            (alert(AlertDescription::CertificateUnknown), HandshakeReason::CertificateRefused),
            (alert(AlertDescription::CertificateExpired), HandshakeReason::CertificateRefused),
            (alert(AlertDescription::ProtocolVersion), HandshakeReason::Version),
            (alert(AlertDescription::HandshakeFailure), HandshakeReason::Cipher),
            (alert(AlertDescription::UserCanceled), HandshakeReason::Closed),
            (alert(AlertDescription::InternalError), HandshakeReason::Alert),
            (PeerIncompatible::Tls12NotOffered.into(), HandshakeReason::Version),
            (PeerIncompatible::Tls12NotOfferedOrEnabled.into(), HandshakeReason::Version),
            (PeerIncompatible::SignatureAlgorithmsExtensionRequired.into(), HandshakeReason::Version),
            (PeerIncompatible::NoCipherSuitesInCommon.into(), HandshakeReason::Cipher),
            (PeerIncompatible::NoKxGroupsInCommon.into(), HandshakeReason::Cipher),
            (Error::NoApplicationProtocol, HandshakeReason::Protocol),
            (InvalidMessage::InvalidContentType.into(), HandshakeReason::NotTls),
            (InvalidMessage::MessageTooLarge.into(), HandshakeReason::Malformed),
            (Error::DecryptError, HandshakeReason::Malformed),
            (Error::FailedToGetRandomBytes, HandshakeReason::Internal),
        ] {
            assert_eq!(reason(io::Error::new(io::ErrorKind::InvalidData, error.clone())), expected, "{error:?}");
        }
        assert_eq!(reason(io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof")), HandshakeReason::Closed);
        assert_eq!(reason(io::ErrorKind::ConnectionReset.into()), HandshakeReason::Transport);
    }

    #[test]
    fn every_reason_has_its_own_label_and_a_hint() {
        let labels = HandshakeReason::ALL.map(HandshakeReason::as_str).into_iter().collect::<HashSet<_>>();
        assert_eq!(labels.len(), HandshakeReason::ALL.len());
        assert!(HandshakeReason::ALL.iter().all(|reason| !reason.hint().is_empty()));
    }
}
