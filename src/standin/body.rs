//! The body of an answer: bytes in memory, or a part of a file read as it is asked for.

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// Read from the disk at once; each read is a trip to another thread.
const CHUNK: usize = 256 * 1024;

/// The body of an answer.
#[derive(Debug)]
pub(super) enum AnswerBody {
    /// All of it, in memory.
    Whole(Full<Bytes>),
    /// From a file.
    File(FileBody),
}

/// The next `left` bytes of an open file.
#[derive(Debug)]
pub(super) struct FileBody {
    file: tokio::fs::File,
    left: u64,
    chunk: BytesMut,
}

impl FileBody {
    /// The `length` bytes that follow the file's position.
    pub(super) fn new(file: tokio::fs::File, length: u64) -> Self {
        Self { file, left: length, chunk: BytesMut::new() }
    }
}

impl From<Bytes> for AnswerBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Pin::new(bytes).poll_frame(cx).map_err(|never| match never {}),
            Self::File(file) => file.poll_chunk(cx).map(|chunk| chunk.map(|read| read.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_end_stream(),
            Self::File(file) => file.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => bytes.size_hint(),
            Self::File(file) => SizeHint::with_exact(file.left),
        }
    }
}

impl FileBody {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let wanted = usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK);
        self.chunk.resize(wanted, 0);
        let mut space = ReadBuf::new(&mut self.chunk);
        ready!(Pin::new(&mut self.file).poll_read(cx, &mut space))?;
        let filled = space.filled().len();
        if filled == 0 {
            // The file was cut while it was being read; the client must not take this for its end.
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        self.left = self.left.saturating_sub(filled as u64);
        Poll::Ready(Some(Ok(self.chunk.split_to(filled).freeze())))
    }
}
