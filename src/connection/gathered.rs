//! What HTTP/2 writes in one turn of its connection leaves together.
//!
//! The library flushes its transport behind each frame of an answer's body, although the frames of other streams are
//! ready: each would be a TLS record and a system call of its own. Here a flush is only noted, and done once the library
//! has nothing more to write in this turn.
//!
//! Limits: `KEPT` bytes for a connection, and only until its client takes them.

use super::deadlines::Polite;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that wait for the flush at most: the answers of some dozen small requests.
const KEPT: usize = 64 * 1024;

/// Writes of this size pass at once, behind what is kept: a download gains nothing from a copy.
const LARGE: usize = 8 * 1024;

/// Room for the answers of a few small requests.
const FIRST_ROOM: usize = 4 * 1024;

/// A transport that keeps what is written to it until `Flushing` flushes it, or too much is kept.
#[derive(Debug)]
pub(super) struct Gathered<I> {
    // Locked by the one task of the connection only: the library owns this end of it, `Flushing` the other.
    gather: Arc<Mutex<Gather<I>>>,
}

/// A connection whose transport is flushed once behind each of its turns.
#[derive(Debug)]
pub(super) struct Flushing<C, I> {
    pub(super) connection: C,
    gather: Arc<Mutex<Gather<I>>>,
}

#[derive(Debug)]
struct Gather<I> {
    inner: I,
    bytes: Vec<u8>,
    written: usize,
    /// The transport has bytes that it was not asked to flush.
    unflushed: bool,
    /// What a flush met behind the library's turn: told at its next.
    failure: Option<Error>,
}

impl<I> Gathered<I> {
    pub(super) fn new(inner: I) -> Self {
        let gather = Gather { inner, bytes: Vec::new(), written: 0, unflushed: false, failure: None };
        Self { gather: Arc::new(Mutex::new(gather)) }
    }

    /// What flushes this transport behind each turn of `serve`'s connection.
    pub(super) fn flushed_by<C>(self, serve: impl FnOnce(Self) -> C) -> Flushing<C, I> {
        let gather = Arc::clone(&self.gather);
        Flushing { connection: serve(self), gather }
    }

    fn lock(&self) -> MutexGuard<'_, Gather<I>> {
        lock(&self.gather)
    }
}

fn lock<I>(gather: &Mutex<Gather<I>>) -> MutexGuard<'_, Gather<I>> {
    gather.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<I> Gather<I> {
    fn fail(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }
}

impl<I: AsyncWrite + Unpin> Gather<I> {
    /// Hands everything that is kept to the transport.
    fn poll_hand_on(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(Error::from(ErrorKind::WriteZero))),
                count => self.written += count,
            }
        }
        // A connection with nothing to write keeps no buffer.
        (self.bytes, self.written) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    fn poll_keep(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        self.fail()?;
        self.unflushed = true;
        let large = slices.iter().map(|slice| slice.len()).sum::<usize>() >= LARGE;
        if large || self.bytes.len() >= KEPT {
            ready!(self.poll_hand_on(cx))?;
        }
        if large {
            return Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        }
        if self.bytes.is_empty() {
            self.bytes.reserve(FIRST_ROOM);
        }
        let before = self.bytes.len();
        for slice in slices {
            let room = KEPT - self.bytes.len();
            self.bytes.extend_from_slice(slice.get(..room).unwrap_or(slice));
        }
        Poll::Ready(Ok(self.bytes.len() - before))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.fail()?;
        ready!(self.poll_hand_on(cx))?;
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Gathered<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let mut gather = self.lock();
        gather.fail()?;
        Pin::new(&mut gather.inner).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Gathered<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.lock().poll_keep(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        self.lock().poll_keep(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Done behind the turn, by `Flushing`.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(self.lock().fail())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut gather = self.lock();
        ready!(gather.poll_flush(cx))?;
        Pin::new(&mut gather.inner).poll_shutdown(cx)
    }
}

impl<C: Future + Unpin, I: AsyncWrite + Unpin> Future for Flushing<C, I> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.get_mut();
        let turn = Pin::new(&mut me.connection).poll(cx);
        let mut gather = lock(&me.gather);
        if gather.unflushed
            && let Poll::Ready(Err(failure)) = gather.poll_flush(cx)
        {
            gather.unflushed = false;
            gather.failure = Some(failure);
            // The library has to see it.
            cx.waker().wake_by_ref();
        }
        turn
    }
}

impl<C, I> Polite for Flushing<C, I>
where
    C: Polite + Unpin,
    I: AsyncWrite + Unpin,
{
    const CROSSES: bool = C::CROSSES;

    fn finish(self: Pin<&mut Self>) {
        Pin::new(&mut self.get_mut().connection).finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Waker;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, simplex};

    /// Writes that the transport saw, each by its own.
    #[derive(Debug, Default)]
    struct Seen {
        writes: Vec<Vec<u8>>,
        flushes: usize,
        refuse: bool,
    }

    impl AsyncWrite for Seen {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
            if self.refuse {
                return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
            }
            self.writes.push(bytes.to_vec());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            self.flushes += 1;
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// What `turn` writes, each write flushed, as one turn of a connection.
    fn turn<I: AsyncWrite + Unpin>(inner: I, pieces: Vec<Vec<u8>>) -> Flushing<impl Future<Output = Result<()>>, I> {
        Gathered::new(inner).flushed_by(|mut transport| {
            Box::pin(async move {
                for piece in pieces {
                    transport.write_all(&piece).await?;
                    transport.flush().await?;
                }
                std::future::pending().await
            })
        })
    }

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_one_turn_writes_leaves_in_one_write() {
        let mut connection = turn(Seen::default(), vec![b"one ".to_vec(), b"two ".to_vec(), b"three".to_vec()]);
        assert!(poll(&mut connection).is_pending());
        let gather = lock(&connection.gather);
        assert_eq!((gather.inner.writes.as_slice(), gather.inner.flushes), (&[b"one two three".to_vec()][..], 1));
        assert_eq!(gather.bytes.capacity(), 0, "nothing is kept");
    }

    #[test]
    fn no_more_is_kept_than_the_limit_and_the_order_stays() {
        let sent = (0..5 * KEPT / 2).map(|at| u8::try_from(at % 251).unwrap()).collect::<Vec<_>>();
        let sizes = [LARGE / 3, LARGE - 1, LARGE, 3 * LARGE, 1, LARGE / 2];
        let (mut rest, mut pieces) = (sent.as_slice(), Vec::new());
        for size in sizes.into_iter().cycle() {
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            if piece.is_empty() {
                break;
            }
            pieces.push(piece.to_vec());
            rest = behind;
        }
        let mut connection = turn(Seen::default(), pieces);
        assert!(poll(&mut connection).is_pending());
        let gather = lock(&connection.gather);
        assert!(gather.inner.writes.iter().all(|write| write.len() <= KEPT));
        assert!(gather.inner.writes.concat() == sent, "the bytes");
    }

    #[test]
    fn a_failed_flush_is_told_to_the_library() {
        let mut connection = turn(Seen { refuse: true, ..Seen::default() }, vec![b"lost".to_vec()]);
        assert!(poll(&mut connection).is_pending());
        let (mut transport, gather) = (Gathered { gather: Arc::clone(&connection.gather) }, &connection.gather);
        assert!(lock(gather).failure.is_some());
        let told = poll(&mut Box::pin(poll_fn(|cx| Pin::new(&mut transport).poll_flush(cx))));
        assert!(matches!(told, Poll::Ready(Err(error)) if error.kind() == ErrorKind::BrokenPipe));
    }

    #[tokio::test]
    async fn a_client_that_reads_slowly_gets_everything_before_the_end() {
        let (near, mut far): (DuplexStream, _) = duplex(7);
        let sent = vec![b'x'; 3 * KEPT];
        let length = sent.len();
        let serve = Gathered::new(near).flushed_by(|mut transport| {
            Box::pin(async move {
                transport.write_all(&sent).await.unwrap();
                transport.shutdown().await.unwrap();
            })
        });
        let mut seen = Vec::new();
        let ((), read) = tokio::join!(serve, far.read_to_end(&mut seen));
        assert_eq!((read.unwrap(), seen.len()), (length, length));
    }

    #[tokio::test]
    async fn reading_passes_through() {
        let (mut reader, mut writer) = simplex(64);
        writer.write_all(b"hello").await.unwrap();
        let mut seen = [0; 5];
        Gathered::new(&mut reader).read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"hello");
    }
}
