//! Connections to the proxy, as its real clients open them.

use crate::Failure;
use crate::tally::Tally;
use crate::work::Amount;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CipherSuite, ClientConfig, NamedGroup, RootCertStore};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where requests go.
#[derive(clap::Args, Clone)]
pub(crate) struct Aim {
    /// The proxy's address
    #[arg(long)]
    address: SocketAddr,
    /// The name that is asked for
    #[arg(long)]
    pub(crate) host: String,
    /// The certificate to trust, as PEM; plain HTTP without it
    #[arg(long)]
    trust: Option<PathBuf>,
}

/// What is spoken, and so whose habits the handshake has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// As Python's clients: OpenSSL's order, AES-256-GCM first.
    Http1,
    /// As browsers: AES-128-GCM first.
    Http2,
}

/// Opens connections.
pub(crate) struct Dialer {
    pub(crate) aim: Aim,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    read_ahead: usize,
}

/// A connection.
pub(crate) enum Link {
    Plain(BufReader<TcpStream>),
    Tls(Box<TlsStream<BufReader<TcpStream>>>),
}

impl Dialer {
    pub(crate) fn new(aim: Aim, protocol: Protocol, amount: &Amount) -> Result<Self, Failure> {
        let tls = match &aim.trust {
            None => None,
            Some(path) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_file(path)?)?;
                let config = client_config(roots, protocol, amount.resume)?;
                Some((TlsConnector::from(Arc::new(config)), ServerName::try_from(aim.host.clone())?))
            }
        };
        // rustls reads 4 KiB at a time, which would make the client the slowest part of a download.
        let read_ahead = if amount.connections > 256 { 4 * 1024 } else { 128 * 1024 };
        Ok(Self { aim, tls, read_ahead })
    }

    pub(crate) async fn dial(&self, tally: &mut Tally) -> Result<Link, Failure> {
        let socket = TcpStream::connect(self.aim.address).await?;
        socket.set_nodelay(true)?;
        let socket = BufReader::with_capacity(self.read_ahead, socket);
        let Some((connector, name)) = &self.tls else { return Ok(Link::Plain(socket)) };
        let stream = connector.connect(name.clone(), socket).await?;
        tally.handshake(stream.get_ref().1);
        Ok(Link::Tls(Box::new(stream)))
    }
}

fn client_config(roots: RootCertStore, protocol: Protocol, resume: bool) -> Result<ClientConfig, Failure> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider(protocol)))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    if !resume {
        config.resumption = Resumption::disabled();
    }
    Ok(config)
}

fn provider(protocol: Protocol) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    // Debian's OpenSSL has no post-quantum group, so it would only cost the one that has it a larger hello.
    provider.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
    let first = match protocol {
        Protocol::Http1 => CipherSuite::TLS13_AES_256_GCM_SHA384,
        Protocol::Http2 => CipherSuite::TLS13_AES_128_GCM_SHA256,
    };
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != first);
    provider
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
