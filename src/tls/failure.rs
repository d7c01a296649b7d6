//! Why a handshake failed, in words for a counter and for a log line.
//!
//! Owns: the closed list of reasons. Leaves: counting and logging to `listener`, deadlines too.
//!
//! It allocates nothing: an SDK that does not trust our certificate comes back ten times a second, for ever.

use crate::telemetry::TlsFailure;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use std::io;

/// A failed handshake, described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeFailure {
    /// For a counter.
    pub reason: TlsFailure,
    /// For the log: what it means and what to do.
    pub hint: &'static str,
}

/// Describes the error that ended a handshake, as the TLS acceptor gave it.
#[must_use]
pub fn describe_handshake_error(error: &io::Error) -> HandshakeFailure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let reason = match tls {
        Some(error) => reason_of(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => TlsFailure::Eof,
        None => TlsFailure::Transport,
    };
    HandshakeFailure { reason, hint: reason.hint() }
}

/// The reason that `error` stands for.
pub(super) fn reason_of(error: &Error) -> TlsFailure {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            TlsFailure::NotTls
        }
        Error::AlertReceived(alert) => reason_of_alert(*alert),
        Error::PeerIncompatible(incompatible) => reason_of_mismatch(incompatible),
        Error::NoApplicationProtocol => TlsFailure::Protocol,
        Error::NoCertificatesPresented => TlsFailure::ClientCertificateMissing,
        Error::InvalidCertificate(error) => reason_of_certificate(error),
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord
        | Error::DecryptError => TlsFailure::Malformed,
        _ => TlsFailure::Internal,
    }
}

/// Only clients' certificates are looked at here.
const fn reason_of_certificate(error: &CertificateError) -> TlsFailure {
    match error {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => TlsFailure::ClientCertificateExpired,
        CertificateError::Revoked => TlsFailure::ClientCertificateRevoked,
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => TlsFailure::ClientRevocationUnknown,
        _ => TlsFailure::ClientCertificateRefused,
    }
}

const fn reason_of_alert(alert: AlertDescription) -> TlsFailure {
    match alert {
        // The signature fails where the client knows an authority of that name with another key: one made anew, say.
        AlertDescription::UnknownCA | AlertDescription::DecryptError => TlsFailure::UnknownAuthority,
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => TlsFailure::CertificateRefused,
        AlertDescription::ProtocolVersion => TlsFailure::Version,
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => TlsFailure::Cipher,
        AlertDescription::NoApplicationProtocol => TlsFailure::Protocol,
        AlertDescription::CloseNotify | AlertDescription::UserCanceled => TlsFailure::Eof,
        _ => TlsFailure::Alert,
    }
}

const fn reason_of_mismatch(mismatch: &PeerIncompatible) -> TlsFailure {
    match mismatch {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        // Clients of TLS 1.1 and older are found out by this first: the extension came with TLS 1.2.
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired
        | PeerIncompatible::SupportedVersionsExtensionRequired => TlsFailure::Version,
        _ => TlsFailure::Cipher,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn reason(error: io::Error) -> TlsFailure {
        describe_handshake_error(&error).reason
    }

    #[test]
    fn errors_are_told_apart() {
        let alert = |alert| Error::AlertReceived(alert);
        for (error, expected) in [
            (alert(AlertDescription::UnknownCA), TlsFailure::UnknownAuthority),
            (alert(AlertDescription::DecryptError), TlsFailure::UnknownAuthority),
            (alert(AlertDescription::BadCertificate), TlsFailure::CertificateRefused),
            (alert(AlertDescription::CertificateUnknown), TlsFailure::CertificateRefused),
            (alert(AlertDescription::CertificateExpired), TlsFailure::CertificateRefused),
            (alert(AlertDescription::ProtocolVersion), TlsFailure::Version),
            (alert(AlertDescription::HandshakeFailure), TlsFailure::Cipher),
            (alert(AlertDescription::UserCanceled), TlsFailure::Eof),
            (alert(AlertDescription::InternalError), TlsFailure::Alert),
            (PeerIncompatible::Tls12NotOffered.into(), TlsFailure::Version),
            (PeerIncompatible::Tls12NotOfferedOrEnabled.into(), TlsFailure::Version),
            (PeerIncompatible::SignatureAlgorithmsExtensionRequired.into(), TlsFailure::Version),
            (PeerIncompatible::NoCipherSuitesInCommon.into(), TlsFailure::Cipher),
            (PeerIncompatible::NoKxGroupsInCommon.into(), TlsFailure::Cipher),
            (Error::NoApplicationProtocol, TlsFailure::Protocol),
            (Error::NoCertificatesPresented, TlsFailure::ClientCertificateMissing),
            (CertificateError::Expired.into(), TlsFailure::ClientCertificateExpired),
            (CertificateError::Revoked.into(), TlsFailure::ClientCertificateRevoked),
            (CertificateError::UnknownRevocationStatus.into(), TlsFailure::ClientRevocationUnknown),
            (CertificateError::ExpiredRevocationList.into(), TlsFailure::ClientRevocationUnknown),
            (CertificateError::UnknownIssuer.into(), TlsFailure::ClientCertificateRefused),
            (CertificateError::InvalidPurpose.into(), TlsFailure::ClientCertificateRefused),
            (InvalidMessage::InvalidContentType.into(), TlsFailure::NotTls),
            (InvalidMessage::MessageTooLarge.into(), TlsFailure::Malformed),
            (Error::DecryptError, TlsFailure::Malformed),
            (Error::FailedToGetRandomBytes, TlsFailure::Internal),
        ] {
            assert_eq!(reason(io::Error::new(io::ErrorKind::InvalidData, error.clone())), expected, "{error:?}");
        }
        assert_eq!(reason(io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof")), TlsFailure::Eof);
        assert_eq!(reason(io::ErrorKind::ConnectionReset.into()), TlsFailure::Transport);
    }

    #[test]
    fn every_reason_has_its_own_label_and_a_hint() {
        let labels = TlsFailure::ALL.iter().map(|reason| reason.as_str()).collect::<HashSet<_>>();
        assert_eq!(labels.len(), TlsFailure::ALL.len());
        assert!(TlsFailure::ALL.iter().all(|reason| !reason.hint().is_empty()));
    }
}
