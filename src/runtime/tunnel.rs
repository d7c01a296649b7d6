//! Bytes both ways until both sides are done: half-closes are passed on, silence has a limit.

use super::clock::now;
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

/// One direction's buffer.
const BUFFER: usize = 16 * 1024;

/// What a tunnel has passed so far.
#[derive(Debug, Default)]
pub struct Passed {
    /// Bytes from the first side to the second.
    pub sent: AtomicU64,
    /// Bytes from the second side to the first.
    pub received: AtomicU64,
}

/// Passes bytes between `a` and `b` until both have closed, one breaks, or nothing moved for `idle`; true for the last.
///
/// # Cancel safety
/// Dropping the future closes both sides; bytes in its buffers are lost.
pub async fn tunnel<A, B>(a: A, b: B, idle: Duration, passed: &Passed) -> bool
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let pulse = Arc::new(Pulse::default());
    let mut a = Counted { inner: a, read: &passed.sent, pulse: &pulse };
    let mut b = Counted { inner: b, read: &passed.received, pulse: &pulse };
    tokio::select! {
        // How it ended does not matter: both sides are closed after it.
        _ = copy_bidirectional_with_sizes(&mut a, &mut b, BUFFER, BUFFER) => false,
        () = pulse.still_for(idle) => true,
    }
}

/// Counts movements, so that silence can be noticed without a clock read for each.
#[derive(Debug, Default)]
struct Pulse(AtomicU64);

impl Pulse {
    /// Returns once no byte moved for at least `idle`, and at most twice that.
    async fn still_for(&self, idle: Duration) {
        let mut seen: (u64, Instant) = (self.0.load(Ordering::Relaxed), now());
        loop {
            tokio::time::sleep_until((seen.1 + idle).into()).await;
            let beats = self.0.load(Ordering::Relaxed);
            if beats == seen.0 {
                return;
            }
            seen = (beats, now());
        }
    }
}

struct Counted<'a, I> {
    inner: I,
    read: &'a AtomicU64,
    pulse: &'a Pulse,
}

impl<I: AsyncRead + Unpin> AsyncRead for Counted<'_, I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        if result.is_ready() {
            self.read.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
            self.pulse.0.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Counted<'_, I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if result.is_ready() {
            self.pulse.0.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn passes_both_ways_and_half_closes() {
        let ((mut client, a), (b, mut target)) = (duplex(64), duplex(64));
        let passed = Passed::default();
        let running = tunnel(a, b, Duration::from_secs(60), &passed);
        let ends = async {
            client.write_all(b"question").await.unwrap();
            client.shutdown().await.unwrap();
            let mut heard = String::new();
            target.read_to_string(&mut heard).await.unwrap();
            target.write_all(b"an answer").await.unwrap();
            drop(target);
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            (heard, answer)
        };
        let (idle, heard) = tokio::join!(running, ends);
        assert_eq!(heard, ("question".to_owned(), "an answer".to_owned()));
        assert_eq!((idle, passed.sent.into_inner(), passed.received.into_inner()), (false, 8, 9));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it() {
        let ((_client, a), (b, _target)) = (duplex(64), duplex(64));
        assert!(tunnel(a, b, Duration::from_secs(5), &Passed::default()).await);
    }
}
