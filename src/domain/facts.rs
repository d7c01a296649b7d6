//! What is known about a connection before its first request.

use super::addr::PeerAddr;
use super::fault::Fault;
use super::names::ServiceName;
use std::net::SocketAddr;
use std::sync::Arc;

/// The listener a connection came in through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// TLS: requests are forwarded.
    Https,
    /// Plain: requests are led to https.
    Http,
    /// A port of a server without a proxy, TLS or plain: requests go to this service, whatever their host.
    Legacy(ServiceName),
}

impl ListenerKind {
    /// The listener's name in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Legacy(ServiceName::App) => "legacy_app",
            Self::Legacy(ServiceName::Api) => "legacy_api",
            Self::Legacy(ServiceName::Files) => "legacy_files",
        }
    }

    /// Whether it is a port of a server without a proxy.
    #[must_use]
    pub const fn is_legacy(self) -> bool {
        matches!(self, Self::Legacy(_))
    }
}

/// One client connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionFacts {
    /// Number of the connection, unique in this process.
    pub id: u64,
    /// The client's end.
    pub peer: PeerAddr,
    /// The listener's address.
    pub local: SocketAddr,
    /// Where it came in.
    pub listener: ListenerKind,
    /// The negotiated TLS, where it is spoken.
    pub tls: Option<TlsFacts>,
}

impl ConnectionFacts {
    /// The scheme that its requests came by.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// What the TLS handshake settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite, as OpenSSL names it.
    pub cipher: &'static str,
    /// The name the client asked for. Requests are never routed by it.
    pub server_name: Option<Box<str>>,
    /// Whether HTTP/2 was agreed on.
    pub http2: bool,
    /// Whether an earlier handshake was resumed.
    pub resumed: bool,
    /// By which rule the client was asked for a certificate, where it was.
    pub asked: Option<RuleId>,
    /// The certificate that it has shown to be its own.
    pub client: Option<Arc<ClientCertificate>>,
}

/// What names a rule about client certificates: equal for rules that accept the same certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleId(pub [u8; 16]);

/// A client's certificate, whose key the client has shown to hold. Whether it is accepted is a rule's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject, by RFC 4514, in ASCII; empty where it has none.
    pub subject: String,
    /// Its alternative names: `DNS:agent-1.example, URI:spiffe://example/agent-1`.
    pub names: String,
    /// SHA-256 of the certificate, as hexadecimal digits.
    pub fingerprint: String,
    /// The certificate and those above it as the client sent them, in DER.
    pub chain: Vec<Box<[u8]>>,
}

/// A request extension: the head was refused on the wire, and this request only stands in for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Fault);

/// A field that an HTTP/2 request is given on its way in: the number of its stream, in hexadecimal digits. What a client
/// says in a field of this name stands before ours, and neither is passed on.
pub const CLIENT_STREAM: &str = "clearway-stream";
