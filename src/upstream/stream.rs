//! The stream to a target: plain, or TLS over a socket whose bytes are counted.

use super::plain::Plain;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::client::TlsStream;

/// A stream to a target.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Plain),
    Tls(Box<TlsStream<Metered>>),
}

/// The side that reads, while the rest of a body is written elsewhere.
#[derive(Debug)]
pub(super) enum Reader {
    Plain(OwnedReadHalf),
    Tls(ReadHalf<Box<TlsStream<Metered>>>),
}

/// The side that writes. Dropped, it ends the sending: the target sees an incomplete request.
#[derive(Debug)]
pub(super) enum Writer {
    Plain(OwnedWriteHalf),
    Tls(TlsWriter),
}

/// The writing side of a TLS stream.
#[derive(Debug)]
pub(super) struct TlsWriter {
    io: WriteHalf<Box<TlsStream<Metered>>>,
    /// Whether dropping it ends the sending.
    ends: bool,
}

/// A socket below TLS. A write over TLS may fail although records of it have left: only here that is seen.
#[derive(Debug)]
pub(super) struct Metered {
    io: TcpStream,
    /// Bytes it took.
    taken: u64,
}

impl Metered {
    pub(super) const fn new(io: TcpStream) -> Self {
        Self { io, taken: 0 }
    }

    fn count(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &result {
            self.taken += *count as u64;
        }
        result
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.count(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.count(result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Stream {
    /// Parts the two sides.
    ///
    /// # Errors
    /// The executor cannot take the socket.
    pub(super) fn split(self) -> io::Result<(Reader, Writer)> {
        Ok(match self {
            Self::Plain(io) => {
                let (reader, writer) = io.into_split()?;
                (Reader::Plain(reader), Writer::Plain(writer))
            }
            Self::Tls(io) => {
                let (reader, writer) = tokio::io::split(io);
                (Reader::Tls(reader), Writer::Tls(TlsWriter { io: writer, ends: true }))
            }
        })
    }

    /// Bytes that the socket below TLS took; 0 for a plain one, which itself tells what it took.
    pub(super) fn taken(&self) -> u64 {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(io) => io.get_ref().0.taken,
        }
    }

    /// Whether nothing came and nobody closed. Asks the kernel only when the executor saw an event.
    pub(super) fn quiet(&mut self) -> bool {
        match self {
            Self::Plain(io) => io.quiet(),
            // Nobody else waits for an idle connection, so no waker is lost. Session tickets are taken in on the way.
            Self::Tls(io) => {
                let mut byte = [0];
                let mut buf = ReadBuf::new(&mut byte);
                Pin::new(io).poll_read(&mut Context::from_waker(Waker::noop()), &mut buf).is_pending()
            }
        }
    }

    /// Waits until something comes or the other side closes; true for the latter.
    pub(super) async fn closes(&mut self) -> bool {
        let mut byte = [0];
        match self {
            Self::Plain(io) => matches!(io.read(&mut byte).await, Ok(0) | Err(_)),
            Self::Tls(io) => matches!(io.read(&mut byte).await, Ok(0) | Err(_)),
        }
    }
}

impl Writer {
    /// Gives the side up without ending the sending; the socket closes with the reader.
    pub(super) fn forget(self) {
        match self {
            Self::Plain(io) => io.forget(),
            Self::Tls(mut io) => io.ends = false,
        }
    }
}

impl Drop for TlsWriter {
    fn drop(&mut self) {
        if self.ends {
            // As far as the socket takes it now; what it does not take ends with the socket.
            let _ended = Pin::new(&mut self.io).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// Reading and writing of whichever it is.
macro_rules! reads {
    ($type:ident) => {
        impl AsyncRead for $type {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Plain(io) => Pin::new(io).poll_read(cx, buf),
                    Self::Tls(io) => Pin::new(io).poll_read(cx, buf),
                }
            }
        }
    };
}

macro_rules! writes {
    ($type:ident, $tls:ident => $tls_io:expr) => {
        impl AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    Self::Plain(io) => Pin::new(io).poll_write(cx, bytes),
                    Self::Tls($tls) => Pin::new($tls_io).poll_write(cx, bytes),
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    Self::Plain(io) => Pin::new(io).poll_write_vectored(cx, bytes),
                    Self::Tls($tls) => Pin::new($tls_io).poll_write_vectored(cx, bytes),
                }
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Plain(io) => Pin::new(io).poll_flush(cx),
                    Self::Tls($tls) => Pin::new($tls_io).poll_flush(cx),
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Plain(io) => Pin::new(io).poll_shutdown(cx),
                    Self::Tls($tls) => Pin::new($tls_io).poll_shutdown(cx),
                }
            }
        }
    };
}

reads!(Stream);
reads!(Reader);
writes!(Stream, io => io);
writes!(Writer, io => &mut io.io);
