//! The first thing a client says, which decides how its handshake goes on.

use super::server::ServerTls;
use super::session::TlsSession;
use bytes::BytesMut;
use rustls::Error;
use rustls::server::{AcceptedAlert, Acceptor};
use std::io::{self, ErrorKind};

/// A handshake of which only the beginning is known.
#[derive(Default)]
pub struct Hello {
    acceptor: Acceptor,
    /// Bytes of the records looked at.
    read: usize,
}

impl Hello {
    /// Looks at all `records` that came so far, which stay to be read by the session: `None` while the ClientHello is
    /// incomplete. It is parsed once more then, some microseconds of a handshake.
    ///
    /// # Errors
    /// It is none. An alert for the client is in `unsent`.
    pub fn look(&mut self, tls: &ServerTls, records: &[u8], unsent: &mut BytesMut) -> io::Result<Option<TlsSession>> {
        let mut fresh = records.get(self.read..).unwrap_or_default();
        self.read = records.len();
        loop {
            match self.acceptor.accept() {
                Ok(Some(accepted)) => {
                    let hello = accepted.client_hello();
                    let (config, asked) = tls.choose(&hello);
                    return TlsSession::new(config, hello.server_name().map(Into::into), asked).map(Some);
                }
                Ok(None) if fresh.is_empty() => return Ok(None),
                Ok(None) => self.acceptor.read_tls(&mut fresh)?,
                Err((error, alert)) => return Err(failed(error, alert, unsent)),
            };
        }
    }
}

fn failed(error: Error, mut alert: AcceptedAlert, unsent: &mut BytesMut) -> io::Error {
    let mut bytes = Vec::new();
    // Writing into memory cannot fail.
    let _written = alert.write_all(&mut bytes);
    unsent.extend_from_slice(&bytes);
    io::Error::new(ErrorKind::InvalidData, error)
}
