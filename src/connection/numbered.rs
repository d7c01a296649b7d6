//! Each HTTP/2 request is told the number of its stream, which the HTTP library keeps to itself.
//!
//! A field is added to the end of a request's header block before the library reads it: a literal that enters no
//! table, so that nothing else changes. Blocks in several frames, with padding, or too large for one more field stay as
//! they are; their requests only do without what the number is for, heads before the answer.
//!
//! Limits: what one read brought is kept at most, and only until the library takes it.
//! Source: RFC 9113 sections 4.1, 4.3.1 and 6.2.

use super::interim::{FRAME_MAX, literal};
use crate::domain::facts::CLIENT_STREAM;
use crate::runtime::ClientLink;
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// `PRI * HTTP/2.0` and what belongs to it.
const PREFACE: usize = 24;
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;
/// What stands before the block where `PRIORITY` is set.
const PRIORITY_BYTES: u32 = 5;
const HEADER_TABLE_SIZE: u16 = 1;
/// What both ends keep for compression until a setting says otherwise.
const TABLE: u32 = 4096;
/// Bytes of the field in a block: its kind, two lengths, the 15 of the name, eight digits.
const FIELD: u32 = 1 + 1 + 15 + 1 + 8;

/// A transport whose requests are numbered.
#[derive(Debug)]
pub(super) struct Numbered<I> {
    inner: I,
    numbering: Numbering,
    /// Bytes that were read and not given on, from `given`.
    held: Vec<u8>,
    given: usize,
}

/// How far the client's frames were followed.
#[derive(Debug)]
struct Numbering {
    link: ClientLink,
    /// Bytes until the next frame's head.
    left: usize,
    /// A frame's head that has not come whole.
    head: [u8; FRAME_HEAD],
    filled: usize,
    /// The stream whose block ends with the frame in progress, and is to be numbered.
    stream: Option<u32>,
    /// The highest stream that was opened.
    opened: u32,
    /// A setting that has not come whole, while a `SETTINGS` frame is in progress.
    setting: Option<([u8; 6], usize)>,
}

impl<I> Numbered<I> {
    /// Over a transport at its start.
    pub(super) fn new(inner: I, link: ClientLink) -> Self {
        Self { inner, numbering: Numbering::new(link), held: Vec::new(), given: 0 }
    }

    /// Gives bytes on that were kept; false when there are none.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = self.held.get(self.given..).unwrap_or_default();
        let count = rest.len().min(buf.remaining());
        buf.put_slice(rest.get(..count).unwrap_or_default());
        self.given += count;
        if self.given == self.held.len() {
            // An idle connection keeps no buffer.
            (self.held, self.given) = (Vec::new(), 0);
        }
        count > 0
    }
}

impl Numbering {
    fn new(link: ClientLink) -> Self {
        Self { link, left: PREFACE, head: [0; FRAME_HEAD], filled: 0, stream: None, opened: 0, setting: None }
    }

    /// Follows `bytes` while they may stay where and as they are; how many of them may.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while self.stream.is_none() {
            let rest = bytes.get(at..).unwrap_or_default();
            match rest.first_chunk() {
                _ if rest.is_empty() => break,
                _ if self.left > 0 => at += self.payload(rest),
                Some(head) if self.filled == 0 && self.opens(head).is_none() => {
                    self.begin(head);
                    at += FRAME_HEAD;
                }
                _ => break,
            }
        }
        at
    }

    /// Follows `bytes` and writes them to `out`, with the field where it belongs. A frame's head waits until it is whole.
    fn rewrite(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some((first, behind)) = bytes.split_first() {
            if self.left > 0 {
                let (passed, rest) = bytes.split_at(self.payload(bytes));
                out.extend_from_slice(passed);
                if self.left == 0
                    && let Some(stream) = self.stream.take()
                {
                    literal(out, CLIENT_STREAM.as_bytes(), format!("{stream:08x}").as_bytes());
                }
                bytes = rest;
                continue;
            }
            if let Some(place) = self.head.get_mut(self.filled) {
                *place = *first;
            }
            self.filled += 1;
            if self.filled == FRAME_HEAD {
                let head = self.head;
                out.extend_from_slice(&self.begin(&head));
            }
            bytes = behind;
        }
    }

    /// Follows the payload of the frame in progress; how much of it `bytes` begins with.
    fn payload(&mut self, bytes: &[u8]) -> usize {
        let count = self.left.min(bytes.len());
        self.left -= count;
        let Some((setting, filled)) = &mut self.setting else { return count };
        for byte in bytes.iter().take(count) {
            setting.rotate_left(1);
            setting[5] = *byte;
            *filled += 1;
            let [kind_high, kind_low, value @ ..] = *setting;
            let kind = u16::from_be_bytes([kind_high, kind_low]);
            if *filled % 6 == 0 && kind == HEADER_TABLE_SIZE && u32::from_be_bytes(value) < TABLE {
                // The library has to say so in the first block that it sends now, and no block may come before that.
                self.link.refuse_interims();
            }
        }
        count
    }

    /// The stream that a frame opens, where it can be numbered.
    fn opens(&self, head: &[u8; FRAME_HEAD]) -> Option<u32> {
        let (length, kind, flags, stream) = parts(head);
        let whole = kind == HEADERS && flags & END_HEADERS != 0 && flags & PADDED == 0;
        let before = if flags & PRIORITY != 0 { PRIORITY_BYTES } else { 0 };
        let fits = length > before && (length + FIELD) as usize <= FRAME_MAX;
        (whole && fits && stream > self.opened).then_some(stream)
    }

    /// A frame begins; its head as the library is to see it.
    fn begin(&mut self, head: &[u8; FRAME_HEAD]) -> [u8; FRAME_HEAD] {
        let (length, kind, _, stream) = parts(head);
        (self.filled, self.left) = (0, length as usize);
        self.setting = (kind == SETTINGS).then_some(([0; 6], 0));
        self.stream = self.opens(head);
        if kind == HEADERS {
            self.opened = self.opened.max(stream);
        }
        let added = if self.stream.is_some() { FIELD } else { 0 };
        let [_, a, b, c] = (length + added).to_be_bytes();
        let [_, _, _, rest @ ..] = *head;
        let mut seen = [a, b, c, 0, 0, 0, 0, 0, 0];
        seen[3..].copy_from_slice(&rest);
        seen
    }
}

/// Length, kind, flags and stream of a frame.
const fn parts(head: &[u8; FRAME_HEAD]) -> (u32, u8, u8, u32) {
    let [a, b, c, kind, flags, stream @ ..] = *head;
    (u32::from_be_bytes([0, a, b, c]), kind, flags, u32::from_be_bytes(stream) & (u32::MAX >> 1))
}

impl<I: AsyncRead + Unpin> AsyncRead for Numbered<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let me = self.get_mut();
        loop {
            if me.give(buf) {
                return Poll::Ready(Ok(()));
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut me.inner).poll_read(cx, buf))?;
            let fresh = buf.filled().get(before..).unwrap_or_default();
            let passed = me.numbering.pass(fresh);
            let (ended, rest) = (fresh.is_empty(), fresh.get(passed..).unwrap_or_default());
            me.numbering.rewrite(rest, &mut me.held);
            buf.set_filled(before + passed);
            if ended || passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Numbered<I> {
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
    use http::StatusCode;
    use std::pin::pin;
    use std::task::Waker;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn numbered(payload: &[u8], stream: &str) -> Vec<u8> {
        [payload, b"\0\x0fclearway-stream\x08", stream.as_bytes()].concat()
    }

    /// What the library sees of `sent`, read in pieces of `size`.
    fn seen(sent: &[u8], size: usize) -> Vec<u8> {
        let mut numbering = Numbering::new(ClientLink::new());
        let mut all = Vec::new();
        for piece in sent.chunks(size) {
            let passed = numbering.pass(piece);
            all.extend_from_slice(&piece[..passed]);
            numbering.rewrite(&piece[passed..], &mut all);
        }
        all
    }

    #[test]
    fn requests_are_numbered_and_nothing_else_changes_however_it_comes() {
        const END: u8 = END_HEADERS;
        let large = vec![7; FRAME_MAX];
        let (mut sent, mut expected) = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), Vec::new());
        expected.extend_from_slice(&sent);
        for (given, changed) in [
            (frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 1, 0]), None),
            (frame(HEADERS, END, 1, b"block"), Some(frame(HEADERS, END, 1, &numbered(b"block", "00000001")))),
            (frame(0, 0, 1, b"data"), None),
            (frame(0, 1, 1, b""), None),
            // Trailers, padding, a block that goes on, a stream that was opened before, a block that fills its frame.
            (frame(HEADERS, END | 1, 1, b"trailers"), None),
            (frame(HEADERS, END | PADDED, 3, b"\x01x\0"), None),
            (frame(HEADERS, 0, 5, b"more"), None),
            (frame(9, END, 5, b"and more"), None),
            (frame(HEADERS, END, 5, b"again"), None),
            (frame(HEADERS, END | PRIORITY, 7, b"short"), None),
            (
                frame(HEADERS, END | PRIORITY, 9, b"enough"),
                Some(frame(HEADERS, END | PRIORITY, 9, &numbered(b"enough", "00000009"))),
            ),
            (frame(HEADERS, END, 11, &large), None),
            (
                frame(HEADERS, END, 0x1234_5679, b"x"),
                Some(frame(HEADERS, END, 0x1234_5679, &numbered(b"x", "12345679"))),
            ),
        ] {
            sent.extend_from_slice(&given);
            expected.extend_from_slice(changed.as_ref().unwrap_or(&given));
        }
        for size in [1, 2, 8, 9, 10, 13, 40, 100, 1000, sent.len()] {
            assert!(seen(&sent, size) == expected, "in pieces of {size}");
        }
    }

    #[test]
    fn no_heads_are_taken_once_the_clients_table_is_smaller() {
        for (settings, refused) in [
            (&[0, 1, 0, 0, 16, 0][..], false),
            (&[0, 3, 0, 0, 0, 1, 0, 1, 0, 0, 15, 255], true),
            (&[0, 4, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0], false),
        ] {
            let link = ClientLink::new();
            let mut numbering = Numbering::new(link.clone());
            let sent = [&[0; PREFACE][..], &frame(SETTINGS, 0, 0, settings)].concat();
            assert_eq!(numbering.pass(&sent), sent.len());
            let hand = link.interims(1);
            let sending = pin!(hand.send(StatusCode::EARLY_HINTS, http::HeaderMap::new()));
            let ended = sending.poll(&mut Context::from_waker(Waker::noop())).is_ready();
            assert_eq!(ended, refused, "{settings:?}");
        }
    }
}
