//! A plain socket to a target. A fresh one is written to at once: the executor gets to know it when it has to wait.
//!
//! Owns: when a socket is registered with the executor, and from when on no write waits for an earlier one.
//! Leaves: how it was connected to `connect`.

use crate::runtime::send_at_once;
use std::io::{self, IoSlice, Write};
use std::net;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A first write up to this long leaves as a whole, however the kernel cuts it. The end of a longer one could wait for
/// the acknowledgement of a part before it.
const WHOLE_MAX: usize = 16 * 1024;

/// A plain socket to a target.
#[derive(Debug)]
pub(super) struct Plain {
    socket: Socket,
    /// Whether it was written to. Only the first write is tried before the socket is registered.
    written: bool,
    /// Whether it sends everything at once. A request that fits one write never needs it.
    at_once: bool,
}

#[derive(Debug)]
enum Socket {
    /// Connected, and unknown to the executor. `None` once it could not be registered.
    Fresh(Option<net::TcpStream>),
    Registered(TcpStream),
}

impl Plain {
    /// A connected, non-blocking socket that the executor does not know.
    pub(super) const fn fresh(io: net::TcpStream) -> Self {
        Self::new(Socket::Fresh(Some(io)))
    }

    /// One that the executor knows.
    pub(super) const fn registered(io: TcpStream) -> Self {
        Self::new(Socket::Registered(io))
    }

    const fn new(socket: Socket) -> Self {
        Self { socket, written: false, at_once: false }
    }

    /// The socket, registered by now.
    fn known(&mut self) -> io::Result<&mut TcpStream> {
        if let Socket::Fresh(io) = &mut self.socket {
            let io = io.take().ok_or(io::ErrorKind::NotConnected)?;
            self.socket = Socket::Registered(TcpStream::from_std(io)?);
        }
        match &mut self.socket {
            Socket::Registered(io) => Ok(io),
            Socket::Fresh(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// From here on no write waits for the acknowledgement of an earlier one.
    fn send_at_once(&mut self) {
        if !std::mem::replace(&mut self.at_once, true) {
            // Without it a socket is slower and not wrong; one that is broken says so when it is used.
            let _set = match &self.socket {
                Socket::Fresh(Some(io)) => send_at_once(io),
                Socket::Fresh(None) => Ok(()),
                Socket::Registered(io) => send_at_once(io),
            };
        }
    }

    /// The socket for whoever writes as it likes.
    ///
    /// # Errors
    /// The executor cannot take it.
    pub(super) fn into_known(mut self) -> io::Result<TcpStream> {
        self.send_at_once();
        self.known()?;
        match self.socket {
            Socket::Registered(io) => Ok(io),
            Socket::Fresh(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Its two sides.
    ///
    /// # Errors
    /// The executor cannot take it.
    pub(super) fn into_split(self) -> io::Result<(OwnedReadHalf, OwnedWriteHalf)> {
        Ok(self.into_known()?.into_split())
    }

    /// Whether nothing came and nobody closed. Asks the kernel only when the executor saw an event.
    pub(super) fn quiet(&mut self) -> bool {
        let would_block = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.known().is_ok_and(|io| io.try_read(&mut [0]).is_err_and(would_block))
    }

    /// Ready when there is something to read, or nothing will ever come.
    pub(super) fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.known()?.poll_read_ready(cx)
    }

    /// Writes `length` bytes: `now` to a fresh socket, and `known` to one that the executor knows.
    fn poll_with(
        &mut self,
        cx: &mut Context<'_>,
        length: usize,
        now: impl FnOnce(&net::TcpStream) -> io::Result<usize>,
        known: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.written || length > WHOLE_MAX {
            self.send_at_once();
        }
        let result = match &self.socket {
            Socket::Fresh(Some(io)) if !self.written => match now(io) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => known(Pin::new(self.known()?), cx),
                result => Poll::Ready(result),
            },
            _ => known(Pin::new(self.known()?), cx),
        };
        self.written |= matches!(result, Poll::Ready(Ok(_)));
        result
    }
}

impl AsyncRead for Plain {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.known()?).poll_read(cx, buf)
    }
}

impl AsyncWrite for Plain {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_with(cx, bytes.len(), |mut io| io.write(bytes), |io, cx| io.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bytes.iter().map(|slice| slice.len()).sum();
        self.poll_with(cx, length, |mut io| io.write_vectored(bytes), |io, cx| io.poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing is kept back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.known()?).poll_shutdown(cx)
    }
}

#[cfg(test)]
pub(super) mod tests;
