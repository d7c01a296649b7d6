//! Heads before an answer (102, 103), written past the HTTP library.
//!
//! The library flushes its transport only when it has nothing half-written, and a request that gives such a head waits
//! until it is out. So what is written at a flush stands between two messages on HTTP/1.1, and between two frames on
//! HTTP/2.
//!
//! Source: RFC 9110 section 15.2, RFC 9113 section 8.1, RFC 7541 section 6.2.2.

use crate::runtime::{ClientLink, Interim};
use crate::telemetry::{Counter, WorkerMetrics};
use http::{HeaderMap, StatusCode};
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The largest HTTP/2 frame that every client takes.
pub(super) const FRAME_MAX: usize = 16 * 1024;

/// A transport that writes what its link is given.
#[derive(Debug)]
pub(super) struct WithInterims<I> {
    inner: I,
    link: ClientLink,
    metrics: WorkerMetrics,
    http2: bool,
    bytes: Vec<u8>,
    written: usize,
    /// The head that is being written.
    current: Option<Interim>,
}

impl<I> WithInterims<I> {
    /// Over an HTTP/1.1 transport.
    pub(super) fn http1(inner: I, link: ClientLink, metrics: WorkerMetrics) -> Self {
        Self { inner, link, metrics, http2: false, bytes: Vec::new(), written: 0, current: None }
    }

    /// Over an HTTP/2 transport.
    pub(super) fn http2(inner: I, link: ClientLink, metrics: WorkerMetrics) -> Self {
        Self { http2: true, ..Self::http1(inner, link, metrics) }
    }

    /// The transport below.
    pub(super) fn into_inner(self) -> I {
        self.inner
    }
}

impl<I: AsyncWrite + Unpin> WithInterims<I> {
    /// Writes what is left of a head that was begun.
    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.written < self.bytes.len() {
            let rest = self.bytes.get(self.written..).unwrap_or_default();
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(Error::from(ErrorKind::WriteZero))),
                count => self.written += count,
            }
        }
        (self.bytes, self.written) = (Vec::new(), 0);
        if let Some(interim) = self.current.take() {
            self.metrics.add(Counter::InterimAnswers, 1);
            interim.done();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_interims(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.http2 {
            self.link.wake_for_interims(cx);
        }
        while let Some(interim) = self.link.take_interim() {
            let bytes = if self.http2 { frame(&interim) } else { Some(head(interim.status, &interim.headers)) };
            match bytes.filter(|_| interim.wanted()) {
                Some(bytes) => {
                    (self.bytes, self.current) = (bytes, Some(interim));
                    ready!(self.poll_begun(cx))?;
                }
                None => interim.done(),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for WithInterims<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for WithInterims<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if !self.bytes.is_empty() {
            ready!(self.poll_begun(cx))?;
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        if !self.bytes.is_empty() {
            ready!(self.poll_begun(cx))?;
        }
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.bytes.is_empty() {
            ready!(self.poll_begun(cx))?;
        }
        ready!(self.poll_interims(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A whole head of HTTP/1.1.
fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or("Informational");
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// A whole `HEADERS` frame. Its fields are literals without indexing, so that the library's compression does not
/// notice it. `None` where the frame would be too large, or the stream is not known.
fn frame(interim: &Interim) -> Option<Vec<u8>> {
    const HEADERS: u8 = 1;
    const END_HEADERS: u8 = 4;
    let mut block = Vec::with_capacity(256);
    // `:status` is entry 8 of the static table.
    block.push(8);
    string(&mut block, interim.status.as_str().as_bytes());
    for (name, value) in &interim.headers {
        literal(&mut block, name.as_str().as_bytes(), value.as_bytes());
    }
    if interim.stream == 0 || block.len() > FRAME_MAX {
        return None;
    }
    let [_, length @ ..] = u32::try_from(block.len()).ok()?.to_be_bytes();
    let mut frame = Vec::with_capacity(9 + block.len());
    frame.extend_from_slice(&length);
    frame.extend_from_slice(&[HEADERS, END_HEADERS]);
    frame.extend_from_slice(&interim.stream.to_be_bytes());
    frame.append(&mut block);
    Some(frame)
}

/// A field as a literal that enters no table.
pub(super) fn literal(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    string(block, name);
    string(block, value);
}

/// A string without Huffman coding; its length in a prefix of seven bits.
#[expect(clippy::cast_possible_truncation, reason = "each byte is below 128 before its mark is set")]
fn string(block: &mut Vec<u8>, text: &[u8]) {
    const PREFIX: usize = 127;
    if text.len() < PREFIX {
        block.push(text.len() as u8);
    } else {
        block.push(PREFIX as u8);
        let mut rest = text.len() - PREFIX;
        while rest >= 128 {
            block.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        block.push(rest as u8);
    }
    block.extend_from_slice(text);
}
