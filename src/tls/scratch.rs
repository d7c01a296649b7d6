//! Room of a worker in which records are sealed, on their way from the request's memory to the socket.

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
    pub(super) records: Box<[u8]>,
    /// Small pieces that become one record.
    pub(super) gathered: Vec<u8>,
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
    pub(super) fn gather<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let room = RECORD_MAX - self.gathered.len();
        let (taken, rest) = piece.split_at(room.min(piece.len()));
        self.gathered.extend_from_slice(taken);
        rest
    }
}
