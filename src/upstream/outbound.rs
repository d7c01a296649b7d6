//! A request on its way to a target: head and body in as few writes as the socket takes.
//!
//! Owns: the framing of the body, and how much was written. Leaves: the head's content to `request::outgoing`.
//!
//! Source: RFC 9112 sections 6 and 7.1.

use crate::runtime::InterimSender;
use bytes::{Buf, Bytes};
use http::{HeaderMap, StatusCode, response};
use http_body::Body;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Bytes of a body that go out in one write.
const GATHERED_MAX: usize = 256 * 1024;

/// And at most this many pieces, so that small ones cost no long list.
const PIECES_MAX: usize = 32;

/// How the body is framed; the head says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// This many bytes, or none.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A request as it is written.
#[derive(Debug)]
pub struct Outbound<B> {
    /// The head at first, later what stands before and after each chunk.
    lead: Vec<u8>,
    lead_written: usize,
    /// Pieces of the body that follow the lead.
    data: VecDeque<Bytes>,
    /// `None` once it has ended, or nobody takes it any more.
    body: Option<B>,
    framing: Framing,
    /// Bytes of the body given by it so far.
    given: u64,
    /// Whether any byte reached the socket.
    begun: bool,
    state: State,
    /// Takes what the target says before its answer.
    interims: Option<InterimSender>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Sending,
    /// All bytes are in the socket, none below TLS any more.
    Sent,
    /// The socket failed before it took one byte.
    Unsent,
    /// The target takes no more; what it answers still counts.
    Refused,
    /// The same, and it reset the connection: what it answered may be cut off.
    Reset,
}

/// The request's own body failed; the request can never be completed.
#[derive(Debug)]
pub(super) struct BodyFailed;

impl<B> Outbound<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// A request with `head` (request line to empty line) and `body`, whose framing the head announces.
    #[must_use]
    pub fn new(head: Vec<u8>, body: B, framing: Framing) -> Self {
        let body = (framing != Framing::Length(0) || !body.is_end_stream()).then_some(body);
        Self::in_state(State::Sending, head, body, framing)
    }

    fn in_state(state: State, lead: Vec<u8>, body: Option<B>, framing: Framing) -> Self {
        let begun = state != State::Sending;
        Self { lead, lead_written: 0, data: VecDeque::new(), body, framing, given: 0, begun, state, interims: None }
    }

    /// The same request, whose client takes heads before its answer.
    #[must_use]
    pub fn with_interims(self, interims: Option<InterimSender>) -> Self {
        Self { interims, ..self }
    }

    /// Passes on what the target says before its answer.
    pub(super) async fn interim(&self, head: response::Parts) {
        // 100 is answered by the server library, where the client asked for it.
        if let Some(interims) = self.interims.as_ref().filter(|_| head.status != StatusCode::CONTINUE) {
            interims.send(head.status, head.headers).await;
        }
    }

    /// Its body, and how that is framed, as long as nothing of it was sent.
    pub fn body_mut(&mut self) -> Option<(&mut B, Framing)> {
        let framing = self.framing;
        self.body.as_mut().filter(|_| self.given == 0).map(|body| (body, framing))
    }

    /// The bytes that are kept of it in memory.
    #[must_use]
    pub fn kept(&self) -> u64 {
        (self.lead.len() + self.data.iter().map(Bytes::len).sum::<usize>()) as u64
    }

    /// The head, for a request without a body; empty for another.
    #[must_use]
    pub fn into_head(self) -> Vec<u8> {
        if self.framing == Framing::Length(0) { self.lead } else { Vec::new() }
    }

    /// Whether any byte of it can have reached the target.
    pub(super) const fn begun(&self) -> bool {
        self.begun
    }

    /// A write failed although some of it had left.
    pub(super) fn leaked(&mut self) {
        self.begun = true;
        if self.state == State::Unsent {
            self.refuse(State::Refused);
        }
    }

    /// Makes a request of which no byte was sent ready for another connection.
    pub(super) fn again(&mut self) {
        debug_assert!(!self.begun, "a request is sent once");
        self.state = State::Sending;
    }

    /// What is left to send. Nothing stays behind that could be sent.
    pub(super) fn take(&mut self) -> Self {
        let spent = Self::in_state(State::Refused, Vec::new(), None, self.framing);
        std::mem::replace(self, spent)
    }

    /// Whether it is complete in the socket.
    pub(super) fn sent(&self) -> bool {
        self.state == State::Sent
    }

    /// Whether there is more to write, and somebody who takes it.
    pub(super) fn sending(&self) -> bool {
        self.state == State::Sending
    }

    /// Whether the target reset the connection while it was written to.
    pub(super) fn reset(&self) -> bool {
        self.state == State::Reset
    }

    /// Writes what can be written now. Ready once nothing is left to write, or nothing is taken any more.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), BodyFailed>> {
        loop {
            if self.state != State::Sending {
                return Poll::Ready(Ok(()));
            }
            // Asked first, so that the beginning of the body goes out with the head.
            let waiting = self.data.is_empty() && self.body.is_some() && self.poll_body(cx)?.is_pending();
            if self.lead_written < self.lead.len() || !self.data.is_empty() {
                match ready!(self.poll_socket(cx, io)) {
                    Ok(count) if count > 0 => self.written(count),
                    // Nothing was taken, so nothing is given up: it may be sent elsewhere.
                    Ok(_) | Err(_) if !self.begun => self.state = State::Unsent,
                    Ok(_) => self.refuse(State::Refused),
                    Err(error) => self.failed(&error),
                }
            } else if waiting {
                return Poll::Pending;
            } else if self.body.is_none() {
                // TLS may have sealed what the socket has not taken yet.
                match ready!(Pin::new(&mut *io).poll_flush(cx)) {
                    Ok(()) => self.state = State::Sent,
                    Err(error) => self.failed(&error),
                }
            }
        }
    }

    fn poll_socket(&self, cx: &mut Context<'_>, io: &mut (impl AsyncWrite + Unpin)) -> Poll<io::Result<usize>> {
        let lead = self.lead.get(self.lead_written..).unwrap_or_default();
        match (lead.is_empty(), self.data.front()) {
            (false, None) => Pin::new(io).poll_write(cx, lead),
            (true, Some(only)) if self.data.len() == 1 => Pin::new(io).poll_write(cx, only),
            _ => {
                let mut slices = [IoSlice::new(&[]); PIECES_MAX + 1];
                let pieces = std::iter::once(lead).chain(self.data.iter().map(|piece| &**piece));
                let mut count = 0;
                for (slot, piece) in slices.iter_mut().zip(pieces.filter(|piece| !piece.is_empty())) {
                    *slot = IoSlice::new(piece);
                    count += 1;
                }
                Pin::new(io).poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
            }
        }
    }

    fn written(&mut self, count: usize) {
        self.begun = true;
        let of_lead = count.min(self.lead.len() - self.lead_written);
        self.lead_written += of_lead;
        let mut left = count - of_lead;
        while left > 0 {
            let Some(piece) = self.data.front_mut() else { return };
            let of_piece = left.min(piece.len());
            piece.advance(of_piece);
            left -= of_piece;
            if piece.is_empty() {
                self.data.pop_front();
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        // The kernel tells of a reset once, to whoever comes first: the reader would see a clean end.
        let reset = error.kind() == io::ErrorKind::ConnectionReset;
        self.refuse(if reset { State::Reset } else { State::Refused });
    }

    /// A failed write only ends the writing: ClearML's file server answers an upload it refuses before it has read the
    /// body, and closes; the answer then waits to be read.
    fn refuse(&mut self, state: State) {
        self.state = state;
        self.body = None;
        self.data = VecDeque::new();
    }

    /// Takes what there is of the body, up to one large write. Over HTTP/2 it comes in pieces of 16 KiB.
    ///
    /// With chunks it is one piece at a time: each has a line of its own before it.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, BodyFailed> {
        let mut gathered = 0;
        loop {
            let pieces = self.data.len();
            if self.poll_piece(cx)?.is_pending() {
                return Ok(if pieces == 0 { Poll::Pending } else { Poll::Ready(()) });
            }
            gathered += self.data.get(pieces).map_or(0, Bytes::len);
            let full = gathered >= GATHERED_MAX || self.data.len() >= PIECES_MAX;
            if full || self.body.is_none() || self.framing == Framing::Chunked {
                return Ok(Poll::Ready(()));
            }
        }
    }

    /// Takes the next piece of the body.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, BodyFailed> {
        let Some(body) = &mut self.body else { return Ok(Poll::Ready(())) };
        let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else { return Ok(Poll::Pending) };
        let Some(frame) = frame else { return self.end(None).map(Poll::Ready) };
        match frame.map_err(|_| BodyFailed)?.into_data() {
            Ok(data) if data.is_empty() => Ok(Poll::Ready(())),
            Ok(data) => self.piece(data).map(Poll::Ready),
            Err(frame) => self.end(frame.into_trailers().ok()).map(Poll::Ready),
        }
    }

    /// Room for what stands before the next piece; behind a head that is not written yet it goes out with that.
    fn next_lead(&mut self) {
        if self.lead_written == self.lead.len() {
            self.lead.clear();
            self.lead_written = 0;
        }
    }

    fn piece(&mut self, data: Bytes) -> Result<(), BodyFailed> {
        let first = self.given == 0;
        self.given = self.given.checked_add(data.len() as u64).ok_or(BodyFailed)?;
        match self.framing {
            Framing::Length(length) if self.given > length => return Err(BodyFailed),
            Framing::Length(_) => {}
            Framing::Chunked => {
                self.next_lead();
                let before = if first { "" } else { "\r\n" };
                // Writing into memory cannot fail.
                write!(self.lead, "{before}{:x}\r\n", data.len()).map_err(|_| BodyFailed)?;
            }
        }
        self.data.push_back(data);
        if matches!(self.framing, Framing::Length(length) if length == self.given) {
            self.body = None;
        }
        Ok(())
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), BodyFailed> {
        self.body = None;
        if let Framing::Length(length) = self.framing {
            // A body that is shorter than its length must never look complete.
            return if self.given == length { Ok(()) } else { Err(BodyFailed) };
        }
        self.next_lead();
        self.lead.extend_from_slice(if self.given == 0 { b"0\r\n" } else { b"\r\n0\r\n" });
        for (name, value) in trailers.iter().flatten_fields() {
            self.lead.extend_from_slice(name);
            self.lead.extend_from_slice(b": ");
            self.lead.extend_from_slice(value);
            self.lead.extend_from_slice(b"\r\n");
        }
        self.lead.extend_from_slice(b"\r\n");
        Ok(())
    }
}

trait FlattenFields<'a> {
    fn flatten_fields(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])>;
}

impl<'a, I: Iterator<Item = &'a HeaderMap>> FlattenFields<'a> for I {
    fn flatten_fields(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.flatten().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Full, StreamBody};
    use std::collections::VecDeque;

    /// A socket that takes `room` bytes a write, and then fails.
    struct Socket {
        room: VecDeque<usize>,
        writes: Vec<Vec<u8>>,
        /// What was written stays below TLS.
        stuck: bool,
    }

    impl AsyncWrite for Socket {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let Some(room) = self.room.pop_front() else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
            let count = bytes.len().min(room);
            self.writes.push(bytes[..count].to_vec());
            Poll::Ready(Ok(count))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let Some(room) = self.room.pop_front() else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
            let all = bytes.iter().flat_map(|slice| slice.iter().copied()).take(room).collect::<Vec<_>>();
            self.writes.push(all.clone());
            Poll::Ready(Ok(all.len()))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.stuck { Poll::Pending } else { Poll::Ready(Ok(())) }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn socket(room: &[usize]) -> Socket {
        Socket { room: room.iter().copied().collect(), writes: Vec::new(), stuck: false }
    }

    fn write<B: Body<Data = Bytes> + Unpin>(
        outbound: &mut Outbound<B>,
        socket: &mut Socket,
    ) -> Poll<Result<(), BodyFailed>> {
        outbound.poll_write(&mut Context::from_waker(std::task::Waker::noop()), socket)
    }

    fn text(socket: &Socket) -> String {
        String::from_utf8(socket.writes.concat()).unwrap()
    }

    fn pieces(list: &[&'static str]) -> impl Body<Data = Bytes, Error = std::convert::Infallible> + Unpin + use<> {
        let frames = list
            .iter()
            .map(|piece| Ok(http_body::Frame::data(Bytes::from_static(piece.as_bytes()))))
            .collect::<Vec<_>>();
        StreamBody::new(futures_of(frames))
    }

    fn futures_of<T: Unpin>(items: Vec<T>) -> impl futures_core::Stream<Item = T> + Unpin {
        struct Items<T>(std::vec::IntoIter<T>);
        impl<T: Unpin> futures_core::Stream for Items<T> {
            type Item = T;
            fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
                Poll::Ready(self.0.next())
            }
        }
        Items(items.into_iter())
    }

    #[test]
    fn head_and_body_go_out_in_one_write_and_whole_however_little_is_taken() {
        let mut once =
            Outbound::new(b"HEAD\r\n\r\n".to_vec(), Full::new(Bytes::from_static(b"hello")), Framing::Length(5));
        let mut taken = socket(&[1_000]);
        assert!(matches!(write(&mut once, &mut taken), Poll::Ready(Ok(()))) && once.sent());
        assert_eq!((taken.writes.len(), text(&taken).as_str()), (1, "HEAD\r\n\r\nhello"));
        let mut chunked = Outbound::new(b"H\r\n\r\n".to_vec(), pieces(&["ab", "", "cde"]), Framing::Chunked);
        let mut slow = socket(&[1; 100]);
        assert!(matches!(write(&mut chunked, &mut slow), Poll::Ready(Ok(()))) && chunked.sent());
        assert_eq!(text(&slow), "H\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n");
    }

    #[test]
    fn pieces_that_are_there_go_out_in_one_write_and_none_is_lost_when_little_is_taken() {
        let list = ["ab", "cde", "", "f", "ghij"];
        let sent = format!("H\r\n\r\n{}", list.concat());
        let mut taken = socket(&[1_000]);
        let mut once = Outbound::new(b"H\r\n\r\n".to_vec(), pieces(&list), Framing::Length(10));
        assert!(matches!(write(&mut once, &mut taken), Poll::Ready(Ok(()))) && once.sent());
        assert_eq!((taken.writes.len(), text(&taken)), (1, sent.clone()));
        for room in 1..8 {
            let mut slow = socket(&[room; 20]);
            let mut outbound = Outbound::new(b"H\r\n\r\n".to_vec(), pieces(&list), Framing::Length(10));
            assert!(matches!(write(&mut outbound, &mut slow), Poll::Ready(Ok(()))) && outbound.sent());
            assert_eq!(text(&slow), sent, "{room} bytes at a time");
        }
    }

    #[test]
    fn trailers_end_a_chunked_body() {
        let body =
            Full::new(Bytes::from_static(b"x")).with_trailers(std::future::ready(Some(Ok(HeaderMap::from_iter([(
                http::header::HeaderName::from_static("x-sum"),
                http::HeaderValue::from_static("1"),
            )])))));
        let mut outbound = Outbound::new(b"H".to_vec(), Box::pin(body), Framing::Chunked);
        let mut taken = socket(&[1_000; 9]);
        assert!(matches!(write(&mut outbound, &mut taken), Poll::Ready(Ok(()))));
        assert_eq!(text(&taken), "H1\r\nx\r\n0\r\nx-sum: 1\r\n\r\n");
    }

    #[test]
    fn a_request_that_no_socket_took_is_whole_for_the_next() {
        for framing in [Framing::Length(5), Framing::Chunked] {
            let mut outbound = Outbound::new(b"HEAD\r\n\r\n".to_vec(), pieces(&["he", "llo"]), framing);
            let mut dead = socket(&[]);
            assert!(matches!(write(&mut outbound, &mut dead), Poll::Ready(Ok(()))));
            assert!(!outbound.begun() && !outbound.sent() && !outbound.sending());
            outbound.again();
            let mut taken = socket(&[1_000; 9]);
            assert!(matches!(write(&mut outbound, &mut taken), Poll::Ready(Ok(()))) && outbound.sent());
            let sent = text(&taken);
            assert!(sent.starts_with("HEAD\r\n\r\n") && sent.contains("he") && sent.contains("llo"), "{sent}");
        }
    }

    #[test]
    fn a_request_of_which_a_failed_write_sent_a_part_is_not_sent_again() {
        let mut outbound = Outbound::new(b"HEAD".to_vec(), Full::new(Bytes::from_static(b"hello")), Framing::Length(5));
        assert!(matches!(write(&mut outbound, &mut socket(&[])), Poll::Ready(Ok(()))));
        outbound.leaked();
        assert!(outbound.begun() && !outbound.sent() && !outbound.sending() && outbound.kept() == 4);
    }

    #[test]
    fn a_request_is_sent_once_nothing_of_it_is_left_below_tls() {
        let mut outbound = Outbound::new(b"HEAD".to_vec(), Full::new(Bytes::from_static(b"hello")), Framing::Length(5));
        let mut slow = Socket { stuck: true, ..socket(&[1_000]) };
        assert!(write(&mut outbound, &mut slow).is_pending() && outbound.sending() && !outbound.sent());
        slow.stuck = false;
        assert!(matches!(write(&mut outbound, &mut slow), Poll::Ready(Ok(()))) && outbound.sent());
        assert_eq!(text(&slow), "HEADhello");
    }

    #[test]
    fn a_body_that_does_not_fit_its_length_is_never_completed() {
        for (length, list) in [(5, &["abc"][..]), (2, &["abc"]), (0, &["", "a"])] {
            let mut outbound = Outbound::new(b"H".to_vec(), pieces(list), Framing::Length(length));
            assert!(matches!(write(&mut outbound, &mut socket(&[1_000; 9])), Poll::Ready(Err(BodyFailed))), "{length}");
        }
        let (mut empty, mut taken) =
            (Outbound::new(b"H".to_vec(), pieces(&[""]), Framing::Length(0)), socket(&[1_000]));
        assert!(matches!(write(&mut empty, &mut taken), Poll::Ready(Ok(()))) && empty.sent());
        assert_eq!(text(&taken), "H");
    }

    #[test]
    fn a_failed_write_after_the_first_only_ends_the_writing() {
        let mut outbound = Outbound::new(b"HEAD".to_vec(), Full::new(Bytes::from_static(b"hello")), Framing::Length(5));
        assert!(matches!(write(&mut outbound, &mut socket(&[6])), Poll::Ready(Ok(()))));
        assert!(outbound.begun() && !outbound.sent() && !outbound.sending() && !outbound.reset());
    }
}
