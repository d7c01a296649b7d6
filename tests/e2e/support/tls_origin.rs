//! TLS origin: a target that speaks TLS, answering each request read whole.

use super::message::{Fields, Head, Received};
use super::pki::{Leaf, provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A target behind TLS.
pub(crate) struct TlsOrigin {
    addr: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Received>,
    /// Connections whose handshake was complete.
    secured: usize,
    connections: usize,
}

impl TlsOrigin {
    /// Shows `leaf` and answers each request with what `answer` makes of it.
    pub(crate) fn start(leaf: &Leaf, answer: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let chain = CertificateDer::pem_slice_iter(leaf.chain.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = Self { addr: listener.local_addr().unwrap(), seen: Arc::default() };
        let (seen, answer) = (Arc::clone(&origin.seen), Arc::new(answer));
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (Ok(socket), seen) = (socket, Arc::clone(&seen)) else { return };
                seen.lock().unwrap().connections += 1;
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let answer = Arc::clone(&answer);
                // The end of a connection is part of what tests look at, never a failure by itself.
                thread::spawn(move || drop(serve(StreamOwned::new(connection, socket), &seen, &*answer)));
            }
        });
        origin
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// How many connections were made, and how many of them shook hands.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        (seen.connections, seen.secured)
    }
}

fn serve(
    mut stream: StreamOwned<ServerConnection, TcpStream>,
    seen: &Mutex<Seen>,
    answer: &dyn Fn(&Received) -> Vec<u8>,
) -> io::Result<()> {
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    seen.lock().unwrap().secured += 1;
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            fill(&mut stream, &mut buffer)?;
        };
        let head = Head::parse(&buffer[..end]);
        let length = head.content_length().unwrap_or(0);
        while buffer.len() < end + length {
            fill(&mut stream, &mut buffer)?;
        }
        let body = buffer[end..end + length].to_vec();
        buffer.drain(..end + length);
        let received = Received { head, body, trailers: Fields::default() };
        let bytes = answer(&received);
        seen.lock().unwrap().requests.push(received);
        stream.write_all(&bytes)?;
        stream.flush()?;
    }
}

fn fill(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    let count = stream.read(&mut piece)?;
    buffer.extend_from_slice(&piece[..count]);
    if count == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
