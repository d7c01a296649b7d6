//! Why a part of the proxy cannot be had, and what to do about it.

use super::causes::told;
use super::certificates::CertificateError;
use crate::admin::TokenError;
use crate::listener::BindError;
use crate::telemetry::AccessLogError;
use crate::tls::{LoadError, ServerTlsError, TicketKeysError};
use std::error::Error;
use std::fmt;
use std::io;

/// Why a proxy cannot be built. Nothing is left running.
#[derive(Debug)]
pub enum BuildError {
    /// A certificate cannot be used.
    Certificate(Box<CertificateError>),
    /// The authorities of a service's targets cannot be read.
    TargetAuthorities(LoadError),
    /// Authorities or revocation lists for clients' certificates cannot be read.
    ClientRules(LoadError),
    /// There are no keys for session tickets.
    TicketKeys(TicketKeysError),
    /// TLS cannot be set up.
    Tls(ServerTlsError),
    /// An address cannot be listened on.
    Bind(BindError),
    /// An address of the admin listener cannot be listened on.
    AdminBind(BindError),
    /// There is no token for the admin listener.
    AdminToken(TokenError),
    /// Traces cannot be sent.
    Traces(Box<dyn Error + Send + Sync>),
    /// A listening socket cannot be handed on.
    Sockets(io::Error),
    /// The access log cannot be written.
    AccessLog(AccessLogError),
}

impl BuildError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Certificate(error) => error.hint(),
            Self::TargetAuthorities(error) | Self::ClientRules(error) => error.hint(),
            Self::TicketKeys(error) => error.hint().to_owned(),
            Self::Tls(_) => String::from("this build of the cryptography library lacks what TLS 1.2 and 1.3 need"),
            Self::Bind(error) => error.hint().to_owned(),
            Self::AdminBind(_) => String::from("another program has it, or this machine lacks it; change admin.listen"),
            Self::AdminToken(error) => error.hint().to_owned(),
            Self::Traces(_) => String::from("check traces.endpoint, and the file in traces.ca"),
            Self::Sockets(_) => String::from("raise the limit on open files"),
            Self::AccessLog(error) => error.hint().to_owned(),
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error: &dyn Error = match self {
            Self::Certificate(error) => error,
            Self::TargetAuthorities(error) | Self::ClientRules(error) => error,
            Self::TicketKeys(error) => error,
            Self::Tls(error) => error,
            Self::Bind(error) | Self::AdminBind(error) => error,
            Self::AdminToken(error) => error,
            Self::Traces(error) => return write!(f, "traces cannot be sent: {}", told(&**error)),
            Self::Sockets(error) => return write!(f, "a listening socket cannot be copied: {error}"),
            Self::AccessLog(error) => error,
        };
        f.write_str(&told(error))
    }
}

impl Error for BuildError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn the_cause_is_said_once() {
        let source = || io::Error::from_raw_os_error(28);
        let log = AccessLogError::Open { path: PathBuf::from("/log"), source: source() };
        let said = BuildError::AccessLog(log).to_string();
        assert_eq!(said, format!("cannot append to the access log /log: {}", source()));
        let token = BuildError::AdminToken(TokenError::Read(PathBuf::from("/token"), source())).to_string();
        assert_eq!(token.matches(&source().to_string()).count(), 1, "{token}");
    }
}
