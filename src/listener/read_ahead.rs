//! Larger reads below TLS, once they pay.
//!
//! rustls asks its transport for 4 KiB at a time, a system call each. A connection that fills such reads (an upload) is
//! read 64 KiB at a time instead; one that does not (small requests, idle) keeps no buffer.
//! Limits: one buffer of 64 KiB, only while bytes keep coming.

use crate::domain::proxy_header::{ProxyHeaderError, parse};
use bytes::{Buf, BytesMut};
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

/// One large read: four TLS records.
const BUFFER: usize = 64 * 1024;

/// The first read: a ClientHello with a hybrid key share has about 1,700 bytes.
const FIRST: usize = 2 * 1024;

/// A large read that brings less than this was not worth its buffer.
const SMALL: usize = 4 * 1024;

/// A socket that is read ahead while it is busy.
#[derive(Debug)]
pub(super) struct ReadAhead {
    inner: TcpStream,
    buffer: BytesMut,
    /// The last read brought as much as it asked for.
    busy: bool,
}

impl ReadAhead {
    pub(super) fn new(inner: TcpStream) -> Self {
        Self { inner, buffer: BytesMut::new(), busy: false }
    }

    /// The first byte that the client sends, which stays to be read; `None` when it sends none.
    ///
    /// # Errors
    /// The operating system's.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub(super) async fn first_byte(&mut self) -> Result<Option<u8>> {
        if self.buffer.is_empty() {
            self.more().await?;
        }
        Ok(self.buffer.first().copied())
    }

    /// Takes the PROXY header that the connection begins with: whom it names, or why it is none.
    ///
    /// # Errors
    /// The operating system's, also for an end before the header's.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub(super) async fn proxy_header(&mut self) -> Result<std::result::Result<Option<SocketAddr>, ProxyHeaderError>> {
        loop {
            match parse(&self.buffer) {
                Ok(Some(header)) => {
                    self.buffer.advance(header.length);
                    return Ok(Ok(header.source));
                }
                Ok(None) if self.more().await? == 0 => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(None) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Reads behind what is there.
    async fn more(&mut self) -> Result<usize> {
        self.buffer.reserve(FIRST);
        poll_fn(|cx| poll_read_buf(Pin::new(&mut self.inner), cx, &mut self.buffer)).await
    }

    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.buffer.reserve(BUFFER);
        match poll_read_buf(Pin::new(&mut self.inner), cx, &mut self.buffer) {
            Poll::Ready(Ok(count)) => {
                self.busy = count >= SMALL;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                // Whoever waits keeps no buffer.
                (self.buffer, self.busy) = (BytesMut::new(), false);
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for ReadAhead {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.buffer.is_empty() {
            if !self.busy {
                let wanted = buf.remaining();
                let before = buf.filled().len();
                let result = Pin::new(&mut self.inner).poll_read(cx, buf);
                self.busy = buf.filled().len() - before == wanted;
                return result;
            }
            ready!(self.fill(cx))?;
        }
        let count = buf.remaining().min(self.buffer.len());
        buf.put_slice(self.buffer.get(..count).unwrap_or_default());
        self.buffer.advance(count);
        if self.buffer.is_empty() && !self.busy {
            self.buffer = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ReadAhead {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, ReadAhead) {
        let listener = crate::runtime::listen(([127, 0, 0, 1], 0).into(), std::time::Duration::from_secs(60)).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        (TcpStream::from_std(socket).unwrap(), ReadAhead::new(accepted))
    }

    #[tokio::test]
    async fn every_byte_comes_once_and_in_order_whatever_the_sizes() {
        let (mut sender, mut reader) = pair().await;
        let bytes = (0_u32..300_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>();
        let sent = bytes.clone();
        let sending = async move {
            for piece in sent.chunks(7_777) {
                sender.write_all(piece).await.unwrap();
            }
            sender.shutdown().await.unwrap();
            sender
        };
        let reading = async {
            let (mut got, mut piece) = (Vec::new(), vec![0; 4096]);
            loop {
                match reader.read(&mut piece).await.unwrap() {
                    0 => break got,
                    count => got.extend_from_slice(&piece[..count]),
                }
            }
        };
        let (_sender, got) = tokio::join!(sending, reading);
        assert!(got == bytes, "{} of {} bytes", got.len(), bytes.len());
        assert_eq!(reader.buffer.capacity(), 0, "a reader at the end keeps no buffer");
    }

    #[tokio::test]
    async fn small_reads_take_no_buffer() {
        let (mut sender, mut reader) = pair().await;
        sender.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut piece = [0; 4096];
        assert_eq!(reader.read(&mut piece).await.unwrap(), 18);
        assert_eq!((reader.buffer.capacity(), reader.busy), (0, false));
    }
}
