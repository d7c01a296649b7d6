//! One TLS session with a client, without I/O: records in, plain bytes out, and back.
//!
//! rustls keeps no buffers here (its unbuffered interface): whoever owns the socket owns the bytes, so an idle
//! connection has none, and an upload is decrypted where it was read to.
//!
//! Owns: driving the state machine. Leaves: the socket, buffers and how much is read to `listener`.

use super::scratch::{Scratch, Sealed, Traffic, refused};
use super::server::{answers_challenge, facts_of};
use crate::domain::facts::{RuleId, TlsFacts};
use bytes::{Buf, BytesMut};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{Error, ServerConfig};
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

/// Room for an alert: five bytes of header, the alert, its type, explicit nonce and tag.
const ALERT_MAX: usize = 64;

/// A session. What it says to the client by itself (handshake, tickets, alerts) is appended to `unsent`.
pub struct TlsSession {
    inner: UnbufferedServerConnection,
    server_name: Option<Box<str>>,
    asked: Option<RuleId>,
    /// The client broke the protocol. The library would go on with the next record.
    over: bool,
    /// The library is to be told that what it said has left.
    said: bool,
    /// The client sends no more. The library says so once, and perhaps while something is sealed.
    ended: bool,
}

/// Why no more records were opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// No whole record is left.
    Short,
    /// Whoever was given the last bytes takes no more.
    Full,
    /// The client said that it sends no more.
    End,
}

impl TlsSession {
    /// A session that begins with the handshake, for a client that named `server_name` and is asked for a certificate
    /// by the rule `asked`.
    ///
    /// # Errors
    /// The library's.
    pub(super) fn new(
        config: Arc<ServerConfig>,
        server_name: Option<Box<str>>,
        asked: Option<RuleId>,
    ) -> io::Result<Self> {
        let inner = UnbufferedServerConnection::new(config).map_err(invalid)?;
        Ok(Self { inner, server_name, asked, over: false, said: false, ended: false })
    }

    /// Whether the handshake is under way.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    /// Whether the handshake was an authority's challenge: it is answered by then, and nothing is spoken after it.
    #[must_use]
    pub fn answers_challenge(&self) -> bool {
        answers_challenge(&self.inner)
    }

    /// What the finished handshake settled.
    #[must_use]
    pub fn facts(&mut self) -> TlsFacts {
        facts_of(&self.inner, self.server_name.take(), self.asked)
    }

    /// Takes whole records from the front of `records` and gives what was in them, until `give` answers false.
    ///
    /// # Errors
    /// The client broke the protocol. An alert for it is in `unsent`; the session is over.
    pub fn open(
        &mut self,
        records: &mut BytesMut,
        unsent: &mut BytesMut,
        mut give: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<Opened> {
        let opened = self.drive(records, unsent, &mut give, None)?;
        Ok(if self.ended && opened == Opened::Short { Opened::End } else { opened })
    }

    /// Seals what `pieces` begin with, `most` bytes at most, into `scratch`. What has to be opened first is appended to
    /// `opened`.
    ///
    /// # Errors
    /// The session is over, or its keys are used up.
    pub fn seal(
        &mut self,
        records: &mut BytesMut,
        unsent: &mut BytesMut,
        opened: &mut BytesMut,
        (pieces, most): (&[IoSlice<'_>], usize),
        scratch: &mut Scratch,
    ) -> io::Result<Sealed> {
        let mut sealed = None;
        self.write(records, unsent, opened, &mut |traffic| sealed = Some(scratch.seal(traffic, pieces, most)))?;
        let sealed = sealed.unwrap_or_else(|| Err(ErrorKind::NotConnected.into()));
        // What was sealed before it failed never leaves, and nothing may follow it.
        self.over |= sealed.is_err();
        sealed
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// The session is over already.
    pub fn close(&mut self, records: &mut BytesMut, unsent: &mut BytesMut, opened: &mut BytesMut) -> io::Result<()> {
        let mut alert = [0; ALERT_MAX];
        let mut length = Ok(0);
        self.write(records, unsent, opened, &mut |traffic| length = traffic.queue_close_notify(&mut alert))?;
        unsent.extend_from_slice(alert.get(..length.map_err(refused)?).unwrap_or_default());
        Ok(())
    }

    /// Drives the session until it can send. What came before is opened on the way.
    fn write(
        &mut self,
        records: &mut BytesMut,
        unsent: &mut BytesMut,
        opened: &mut BytesMut,
        write: &mut dyn FnMut(&mut Traffic<'_>),
    ) -> io::Result<()> {
        let mut give = |plain: &[u8]| {
            opened.extend_from_slice(plain);
            true
        };
        while self.drive(records, unsent, &mut give, Some(&mut *write))? != Opened::Short {}
        Ok(())
    }

    /// Runs the state machine until it needs more records, or could send: `write` is called then.
    fn drive(
        &mut self,
        records: &mut BytesMut,
        unsent: &mut BytesMut,
        give: &mut dyn FnMut(&[u8]) -> bool,
        mut write: Option<&mut dyn FnMut(&mut Traffic<'_>)>,
    ) -> io::Result<Opened> {
        if self.over {
            return Err(ErrorKind::NotConnected.into());
        }
        // Asked with nothing at hand, the library would look at all its states to say so.
        if write.is_none() && self.has_nothing_left(records) {
            return Ok(Opened::Short);
        }
        loop {
            let UnbufferedStatus { mut discard, state } = self.inner.process_tls_records(records);
            let mut given = false;
            let done = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    given = true;
                    let mut room = true;
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        discard += record.discard;
                        room = give(record.payload);
                    }
                    (!room).then_some(Opened::Full)
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    self.said = true;
                    encode(&mut data, unsent)?;
                    None
                }
                Ok(ConnectionState::TransmitTlsData(transmit)) => {
                    self.said = false;
                    transmit.done();
                    None
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.ended = true;
                    Some(Opened::End)
                }
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    if let Some(write) = &mut write {
                        write(&mut traffic);
                    }
                    Some(Opened::Short)
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => Some(Opened::Short),
                Ok(_) => return Err(invalid(Error::General("early data was never asked for".to_owned()))),
                Err(error) => {
                    self.over = true;
                    self.alert(records, unsent);
                    return Err(invalid(error));
                }
            };
            records.advance(discard.min(records.len()));
            match done {
                Some(opened) => return Ok(opened),
                // Only behind data: behind anything else the end may still be to be told.
                None if given && write.is_none() && self.has_nothing_left(records) => return Ok(Opened::Short),
                None => {}
            }
        }
    }

    fn has_nothing_left(&self, records: &BytesMut) -> bool {
        records.is_empty() && !self.said && !self.inner.wants_write()
    }

    /// Takes the alert that follows an error. What waits to be sent comes before any record is looked at again.
    fn alert(&mut self, records: &mut BytesMut, unsent: &mut BytesMut) {
        while self.inner.wants_write()
            && let Ok(ConnectionState::EncodeTlsData(mut data)) = self.inner.process_tls_records(records).state
            && encode(&mut data, unsent).is_ok()
        {}
    }
}

fn encode(data: &mut EncodeTlsData<'_, ServerConnectionData>, unsent: &mut BytesMut) -> io::Result<()> {
    // The library says how much room it wants only where there is too little.
    let size = match data.encode(&mut []) {
        Err(EncodeError::InsufficientSize(needed)) => needed.required_size,
        Err(error) => return Err(io::Error::other(error)),
        Ok(_) => return Ok(()),
    };
    let begin = unsent.len();
    unsent.resize(begin + size, 0);
    let written = data.encode(unsent.get_mut(begin..).unwrap_or_default()).map_err(io::Error::other)?;
    unsent.truncate(begin + written);
    Ok(())
}

fn invalid(error: Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

#[cfg(test)]
pub(super) mod tests;
