//! Why there is no new certificate.

use super::asides::ClockGap;
use super::dns::DnsError;
use crate::tls::{LoadError, ServerTlsError};
use instant_acme::Error;
use std::fmt;
use std::io;

/// Why an order brought no certificate.
#[derive(Debug)]
pub(super) enum OrderError {
    /// The authority refused, or cannot be talked to.
    Authority(Error),
    /// It did not find our answers to its challenges.
    Unproven(Vec<String>),
    /// It offers none of the challenges that can be answered.
    NoChallenge(String),
    /// It does not offer this profile, but these.
    NoProfile(String, Vec<String>),
    /// A record for a challenge is not there.
    Dns(DnsError),
    /// The folder cannot be read or written.
    Folder(io::Error),
    /// A file that the settings name cannot be used.
    File(LoadError),
    /// TLS cannot be set up.
    Tls(ServerTlsError),
    /// The key of the external account cannot be read.
    ExternalKey(io::Error),
    /// No key or request could be made.
    Generation(String),
    /// The authority's certificate cannot be served.
    Unusable(LoadError),
    /// It took too long.
    Late,
    /// This, while the clocks are apart, which may be why.
    Clock(ClockGap, Box<Self>),
}

impl OrderError {
    /// What to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Authority(Error::Api(problem)) => match problem.r#type.as_deref().and_then(kind) {
                Some("rateLimited") => "wait as the authority asks, or set acme.fallback.directory",
                Some("externalAccountRequired") => "set acme.external_account with what the authority gives you",
                Some("caa") => "let the domain's CAA record name this authority",
                _ => "see what the authority says, and acme in the configuration",
            },
            Self::Authority(_) | Self::Late => {
                "check that the authority can be reached from here, acme.directory, and this machine's clock"
            }
            Self::Unproven(_) => {
                "every name must lead to this machine from the internet: port 80 to the http listener, or 443 to https; \
                 or show names by acme.dns"
            }
            Self::NoChallenge(_) => "set acme.challenge to auto; wildcards need acme.dns",
            Self::NoProfile(..) => "set acme.profile to one of them, or leave it out",
            Self::Dns(error) => error.hint(),
            Self::Folder(_) => "make certificate_folder readable and writable for the user that runs this program",
            Self::File(_) | Self::ExternalKey(_) => "check the files that acme names",
            Self::Clock(_, error) => error.hint(),
            Self::Tls(_) | Self::Generation(_) => "restart; if it stays, report it",
            Self::Unusable(_) => "the certificate in use stays; ask the authority, and check this machine's clock",
        }
    }
}

/// The kind of a problem. Source: RFC 8555 section 6.7.
pub(super) fn kind(text: &str) -> Option<&str> {
    text.strip_prefix("urn:ietf:params:acme:error:")
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority(error) => {
                let words = match error {
                    Error::Json(_) => "what the authority sent is not ACME: ",
                    Error::Timeout(_) => "the authority does not come to an end with the order: ",
                    _ => "",
                };
                write!(f, "{words}{error}")?;
                let mut cause = std::error::Error::source(error);
                while let Some(next) = cause {
                    write!(f, ": {next}")?;
                    cause = next.source();
                }
                Ok(())
            }
            Self::Unproven(reasons) => write!(f, "the authority refused these names: {}", reasons.join("; ")),
            Self::NoChallenge(name) => write!(f, "the authority offers no challenge for {name} that is enabled here"),
            Self::NoProfile(wanted, offered) => {
                write!(f, "the authority has no profile {wanted}; it has {}", offered.join(", "))
            }
            Self::Dns(error) => error.fmt(f),
            Self::Folder(error) => write!(f, "the folder of the authority cannot be used: {error}"),
            Self::File(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::ExternalKey(error) => write!(f, "external_account.key_file cannot be read: {error}"),
            Self::Generation(error) => write!(f, "no key or request can be made: {error}"),
            Self::Unusable(error) => write!(f, "the new certificate cannot be served: {error}"),
            Self::Late => f.write_str("the order took too long"),
            Self::Clock(gap, error) => write!(f, "{error}; {gap}, which may be why: set it first"),
        }
    }
}

impl std::error::Error for OrderError {}

impl From<Error> for OrderError {
    fn from(error: Error) -> Self {
        Self::Authority(error)
    }
}

impl From<DnsError> for OrderError {
    fn from(error: DnsError) -> Self {
        Self::Dns(error)
    }
}
