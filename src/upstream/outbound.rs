//! A request on its way to a target: head and body in as few writes as the socket takes.
//!
//! Owns: the framing of the body, and how much was written. Leaves: the head's content to `request::outgoing`.
//!
//! Source: RFC 9112 sections 6 and 7.1.

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::Body;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

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
    data: Bytes,
    /// `None` once it has ended, or nobody takes it any more.
    body: Option<B>,
    framing: Framing,
    /// Bytes of the body given by it so far.
    given: u64,
    /// Whether any byte reached the socket.
    begun: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Sending,
    /// All bytes are in the socket.
    Sent,
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
        let body = (framing != Framing::Length(0)).then_some(body);
        Self {
            lead: head,
            lead_written: 0,
            data: Bytes::new(),
            body,
            framing,
            given: 0,
            begun: false,
            state: State::Sending,
        }
    }

    /// Whether any byte of it can have reached the target.
    pub(super) const fn begun(&self) -> bool {
        self.begun
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
            if self.lead_written < self.lead.len() || !self.data.is_empty() {
                match ready!(self.poll_socket(cx, io)) {
                    Ok(count) if count > 0 => self.written(count),
                    // The kernel tells of a reset once, to whoever comes first: the reader would see a clean end.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.refuse(State::Reset),
                    Ok(_) | Err(_) => self.refuse(State::Refused),
                }
            } else {
                ready!(self.poll_body(cx))?;
            }
        }
    }

    fn poll_socket(&self, cx: &mut Context<'_>, io: &mut (impl AsyncWrite + Unpin)) -> Poll<io::Result<usize>> {
        let lead = self.lead.get(self.lead_written..).unwrap_or_default();
        match (lead.is_empty(), self.data.is_empty()) {
            (false, false) => Pin::new(io).poll_write_vectored(cx, &[IoSlice::new(lead), IoSlice::new(&self.data)]),
            (false, true) => Pin::new(io).poll_write(cx, lead),
            _ => Pin::new(io).poll_write(cx, &self.data),
        }
    }

    fn written(&mut self, count: usize) {
        self.begun = true;
        let of_lead = count.min(self.lead.len() - self.lead_written);
        self.lead_written += of_lead;
        self.data.advance(count - of_lead);
    }

    /// A failed write only ends the writing: ClearML's file server answers an upload it refuses before it has read the
    /// body, and closes; the answer then waits to be read.
    fn refuse(&mut self, state: State) {
        self.state = state;
        self.body = None;
        self.data = Bytes::new();
    }

    /// Takes the next piece of the body.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailed>> {
        let Some(body) = &mut self.body else {
            self.state = State::Sent;
            return Poll::Ready(Ok(()));
        };
        let Some(frame) = ready!(Pin::new(body).poll_frame(cx)) else { return Poll::Ready(self.end(None)) };
        match frame.map_err(|_| BodyFailed)?.into_data() {
            Ok(data) if data.is_empty() => Poll::Ready(Ok(())),
            Ok(data) => Poll::Ready(self.piece(data)),
            Err(frame) => Poll::Ready(self.end(frame.into_trailers().ok())),
        }
    }

    fn piece(&mut self, data: Bytes) -> Result<(), BodyFailed> {
        let first = self.given == 0;
        self.given = self.given.checked_add(data.len() as u64).ok_or(BodyFailed)?;
        match self.framing {
            Framing::Length(length) if self.given > length => return Err(BodyFailed),
            Framing::Length(_) => {}
            Framing::Chunked => {
                self.lead.clear();
                self.lead_written = 0;
                let before = if first { "" } else { "\r\n" };
                // Writing into memory cannot fail.
                write!(self.lead, "{before}{:x}\r\n", data.len()).map_err(|_| BodyFailed)?;
            }
        }
        self.data = data;
        if matches!(self.framing, Framing::Length(length) if length == self.given) {
            self.body = None;
        }
        Ok(())
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), BodyFailed> {
        self.body = None;
        if self.framing != Framing::Chunked {
            // A body that is shorter than its length must never look complete.
            return Err(BodyFailed);
        }
        self.lead.clear();
        self.lead_written = 0;
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
