//! Room of a worker in which records are sealed, on their way from the request's memory to the socket.

use rustls::server::ServerConnectionData;
use rustls::unbuffered::{EncryptError, WriteTraffic};
use std::io::{self, IoSlice};

/// A session that can send.
pub(super) type Traffic<'c> = WriteTraffic<'c, ServerConnectionData>;

/// What one record carries at most (RFC 8446 section 5.1).
pub(super) const RECORD_MAX: usize = 16 * 1024;

/// What is sealed before a write: one large read from a target goes out in one.
pub const SEALED_MAX: usize = 256 * 1024;

/// Header, explicit nonce (TLS 1.2), type (TLS 1.3) and tag of a record are smaller.
const OVERHEAD_MAX: usize = 64;

/// The last pieces of a write may need a record each; and one more for a change of keys.
const RECORDS_MAX: usize = SEALED_MAX / RECORD_MAX + 4;

/// Some 270 KiB. Nothing stays in it from one write to the next.
#[derive(Debug)]
pub struct Scratch {
    records: Box<[u8]>,
    /// Small pieces that become one record.
    gathered: Vec<u8>,
}

/// What was sealed: bytes taken, and bytes in the scratch for the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Plain bytes.
    pub taken: usize,
    /// Bytes of records.
    pub records: usize,
}

impl Default for Scratch {
    fn default() -> Self {
        let records = vec![0; SEALED_MAX + RECORDS_MAX * OVERHEAD_MAX].into_boxed_slice();
        Self { records, gathered: Vec::with_capacity(RECORD_MAX) }
    }
}

impl Scratch {
    /// The first `length` bytes that were sealed.
    #[must_use]
    pub fn sealed(&self, length: usize) -> &[u8] {
        self.records.get(..length).unwrap_or_default()
    }

    /// Takes what `piece` begins with, as far as a record has room; gives the rest back.
    fn gather<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let room = RECORD_MAX - self.gathered.len();
        let (taken, rest) = piece.split_at(room.min(piece.len()));
        self.gathered.extend_from_slice(taken);
        rest
    }

    /// Seals at most `most` bytes, and never more than `SEALED_MAX`; small pieces share a record.
    pub(super) fn seal(
        &mut self,
        traffic: &mut Traffic<'_>,
        pieces: &[IoSlice<'_>],
        most: usize,
    ) -> io::Result<Sealed> {
        let mut sealed = Sealed::default();
        let mut left = most.min(SEALED_MAX);
        self.gathered.clear();
        for piece in pieces {
            let mut rest = piece.get(..left.min(piece.len())).unwrap_or_default();
            left -= rest.len();
            if !self.gathered.is_empty() {
                rest = self.gather(rest);
            }
            if self.gathered.len() == RECORD_MAX {
                self.seal_gathered(traffic, &mut sealed)?;
            }
            let (whole, end) = rest.split_at(rest.len() - rest.len() % RECORD_MAX);
            sealed.add(whole, traffic, &mut self.records)?;
            self.gather(end);
        }
        self.seal_gathered(traffic, &mut sealed)?;
        Ok(sealed)
    }

    fn seal_gathered(&mut self, traffic: &mut Traffic<'_>, sealed: &mut Sealed) -> io::Result<()> {
        sealed.add(&self.gathered, traffic, &mut self.records)?;
        self.gathered.clear();
        Ok(())
    }
}

impl Sealed {
    fn add(&mut self, plain: &[u8], traffic: &mut Traffic<'_>, records: &mut [u8]) -> io::Result<()> {
        if plain.is_empty() {
            return Ok(());
        }
        let room = records.get_mut(self.records..).unwrap_or_default();
        self.records += traffic.encrypt(plain, room).map_err(refused)?;
        self.taken += plain.len();
        Ok(())
    }
}

pub(super) fn refused(error: EncryptError) -> io::Error {
    io::Error::other(error)
}
