//! Answering: the body of a target's answer, taken from its connection frame by frame.

use super::answer_bytes::{Decoder, Taken};
use super::connection::{Connection, Io};
use super::stream::Stream;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An answer under way.
#[derive(Debug)]
pub struct Answering {
    /// `None` once the answer has failed, or has ended and left nothing that may be used again.
    pub(super) connection: Option<Connection>,
    pub(super) decoder: Decoder,
    /// The request is complete in the socket.
    pub(super) sent: bool,
    /// The target reset the connection, which only whoever wrote was told.
    pub(super) reset: Reset,
    pub(super) keeps_alive: bool,
    pub(super) websocket: bool,
    /// The answer has ended, and its connection may be used again.
    pub(super) free: bool,
}

/// Whether the target reset the connection while the request was written.
#[derive(Debug)]
pub(super) enum Reset {
    /// The request is written, as far as it ever will be.
    Seen(bool),
    /// The rest of the request is written by somebody else, who notes it here.
    Awaited(Arc<AtomicBool>),
}

impl Reset {
    fn is_seen(&self) -> bool {
        match self {
            Self::Seen(seen) => *seen,
            Self::Awaited(seen) => seen.load(Ordering::Relaxed),
        }
    }
}

/// Why an answer ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerCut(String);

impl fmt::Display for AnswerCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AnswerCut {}

impl Answering {
    /// The connection, where answer and request are both complete and it may carry another request.
    pub fn take_free(&mut self) -> Option<Connection> {
        self.connection.take_if(|_| self.free).map(Connection::rested)
    }

    /// Whether the target named WebSocket as the protocol it switches to.
    #[must_use]
    pub fn websocket(&self) -> bool {
        self.websocket
    }

    /// Whether the answer was taken to its end.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.free || self.connection.is_none()
    }

    /// How long the rest of the body is.
    #[must_use]
    pub fn size_hint(&self) -> SizeHint {
        self.decoder.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// The raw stream, for a connection that switched protocols.
    #[must_use]
    pub fn into_stream(self) -> Option<TargetStream> {
        let Connection { io: Io::Whole(io), read, .. } = self.connection? else { return None };
        Some(TargetStream { io, read })
    }

    /// The next frame of the answer's body.
    ///
    /// # Errors
    /// `AnswerCut` when the target breaks off.
    ///
    /// # Cancel safety
    /// Nothing is lost between two calls; dropping it closes the connection.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerCut>>> {
        let Some(connection) = self.connection.as_mut().filter(|_| !self.free) else { return Poll::Ready(None) };
        loop {
            let taken = match self.decoder.take(&mut connection.read) {
                Ok(taken) => taken,
                Err(what) => return Poll::Ready(Some(Err(self.cut(what)))),
            };
            let frame = match taken {
                Taken::Data(data) => Frame::data(data),
                Taken::Trailers(trailers) => Frame::trailers(trailers),
                Taken::End => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Taken::More => match ready!(connection.poll_fill(cx)) {
                    Ok(0) => match self.decoder.close() {
                        Ok(()) if self.reset.is_seen() => {
                            return Poll::Ready(Some(Err(self.cut("the target reset the connection"))));
                        }
                        Ok(()) => continue,
                        Err(what) => return Poll::Ready(Some(Err(self.cut(what)))),
                    },
                    Ok(_) => continue,
                    Err(error) => return Poll::Ready(Some(Err(self.cut(&error.to_string())))),
                },
            };
            if self.decoder.ended() {
                self.finish();
            }
            return Poll::Ready(Some(Ok(frame)));
        }
    }

    fn cut(&mut self, what: &str) -> AnswerCut {
        self.connection = None;
        AnswerCut(what.to_owned())
    }

    /// The answer is complete. The connection is free if the request is too, and nothing came behind the answer.
    pub(super) fn finish(&mut self) {
        let whole = |connection: &Connection| self.keeps_alive && self.sent && connection.read.is_empty();
        self.free = self.connection.as_ref().is_some_and(whole);
        self.connection.take_if(|_| !self.free);
    }
}

/// The stream behind a protocol switch: bytes that came with the answer's head are read first.
#[derive(Debug)]
pub struct TargetStream {
    io: Stream,
    read: Bytes,
}

impl AsyncRead for TargetStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let count = buf.remaining().min(self.read.len());
        buf.put_slice(&self.read.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TargetStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
