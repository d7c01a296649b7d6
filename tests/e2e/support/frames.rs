//! Frames: an HTTP/2 client that sends what no library would.

use super::client::Client;
use super::hpack::{block, status};
use super::pki::Pki;
use super::proxy::Proxy;
use super::{API, answer::End};
use std::io;

/// Frame types.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RESET: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// `END_STREAM`, and `ACK` of settings and pings.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Any frame.
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Self {
        Self { kind, flags, stream, payload: payload.to_vec() }
    }

    /// A whole request head.
    pub(crate) fn headers(stream: u32, fields: &[(&str, &str)], end: bool) -> Self {
        Self::new(kind::HEADERS, END_HEADERS | u8::from(end), stream, &block(fields))
    }

    /// A piece of a body.
    pub(crate) fn data(stream: u32, data: &[u8], end: bool) -> Self {
        Self::new(kind::DATA, u8::from(end), stream, data)
    }

    /// `CANCEL` for a stream.
    pub(crate) fn cancel(stream: u32) -> Self {
        Self::new(kind::RESET, 0, stream, &8_u32.to_be_bytes())
    }

    /// Its bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], self.kind, self.flags];
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Whether this is the last frame of its stream.
    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS) && self.flags & END_STREAM != 0
    }

    fn code(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// What became of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An answer with this status.
    Status(u16),
    /// `RST_STREAM` with this code.
    Reset(u32),
    /// `GOAWAY` with this code, other than `NO_ERROR`.
    GoAway(u32),
    /// The connection ended.
    Ended,
}

/// An HTTP/2 connection of hand-made frames.
pub(crate) struct FrameClient {
    client: Client,
}

impl FrameClient {
    /// Connects, and exchanges preface and settings.
    pub(crate) fn connect(proxy: &Proxy) -> Self {
        Self::with_settings(proxy, &[])
    }

    /// As `connect`, with a `SETTINGS` payload of ours.
    pub(crate) fn with_settings(proxy: &Proxy, settings: &[u8]) -> Self {
        let client = Client::tls(proxy.https(), API, Pki::shared().client(&["h2"])).unwrap();
        assert_eq!(client.session().alpn_protocol(), Some(b"h2".as_slice()));
        let mut frames = Self { client };
        frames.client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frames.send(&Frame::new(kind::SETTINGS, 0, 0, settings));
        frames
    }

    /// The usual pseudo-headers and then `more`.
    pub(crate) fn request<'a>(method: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut fields = vec![(":method", method), (":scheme", "https"), (":authority", API), (":path", "/h2")];
        fields.extend_from_slice(more);
        fields
    }

    /// Sends a frame.
    pub(crate) fn send(&mut self, frame: &Frame) {
        self.client.send(frame.encode());
    }

    /// Sends frames in one write.
    pub(crate) fn send_all(&mut self, frames: &[Frame]) {
        self.client.send(frames.iter().flat_map(Frame::encode).collect::<Vec<_>>());
    }

    /// Sends a frame, unless the proxy has closed.
    pub(crate) fn try_send(&mut self, frame: &Frame) -> io::Result<()> {
        self.client.try_send(frame.encode())
    }

    /// Sends bytes as they are.
    pub(crate) fn try_send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.client.try_send(bytes)
    }

    /// Sends a `GET` and waits for the head of its answer.
    pub(crate) fn get(&mut self, stream: u32) -> Outcome {
        self.send(&Frame::headers(stream, &Self::request("GET", &[]), true));
        self.outcome(stream)
    }

    /// The next frame, or nothing at the end. Settings and pings are acknowledged on the way.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let head = self.client.bytes(9);
        let [a, b, c, kind, flags, s0, s1, s2, s3] = <[u8; 9]>::try_from(head).ok()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = self.client.bytes(length);
        let stream = u32::from_be_bytes([s0 & 0x7F, s1, s2, s3]);
        let frame = Frame { kind, flags, stream, payload };
        if matches!(kind, kind::SETTINGS | kind::PING) && flags & END_STREAM == 0 {
            let echo = if kind == kind::PING { frame.payload.as_slice() } else { &[] };
            let _closed = self.try_send(&Frame::new(kind, END_STREAM, 0, echo));
        }
        (frame.payload.len() == length).then_some(frame)
    }

    /// Waits for a frame that `wanted` accepts.
    pub(crate) fn wait(&mut self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.next().unwrap_or_else(|| panic!("the connection ended before {what}"));
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// Waits until something is decided about `stream`.
    pub(crate) fn outcome(&mut self, stream: u32) -> Outcome {
        while let Some(frame) = self.next() {
            match frame.kind {
                kind::HEADERS if frame.stream == stream => return Outcome::Status(status(&frame.payload)),
                kind::RESET if frame.stream == stream => return Outcome::Reset(frame.code(0)),
                kind::GOAWAY if frame.code(4) != 0 => return Outcome::GoAway(frame.code(4)),
                _ => {}
            }
        }
        Outcome::Ended
    }

    /// Reads to the end of the connection; the code of its last `GOAWAY`.
    pub(crate) fn goaway(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next() {
            if frame.kind == kind::GOAWAY {
                code = Some(frame.code(4));
            }
        }
        code
    }

    /// Waits for the end of the connection.
    pub(crate) fn end(&mut self) -> End {
        while self.next().is_some() {}
        self.client.end()
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        self.client.reset();
    }

    /// The client below.
    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}
