//! One request and its answer over one connection to a target.
//!
//! No task and no channel: the request's own task writes and reads, so a connection costs nothing besides its socket.
//! Head and first bytes of the body go out in one write. An answer that begins before the body is sent parts the two:
//! the rest of the body is then sent by a task of its own.
//!
//! Owns: the order of writing and reading, when a request is provably unsent, when a connection may be used again.
//! Leaves: heads to `request`, timeouts to whoever polls.

use super::answer_bytes::{Decoder, Taken};
use super::answer_fields::HeadError;
use super::answer_head::{AnswerHead, take_head};
use super::outbound::Outbound;
use bytes::{Bytes, BytesMut};
use http::{StatusCode, response};
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::io::poll_read_buf;

/// Reads begin small, since most answers are, and grow while they fill: large ones cost a third less in large reads.
const READS: [usize; 3] = [FIRST_READ, 16 * 1024, 256 * 1024];
const FIRST_READ: usize = 4 * 1024;

/// Informational answers before the final one; a target that sends more is broken.
const INTERIM_MAX: u32 = 16;

/// A connection to a target.
#[derive(Debug)]
pub struct Connection {
    io: Io,
    /// What was read and not taken yet.
    read: Bytes,
    /// Place in `READS`.
    size: usize,
    target: u64,
    reused: bool,
    answer_head: usize,
}

/// The socket, or its reading half while the rest of a body is written elsewhere.
#[derive(Debug)]
enum Io {
    Whole(TcpStream),
    Reading(OwnedReadHalf),
}

/// An answer under way.
#[derive(Debug)]
pub struct Answering {
    /// `None` once the answer has ended or failed.
    connection: Option<Connection>,
    decoder: Decoder,
    /// The request is complete in the socket.
    sent: bool,
    /// The target reset the connection, which only whoever wrote was told.
    reset: Arc<AtomicBool>,
    keeps_alive: bool,
    websocket: bool,
    /// The connection, once it may be used again.
    free: Option<Connection>,
}

/// The rest of a request whose answer has begun already. It must go on being sent, whatever becomes of the answer: the
/// target may want it, and both ends may be waiting for the other to read.
#[derive(Debug)]
pub struct Rest<B> {
    writer: OwnedWriteHalf,
    outbound: Outbound<B>,
    reset: Arc<AtomicBool>,
}

impl<B> Rest<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// Sends it to its end, or until nobody takes it.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection's sending side: the target sees an incomplete request.
    pub async fn send(mut self) {
        if poll_fn(|cx| self.outbound.poll_write(cx, &mut self.writer)).await.is_err() {
            return;
        }
        self.reset.store(self.outbound.reset(), Ordering::Relaxed);
        // The socket stays open for the answer, and closes with it.
        self.writer.forget();
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum ExchangeError<B> {
    /// The connection was closed before it took one byte; the request is returned, safe to send elsewhere.
    Unsent(Box<Outbound<B>>),
    /// Bytes may have reached the target, and no answer came.
    Broken(io::Error),
    /// The answer is none.
    BadAnswer(&'static str),
    /// The answer's head is over `limits.answer_head`, or has too many fields.
    TooLarge,
    /// The request's own body failed, and with it the request.
    Body,
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

impl Connection {
    pub(super) fn new(io: TcpStream, target: u64, answer_head: usize) -> Self {
        Self { io: Io::Whole(io), read: Bytes::new(), size: 0, target, reused: false, answer_head }
    }

    /// The number of its target.
    pub(super) const fn target(&self) -> u64 {
        self.target
    }

    /// Whether nothing came and nobody closed while it was idle. Asks the kernel only when the executor saw an event.
    pub(super) fn quiet(&self) -> bool {
        let mut byte = [0];
        matches!(&self.io, Io::Whole(io) if io.try_read(&mut byte).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock))
    }

    /// Sends one request and waits for the head of its answer. `to_head` is for HEAD, whose answers have no body.
    ///
    /// # Errors
    /// `ExchangeError`; only `Unsent` is safe to send elsewhere.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    ///
    /// Source: RFC 9112 sections 6.3 and 9.
    pub async fn exchange<B>(
        mut self,
        mut outbound: Outbound<B>,
        to_head: bool,
    ) -> Result<Exchanged<B>, ExchangeError<B>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut interim = 0;
        let head = loop {
            match poll_fn(|cx| self.poll_head(cx, &mut outbound, to_head)).await {
                // What a target says before its answer ends here: the server library cannot pass it on.
                Ok(head)
                    if head.parts.status.is_informational() && head.parts.status != StatusCode::SWITCHING_PROTOCOLS =>
                {
                    interim += 1;
                    if interim > INTERIM_MAX {
                        return Err(ExchangeError::BadAnswer("too many informational answers"));
                    }
                }
                Ok(head) => break head,
                Err(NoHead::Closed(_)) if self.reused && !outbound.begun() => {
                    return Err(ExchangeError::Unsent(Box::new(outbound)));
                }
                Err(NoHead::Closed(error)) => return Err(ExchangeError::Broken(error)),
                Err(NoHead::Head(HeadError::TooLarge)) => return Err(ExchangeError::TooLarge),
                Err(NoHead::Head(HeadError::Malformed(what))) => return Err(ExchangeError::BadAnswer(what)),
                Err(NoHead::Body) => return Err(ExchangeError::Body),
            }
        };
        let AnswerHead { parts, end, keeps_alive, websocket } = head;
        let reset = Arc::new(AtomicBool::new(outbound.reset()));
        let sent = outbound.sent();
        let (connection, rest) = self.split(outbound, &reset);
        let mut answering = Answering {
            connection: Some(connection),
            decoder: Decoder::new(end),
            sent,
            reset,
            keeps_alive,
            websocket,
            free: None,
        };
        if answering.decoder.ended() && parts.status != StatusCode::SWITCHING_PROTOCOLS {
            answering.finish();
        }
        Ok((parts, answering, rest))
    }

    /// Parts the writing of a body that goes on from the reading of its answer.
    fn split<B>(self, outbound: Outbound<B>, reset: &Arc<AtomicBool>) -> (Self, Option<Rest<B>>)
    where
        B: Body<Data = Bytes> + Unpin,
    {
        match self.io {
            Io::Whole(io) if outbound.sending() => {
                let (reader, writer) = io.into_split();
                (Self { io: Io::Reading(reader), ..self }, Some(Rest { writer, outbound, reset: Arc::clone(reset) }))
            }
            io => (Self { io, ..self }, None),
        }
    }

    fn poll_head<B>(
        &mut self,
        cx: &mut Context<'_>,
        outbound: &mut Outbound<B>,
        to_head: bool,
    ) -> Poll<Result<AnswerHead, NoHead>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if let Io::Whole(io) = &mut self.io
            && let Poll::Ready(Err(_)) = outbound.poll_write(cx, io)
        {
            return Poll::Ready(Err(NoHead::Body));
        }
        loop {
            if !self.read.is_empty()
                && let Some(head) = take_head(&mut self.read, to_head, self.answer_head).map_err(NoHead::Head)?
            {
                return Poll::Ready(Ok(head));
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) => return Poll::Ready(Err(NoHead::Closed(io::ErrorKind::UnexpectedEof.into()))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(NoHead::Closed(error))),
            }
        }
    }

    /// Reads more behind what is there; 0 at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
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
        self.read = buffer.freeze();
        result
    }
}

impl Io {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Whole(io) => io.poll_read_ready(cx),
            Self::Reading(io) => io.as_ref().poll_read_ready(cx),
        }
    }
}

/// An answer's head, the answer under way, and what is left of its request.
pub type Exchanged<B> = (response::Parts, Answering, Option<Rest<B>>);

/// Why no head was read.
enum NoHead {
    Closed(io::Error),
    Head(HeadError),
    Body,
}

impl Answering {
    /// The connection, where answer and request are both complete and it may carry another request.
    pub fn take_free(&mut self) -> Option<Connection> {
        self.free.take()
    }

    /// Whether the target named WebSocket as the protocol it switches to.
    #[must_use]
    pub fn websocket(&self) -> bool {
        self.websocket
    }

    /// Whether the answer was taken to its end.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.connection.is_none()
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
        let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
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
                        Ok(()) if self.reset.load(Ordering::Relaxed) => {
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
    fn finish(&mut self) {
        self.free =
            self.connection.take().filter(|connection| self.keeps_alive && self.sent && connection.read.is_empty());
        if let Some(connection) = &mut self.free {
            (connection.reused, connection.read, connection.size) = (true, Bytes::new(), 0);
        }
    }
}

/// The stream behind a protocol switch: bytes that came with the answer's head are read first.
#[derive(Debug)]
pub struct TargetStream {
    io: TcpStream,
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
