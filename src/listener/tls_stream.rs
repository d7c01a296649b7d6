//! The byte stream of a client over TLS.
//!
//! Owns: what is read, and what was sealed and has not left. A connection that waits between two records has neither;
//! records are sealed in room that its worker's connections share, and only what the socket does not take is kept.
//! Limits: 64 KiB read ahead, only while bytes keep coming; 96 KiB that are no whole message; 256 KiB sealed before a
//! write, 64 KiB for a client that does not take so much.

use super::peeked::Peeked;
use crate::tls::{Hello, Opened, SEALED_MAX, Scratch, ServerTls, TlsSession};
use bytes::{Buf, BytesMut};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

/// What a busy connection reads up to: four records.
const BUSY: usize = 64 * 1024;

/// One read of any other. A large read that brings less than this was not worth its buffer.
const QUIET: usize = 4 * 1024;

/// More than can be one message: the longest of a handshake has 64 KiB, and comes in records. The library itself has no
/// limit: it would take fragments, and records with nothing in them, for ever.
const RECORDS_MAX: usize = 96 * 1024;

/// What is sealed for a client whose socket did not take the last write whole: it shows that it takes anything each time
/// it took this much.
const SLOW_MAX: usize = 64 * 1024;

thread_local! {
    /// Borrowed while one write is made, never beyond.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// A client's stream over TLS.
pub(super) struct TlsStream {
    socket: TcpStream,
    session: TlsSession,
    /// Records that were read and not opened.
    records: BytesMut,
    /// What was opened and not given.
    opened: BytesMut,
    /// Sealed records that the socket has not taken.
    unsent: BytesMut,
    /// Why the session is over, where bytes had to be given first.
    broken: Option<Error>,
    /// The last read filled what there was.
    busy: bool,
    /// The last write was not taken whole.
    slow: bool,
    /// We said that we send no more.
    closed: bool,
}

impl TlsStream {
    /// Shakes hands over `peeked`.
    ///
    /// # Errors
    /// The operating system's, or `InvalidData` with the library's.
    ///
    /// # Cancel safety
    /// The connection is closed when dropped.
    pub(super) async fn accept(mut peeked: Peeked, tls: &ServerTls) -> Result<Self> {
        let (mut hello, mut unsent) = (Hello::default(), BytesMut::new());
        let session = loop {
            match hello.look(tls, peeked.seen(), &mut unsent) {
                Ok(Some(session)) => break session,
                Ok(None) if peeked.more().await? == 0 => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(None) => {}
                Err(error) => {
                    // The alert leaves if the socket takes it at once.
                    let _sent = peeked.into_parts().0.try_write(&unsent);
                    return Err(error);
                }
            }
        };
        let (socket, records) = peeked.into_parts();
        let mut stream = Self {
            socket,
            session,
            records,
            opened: BytesMut::new(),
            unsent,
            broken: None,
            busy: false,
            slow: false,
            closed: false,
        };
        poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    /// What the handshake made.
    pub(super) const fn session(&self) -> &TlsSession {
        &self.session
    }

    /// What the handshake made.
    pub(super) const fn session_mut(&mut self) -> &mut TlsSession {
        &mut self.session
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            let Self { session, records, opened, unsent, .. } = self;
            let driven = session.open(records, unsent, |plain| {
                // The first request may come with the end of the handshake.
                opened.extend_from_slice(plain);
                true
            });
            if let Err(error) = driven {
                // The alert leaves if the socket takes it at once.
                let _sent = self.poll_unsent(cx);
                return Poll::Ready(Err(error));
            }
            ready!(self.poll_unsent(cx))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_more(cx))? == 0 {
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Writes what was sealed before. Ready once all of it has left.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, &self.unsent))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                count => self.unsent.advance(count),
            }
        }
        self.unsent = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Reads more records; 0 at the end of the connection.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let before = self.records.len();
        if before >= RECORDS_MAX {
            return Poll::Ready(Err(Error::new(ErrorKind::InvalidData, "a TLS message has no end")));
        }
        // Looked at first, since whoever waits makes no buffer.
        if self.socket.poll_read_ready(cx)?.is_pending() {
            self.rest();
            return Poll::Pending;
        }
        // Of a record that is not complete there are some KiB.
        let room = if self.busy { BUSY.saturating_sub(before).max(QUIET) } else { QUIET };
        self.records.reserve(room);
        let read = poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.records);
        match read.is_ready() {
            true => self.busy = self.records.len() - before >= QUIET,
            false => self.rest(),
        }
        read
    }

    /// Gives the buffer back that a connection needs only while bytes come.
    fn rest(&mut self) {
        self.busy = false;
        if self.records.is_empty() {
            self.records = BytesMut::new();
        }
    }

    /// Gives what was opened before; false when there is nothing.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.opened.is_empty() {
            return false;
        }
        let count = buf.remaining().min(self.opened.len());
        buf.put_slice(&self.opened.split_to(count));
        if self.opened.is_empty() {
            self.opened = BytesMut::new();
        }
        true
    }

    /// Opens what `buf` has room for; of the last record the rest is kept.
    fn open(&mut self, buf: &mut ReadBuf<'_>) -> Result<Opened> {
        let Self { session, records, opened, unsent, .. } = self;
        session.open(records, unsent, |plain| {
            let (now, later) = plain.split_at(buf.remaining().min(plain.len()));
            buf.put_slice(now);
            opened.extend_from_slice(later);
            buf.remaining() > 0
        })
    }

    fn seal(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>], scratch: &mut Scratch) -> Result<usize> {
        let most = if self.slow { SLOW_MAX } else { SEALED_MAX };
        let Self { session, records, opened, unsent, .. } = self;
        let sealed = session.seal(records, unsent, opened, (pieces, most), scratch)?;
        let mut sealed_records = scratch.sealed(sealed.records);
        // What the session said by itself comes first; it is rare.
        if self.unsent.is_empty()
            && let Poll::Ready(written) = Pin::new(&mut self.socket).poll_write(cx, sealed_records)
        {
            sealed_records.advance(written?);
        }
        self.slow = !sealed_records.is_empty();
        self.unsent.extend_from_slice(sealed_records);
        Ok(sealed.taken)
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let me = self.get_mut();
        if buf.remaining() == 0 || me.give(buf) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        loop {
            if let Some(error) = me.broken.take() {
                return Poll::Ready(Err(error));
            }
            let opened = me.open(buf);
            // What the session says by itself leaves at once, or with the next write; that fails if it cannot. Both sides
            // of a client's stream belong to one task, so it is the right one that is woken.
            let _sent = me.poll_unsent(cx);
            let ended = match opened {
                Ok(opened) => opened == Opened::End,
                Err(error) => {
                    me.broken = Some(error);
                    false
                }
            };
            if ended || buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            if me.broken.is_none() && ready!(me.poll_more(cx))? == 0 {
                return Poll::Ready(Err(Error::new(ErrorKind::UnexpectedEof, "closed without a TLS close_notify")));
            }
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let me = self.get_mut();
        ready!(me.poll_unsent(cx))?;
        let sealed = SCRATCH.with_borrow_mut(|scratch| me.seal(cx, pieces, scratch));
        if sealed.is_err() {
            // The alert, if there is one, leaves if the socket takes it at once.
            let _sent = me.poll_unsent(cx);
        }
        Poll::Ready(sealed)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_unsent(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let me = self.get_mut();
        if !me.closed {
            me.closed = true;
            let Self { session, records, opened, unsent, .. } = me;
            // A session that is over has said so.
            let _closed = session.close(records, unsent, opened);
        }
        ready!(me.poll_unsent(cx))?;
        match ready!(Pin::new(&mut me.socket).poll_shutdown(cx)) {
            // The client has gone, which is what was wanted.
            Err(error) if error.kind() == ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}

#[cfg(test)]
mod tests;
