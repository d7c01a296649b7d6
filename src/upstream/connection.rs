//! Connection: one socket to a target, and what was read from it ahead of need.
//!
//! Owns: how much is read at a time, and whether an idle connection is still good.
//! Leaves: what the bytes mean to `exchange` and `answering`.

use super::stream::{Reader, Stream, Writer};
use bytes::{Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio_util::io::poll_read_buf;

/// Reads begin small, since most answers are, and grow while they fill: large ones cost a third less in large reads.
const READS: [usize; 3] = [FIRST_READ, 16 * 1024, 256 * 1024];
const FIRST_READ: usize = 4 * 1024;

/// A connection to a target.
#[derive(Debug)]
pub struct Connection {
    pub(super) io: Io,
    /// What was read and not taken yet.
    pub(super) read: Bytes,
    /// Place in `READS`.
    size: usize,
    target: u64,
    pub(super) answer_head: usize,
}

/// The socket, or its reading half while the rest of a body is written elsewhere.
#[derive(Debug)]
pub(super) enum Io {
    Whole(Stream),
    Reading(Reader),
}

impl Connection {
    pub(super) fn new(io: Stream, target: u64, answer_head: usize) -> Self {
        Self { io: Io::Whole(io), read: Bytes::new(), size: 0, target, answer_head }
    }

    /// The number of its target.
    pub(super) const fn target(&self) -> u64 {
        self.target
    }

    /// Whether nothing came and nobody closed while it was idle. Asks the kernel only when the executor saw an event.
    pub(super) fn quiet(&mut self) -> bool {
        match &mut self.io {
            Io::Whole(io) => io.quiet(),
            Io::Reading(_) => false,
        }
    }

    /// Waits until the target closes or says something; true for the former.
    pub(super) async fn closes(&mut self) -> bool {
        match &mut self.io {
            Io::Whole(io) => io.closes().await,
            Io::Reading(_) => false,
        }
    }

    /// Parts the writing of a body that goes on from the reading of its answer.
    ///
    /// # Errors
    /// The executor cannot take the socket; not after something was read from it.
    pub(super) fn split(self) -> io::Result<(Self, Option<Writer>)> {
        Ok(match self.io {
            Io::Whole(io) => {
                let (reader, writer) = io.split()?;
                (Self { io: Io::Reading(reader), ..self }, Some(writer))
            }
            Io::Reading(_) => (self, None),
        })
    }

    /// The connection as it is kept for the next request.
    pub(super) fn rested(self) -> Self {
        Self { read: Bytes::new(), size: 0, ..self }
    }

    /// Reads more behind what is there; 0 at the end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Whoever waits keeps no buffer: it is made once there is something to read.
        ready!(self.io.poll_readable(cx))?;
        let room = READS.get(self.size).copied().unwrap_or(FIRST_READ);
        let mut buffer = match self.read.is_empty() {
            true => BytesMut::with_capacity(room),
            // Only the beginning of a head is read on; nobody else shares it yet.
            false => BytesMut::from(std::mem::take(&mut self.read)),
        };
        buffer.reserve(room);
        let before = buffer.len();
        let result = match &mut self.io {
            Io::Whole(io) => poll_read_buf(Pin::new(io), cx, &mut buffer),
            Io::Reading(io) => poll_read_buf(Pin::new(io), cx, &mut buffer),
        };
        let filled = buffer.len() - before;
        if result.is_ready() {
            let last = READS.len() - 1;
            self.size = if filled >= room {
                (self.size + 1).min(last)
            } else if filled < FIRST_READ {
                0
            } else {
                self.size
            };
        }
        // Below TLS something may be readable that is no data.
        self.read = if buffer.is_empty() { Bytes::new() } else { buffer.freeze() };
        result
    }
}

impl Io {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Whole(Stream::Plain(io)) => io.poll_read_ready(cx),
            Self::Reading(Reader::Plain(io)) => io.as_ref().poll_read_ready(cx),
            // What was decrypted already would not show in the socket.
            Self::Whole(Stream::Tls(_)) | Self::Reading(Reader::Tls(_)) => Poll::Ready(Ok(())),
        }
    }
}
