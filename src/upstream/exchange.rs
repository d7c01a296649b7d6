//! One request and its answer over one connection to a target.
//!
//! No task and no channel: the request's own task writes and reads, so a connection costs nothing besides its socket.
//! Head and first bytes of the body go out in one write. An answer that begins before the body is sent parts the two:
//! the rest of the body is then sent by a task of its own.
//!
//! Owns: the order of writing and reading, when a request is provably unsent, when a connection may be used again.
//! Leaves: heads to `request`, timeouts to whoever polls.

use super::answer_bytes::Decoder;
use super::answer_fields::HeadError;
use super::answer_head::{AnswerHead, take_head};
use super::answering::{Answering, Reset};
use super::connection::{Connection, Io};
use super::outbound::Outbound;
use super::stream::{Stream, Writer};
use bytes::Bytes;
use http::{StatusCode, response};
use http_body::Body;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Informational answers before the final one; a target that sends more is broken.
const INTERIM_MAX: u32 = 16;

/// The rest of a request whose answer has begun already. It must go on being sent, whatever becomes of the answer: the
/// target may want it, and both ends may be waiting for the other to read.
#[derive(Debug)]
pub struct Rest<B> {
    writer: Writer,
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
    pub async fn send(mut self: Box<Self>) {
        if poll_fn(|cx| self.outbound.poll_write(cx, &mut self.writer)).await.is_err() {
            return;
        }
        let _flushed = self.writer.flush().await;
        self.reset.store(self.outbound.reset(), Ordering::Relaxed);
        // The socket stays open for the answer, and closes with it.
        self.writer.forget();
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum ExchangeError {
    /// The connection was closed before it took one byte; the request is whole and safe to send elsewhere.
    Unsent,
    /// Bytes may have reached the target, and no answer came.
    Broken(io::Error),
    /// The answer is none.
    BadAnswer(&'static str),
    /// The answer's head is over `limits.answer_head`, or has too many fields.
    TooLarge,
    /// The request's own body failed, and with it the request.
    Body,
}

impl Connection {
    /// Sends one request and waits for the head of its answer. `to_head` is for HEAD, whose answers have no body. The
    /// request stays with the caller, who keeps it where it is: moving it costs more than most steps of an exchange.
    ///
    /// # Errors
    /// `ExchangeError`; only after `Unsent` is `outbound` safe to send elsewhere.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    ///
    /// Source: RFC 9112 sections 6.3 and 9.
    pub async fn exchange<B>(mut self, outbound: &mut Outbound<B>, to_head: bool) -> Result<Exchanged<B>, ExchangeError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut interim = 0;
        let head = loop {
            match poll_fn(|cx| self.poll_head(cx, outbound, to_head)).await {
                Ok(head)
                    if head.parts.status.is_informational() && head.parts.status != StatusCode::SWITCHING_PROTOCOLS =>
                {
                    interim += 1;
                    if interim > INTERIM_MAX {
                        return Err(ExchangeError::BadAnswer("too many informational answers"));
                    }
                    outbound.interim(head.parts).await;
                }
                Ok(head) => break head,
                Err(NoHead::Closed(_)) if !outbound.begun() => {
                    outbound.again();
                    return Err(ExchangeError::Unsent);
                }
                Err(NoHead::Closed(error)) => return Err(ExchangeError::Broken(error)),
                Err(NoHead::Head(HeadError::TooLarge)) => return Err(ExchangeError::TooLarge),
                Err(NoHead::Head(HeadError::Malformed(what))) => return Err(ExchangeError::BadAnswer(what)),
                Err(NoHead::Body) => return Err(ExchangeError::Body),
            }
        };
        let AnswerHead { parts, end, keeps_alive, websocket } = head;
        let mut reset = Reset::Seen(outbound.reset());
        let sent = outbound.sent();
        let parted = if outbound.sending() { self.split() } else { Ok((self, None)) };
        let (connection, writer) = parted.map_err(ExchangeError::Broken)?;
        let rest = writer.map(|writer| {
            let seen = Arc::new(AtomicBool::new(false));
            reset = Reset::Awaited(Arc::clone(&seen));
            Box::new(Rest { writer, outbound: outbound.take(), reset: seen })
        });
        let mut answering = Answering {
            connection: Some(connection),
            decoder: Decoder::new(end),
            sent,
            reset,
            keeps_alive,
            websocket,
            free: false,
        };
        if answering.decoder.ended() && parts.status != StatusCode::SWITCHING_PROTOCOLS {
            answering.finish();
        }
        Ok(Exchanged { head: parts, answering, rest })
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
        if let Io::Whole(io) = &mut self.io {
            let before = io.taken();
            if let Poll::Ready(Err(_)) = outbound.poll_write(cx, io) {
                return Poll::Ready(Err(NoHead::Body));
            }
            if let Stream::Tls(io) = io {
                // Records wait in the TLS stream; what cannot be written shows when the answer is read.
                let _flushed = Pin::new(io).poll_flush(cx);
            }
            if io.taken() != before {
                outbound.leaked();
            }
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
}

/// An answer that began.
#[derive(Debug)]
pub struct Exchanged<B> {
    /// Its head.
    pub head: response::Parts,
    /// The rest of it.
    pub answering: Answering,
    /// What is left of its request.
    pub rest: Option<Box<Rest<B>>>,
}

/// Why no head was read.
enum NoHead {
    Closed(io::Error),
    Head(HeadError),
    Body,
}

#[cfg(test)]
mod tests;
