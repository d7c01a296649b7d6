//! Why a part of the proxy cannot be had, and what to do about it.

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
        match self {
            Self::Certificate(error) => error.fmt(f),
            Self::TargetAuthorities(error) | Self::ClientRules(error) => error.fmt(f),
            Self::TicketKeys(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Bind(error) | Self::AdminBind(error) => error.fmt(f),
            Self::AdminToken(error) => error.fmt(f),
            Self::Traces(error) => write!(f, "traces cannot be sent: {error}"),
            Self::Sockets(error) => write!(f, "a listening socket cannot be copied: {error}"),
            Self::AccessLog(error) => error.fmt(f),
        }
    }
}

impl Error for BuildError {}
