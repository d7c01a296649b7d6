//! The socket to a target, as the HTTP client sees it.
//!
//! ClearML's file server answers an upload it refuses (401, 413) before it has read the body, and closes. Writing
//! on then fails while the answer already waits to be read; an HTTP client that gives up on the failed write would
//! lose the answer. So a failed write only stops the writing here: what the read side brings decides.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP stream whose writes stop, rather than fail, once the target closed its receiving side.
#[derive(Debug)]
pub(super) struct TargetStream {
    inner: TcpStream,
    /// The target takes no more bytes.
    refused: bool,
    /// It said so by a reset, which the kernel tells only once: reading then ends as if it had closed in order.
    reset: bool,
    /// The read side has ended, so that nothing is left to wait for.
    ended: bool,
}

impl TargetStream {
    pub(super) const fn new(inner: TcpStream) -> Self {
        Self { inner, refused: false, reset: false, ended: false }
    }

    fn written(&mut self, cx: &mut Context<'_>, result: Poll<Result<usize>>) -> Poll<Result<usize>> {
        match result {
            Poll::Ready(Err(error)) if is_refusal(&error) && !self.ended => {
                self.refused = true;
                // A broken pipe comes behind a close in order; everything it sent was received.
                self.reset = error.kind() != ErrorKind::BrokenPipe;
                // The reader must look once more: the answer, or the end, may have been there before the failure.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            result => result,
        }
    }
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}

impl AsyncRead for TargetStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        match &result {
            Poll::Ready(Ok(())) if buf.filled().len() == before && buf.remaining() > 0 => {
                self.ended = true;
                if self.reset {
                    return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
                }
            }
            Poll::Ready(Err(_)) => self.ended = true,
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        result
    }
}

impl AsyncWrite for TargetStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if self.refused {
            return if self.ended { Poll::Ready(Err(ErrorKind::BrokenPipe.into())) } else { Poll::Pending };
        }
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        if self.refused {
            return if self.ended { Poll::Ready(Err(ErrorKind::BrokenPipe.into())) } else { Poll::Pending };
        }
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
