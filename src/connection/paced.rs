//! One connection's share of its worker: after so many bytes it lets the others go first.
//!
//! A transfer between fast peers is always ready to go on, and the library goes on for as long as it is. The worker
//! would neither run its other connections nor ask the kernel what came for them: requests of a millisecond would wait
//! for tenths of a second.

use std::io::{IoSlice, Result};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;

/// Bytes of one turn, both directions together: as much as the largest read from a target, some tenths of a
/// millisecond.
const TURN: usize = 256 * 1024;

/// A transport that takes turns.
#[derive(Debug)]
pub(super) struct Paced<I> {
    inner: I,
    left: usize,
}

impl<I> Paced<I> {
    pub(super) const fn new(inner: I) -> Self {
        Self { inner, left: TURN }
    }

    /// Pending once a turn is over; the task is then woken behind all that is ready, the kernel's news included.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.left > 0 {
            return Poll::Ready(());
        }
        self.left = TURN;
        pin!(yield_now()).poll(cx)
    }

    fn spend<T>(&mut self, result: Poll<Result<T>>, bytes: impl FnOnce(&T) -> usize) -> Poll<Result<T>> {
        if let Poll::Ready(Ok(done)) = &result {
            self.left = self.left.saturating_sub(bytes(done));
        }
        result
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Paced<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        ready!(self.poll_turn(cx));
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        let count = buf.filled().len() - before;
        self.spend(result, |()| count)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Paced<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        ready!(self.poll_turn(cx));
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.spend(result, |count| *count)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        ready!(self.poll_turn(cx));
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.spend(result, |count| *count)
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
    use std::cell::Cell;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, empty, repeat, sink};

    /// Counts how often `other` runs while `bulk` moves `turns` turns of bytes.
    async fn beside(bulk: impl Future<Output = ()>) -> usize {
        let turns = Cell::new(0);
        let other = async {
            loop {
                turns.set(turns.get() + 1);
                yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = bulk => {}
            () = other => {}
        }
        turns.get()
    }

    #[tokio::test]
    async fn a_transfer_that_never_waits_gives_way_once_a_turn() {
        let reading = async {
            let mut piece = vec![0; 16 * 1024];
            let mut source = Paced::new(repeat(1));
            for _ in 0..10 * TURN / piece.len() {
                source.read_exact(&mut piece).await.unwrap();
            }
        };
        assert_eq!(beside(reading).await, 9);
        let writing = async {
            let mut target = Paced::new(sink());
            for _ in 0..10 {
                target.write_all(&vec![0; TURN]).await.unwrap();
            }
        };
        assert_eq!(beside(writing).await, 9);
    }

    #[tokio::test]
    async fn small_requests_do_not_give_way() {
        let asking = async {
            let mut source = Paced::new(empty());
            let _end = source.read(&mut [0; 1024]).await.unwrap();
        };
        assert_eq!(beside(asking).await, 0);
    }
}
