//! A socket whose first bytes were looked at: they stay to be read by whoever reads next.

use crate::domain::proxy_header::{ProxyHeaderError, parse};
use bytes::{Buf, BytesMut};
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

/// The first read: a ClientHello with a hybrid key share has about 1,700 bytes.
const FIRST: usize = 2 * 1024;

/// A socket, and what was read from it ahead.
#[derive(Debug)]
pub(super) struct Peeked {
    socket: TcpStream,
    read: BytesMut,
}

impl Peeked {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, read: BytesMut::new() }
    }

    /// The socket, and what was read ahead.
    pub(super) fn into_parts(self) -> (TcpStream, BytesMut) {
        (self.socket, self.read)
    }

    /// The first byte that the client sends, which stays to be read; `None` when it sends none.
    ///
    /// # Errors
    /// The operating system's.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub(super) async fn first_byte(&mut self) -> Result<Option<u8>> {
        if self.read.is_empty() {
            self.more().await?;
        }
        Ok(self.read.first().copied())
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
            match parse(&self.read) {
                Ok(Some(header)) => {
                    self.read.advance(header.length);
                    return Ok(Ok(header.source));
                }
                Ok(None) if self.more().await? == 0 => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(None) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// What was read ahead.
    pub(super) fn seen(&self) -> &[u8] {
        &self.read
    }

    /// Reads behind what is there; 0 at the end of the connection.
    ///
    /// # Errors
    /// The operating system's.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped.
    pub(super) async fn more(&mut self) -> Result<usize> {
        self.read.reserve(FIRST);
        poll_fn(|cx| poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.read)).await
    }
}

impl AsyncRead for Peeked {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.socket).poll_read(cx, buf);
        }
        let count = buf.remaining().min(self.read.len());
        buf.put_slice(&self.read.split_to(count));
        if self.read.is_empty() {
            // A connection keeps no buffer.
            self.read = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peeked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, Peeked) {
        let listener = crate::runtime::listen(([127, 0, 0, 1], 0).into(), std::time::Duration::from_secs(60)).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        (TcpStream::from_std(socket).unwrap(), Peeked::new(accepted))
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
            assert_eq!(reader.first_byte().await.unwrap(), bytes.first().copied());
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
        assert_eq!(reader.read.capacity(), 0, "a reader at the end keeps no buffer");
    }
}
