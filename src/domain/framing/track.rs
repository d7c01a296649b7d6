//! Following a client's byte stream from head to head.

use super::super::fault::{Fault, FaultKind};
use super::chunks::Chunks;
use super::head::{Body, HeadLimits, Refusal, check_head, head_end};
use super::octets::is_token;

/// How far one client's stream was followed.
#[derive(Debug)]
pub struct Tracker {
    limits: HeadLimits,
    phase: Phase,
    /// Heads that passed.
    heads: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// The next byte begins a head, or an empty line before one.
    Head,
    /// This many bytes of a body are still to come.
    Length(u64),
    /// Inside a chunked body.
    Chunked(Chunks),
    /// Behind a WebSocket's head: no HTTP any more.
    Opaque,
    /// Nothing may pass any more.
    Stopped,
}

/// What may pass of the bytes that were shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Cleared {
    /// This many, from the start.
    pub count: usize,
    /// Why not all.
    pub stop: Option<Stop>,
}

/// Why bytes are kept back.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// They are the beginning of a head.
    Partial,
    /// They are a head that is refused; nothing behind it may pass.
    Refused(Box<Refusal>),
    /// A chunked body broke; nothing from here on may pass.
    BadChunk,
}

impl Tracker {
    /// At the start of a connection.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self { limits, phase: Phase::Head, heads: 0 }
    }

    /// The number of heads that passed.
    #[must_use]
    pub const fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether the stream stands between two requests.
    #[must_use]
    pub fn between(&self) -> bool {
        self.phase == Phase::Head
    }

    /// The number (from 0) of the head that asked for a WebSocket; what is behind it is not followed.
    #[must_use]
    pub fn upgrade(&self) -> Option<u64> {
        (self.phase == Phase::Opaque).then(|| self.heads.saturating_sub(1))
    }

    /// Whether nothing may pass any more.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// Lets nothing more pass; the head in progress is refused.
    pub fn stop(&mut self) {
        self.phase = Phase::Stopped;
    }

    /// Decides about `bytes`, which follow those cleared before. `searched` of them were already shown as the
    /// beginning of a head.
    pub fn clear(&mut self, bytes: &[u8], searched: usize) -> Cleared {
        let mut count = 0;
        while let Some(rest) = bytes.get(count..).filter(|rest| !rest.is_empty()) {
            let step = match &mut self.phase {
                Phase::Head => self.head(rest, if count == 0 { searched } else { 0 }),
                Phase::Length(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        self.phase = Phase::Head;
                    }
                    Ok(taken)
                }
                Phase::Chunked(chunks) => match chunks.follow(rest) {
                    Ok((taken, ended)) => {
                        if ended {
                            self.phase = Phase::Head;
                        }
                        Ok(taken)
                    }
                    Err((good, _)) => {
                        count += good;
                        self.phase = Phase::Stopped;
                        Err(Stop::BadChunk)
                    }
                },
                Phase::Opaque => Ok(rest.len()),
                Phase::Stopped => return Cleared { count, stop: None },
            };
            match step {
                Ok(taken) => count += taken,
                Err(stop) => return Cleared { count, stop: Some(stop) },
            }
        }
        Cleared { count, stop: None }
    }

    fn head(&mut self, bytes: &[u8], searched: usize) -> Result<usize, Stop> {
        let Some(end) = head_end(bytes, searched) else { return Err(self.partial(bytes)) };
        match check_head(bytes.get(..end).unwrap_or(bytes), &self.limits) {
            Ok(head) => {
                self.heads += 1;
                self.phase = match head.body {
                    _ if head.websocket => Phase::Opaque,
                    Body::Length(0) => Phase::Head,
                    Body::Length(length) => Phase::Length(length),
                    Body::Chunked => Phase::Chunked(Chunks::default()),
                };
                Ok(end)
            }
            Err(refusal) => {
                self.phase = Phase::Stopped;
                Err(Stop::Refused(refusal))
            }
        }
    }

    /// A head that is not complete: waited for, unless it is already too long.
    fn partial(&mut self, bytes: &[u8]) -> Stop {
        // The fixed part of a request line is far below this.
        const LINE_ROOM: usize = 64;
        let begun = bytes.strip_prefix(b"\r\n").or_else(|| bytes.strip_prefix(b"\r")).unwrap_or(bytes);
        let first_line = memchr::memchr(b'\n', bytes.trim_ascii_start());
        let fault = if begun.first().is_some_and(|byte| !is_token(*byte)) {
            // A TLS client on the plain port, or anything else that will never become a request line.
            Fault::new(FaultKind::Malformed, "the first byte cannot begin a request")
        } else if first_line.is_none() && bytes.len() > self.limits.target + LINE_ROOM {
            Fault::new(FaultKind::TargetTooLong, format!("a request line of more than {} bytes", self.limits.target))
        } else if bytes.len() > self.limits.head {
            Fault::new(FaultKind::HeadTooLarge, format!("more than {} bytes of header", self.limits.head))
        } else {
            return Stop::Partial;
        };
        self.phase = Phase::Stopped;
        Stop::Refused(Box::new(Refusal::unread(fault)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { head: 1024, target: 64, headers: 8 };

    fn tracker() -> Tracker {
        Tracker::new(LIMITS)
    }

    #[test]
    fn pipelined_requests_pass_and_a_partial_head_waits() {
        let mut tracker = tracker();
        let stream = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\nGET /x";
        assert_eq!(tracker.clear(stream, 0), Cleared { count: stream.len() - 6, stop: Some(Stop::Partial) });
        assert_eq!(tracker.heads(), 2);
        let rest = b"GET /x HTTP/1.1\r\n\r\n";
        assert_eq!(tracker.clear(rest, 6), Cleared { count: rest.len(), stop: None });
        assert!(tracker.between());
    }

    #[test]
    fn a_smuggled_second_request_inside_a_body_is_body() {
        let mut tracker = tracker();
        let body = "GET /admin HTTP/1.1\r\n\r\n";
        let stream = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(tracker.clear(stream.as_bytes(), 0).stop, None);
        assert_eq!(tracker.heads(), 1);
    }

    #[test]
    fn nothing_passes_behind_a_refused_head() {
        let mut tracker = tracker();
        let good = b"GET / HTTP/1.1\r\n\r\n";
        let stream = [&good[..], b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", good].concat();
        let cleared = tracker.clear(&stream, 0);
        assert_eq!(cleared.count, good.len());
        assert!(matches!(cleared.stop, Some(Stop::Refused(_))));
        assert_eq!(tracker.clear(good, 0), Cleared { count: 0, stop: None });
    }

    #[test]
    fn a_bad_chunk_stops_the_stream_at_the_byte() {
        let mut tracker = tracker();
        let head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let stream = [&head[..], b"2\r\nabX"].concat();
        assert_eq!(tracker.clear(&stream, 0), Cleared { count: head.len() + 5, stop: Some(Stop::BadChunk) });
    }

    #[test]
    fn an_endless_head_is_refused_before_it_ends() {
        let kind = |bytes: &[u8]| match tracker().clear(bytes, 0).stop {
            Some(Stop::Refused(refusal)) => Some(refusal.fault.kind),
            _ => None,
        };
        assert_eq!(kind(&[b'a'; 129]), Some(FaultKind::TargetTooLong));
        assert_eq!(kind(&[b'a'; 128]), None);
        assert_eq!(kind(&[&b"GET / HTTP/1.1\r\n"[..], &[b'a'; 1024]].concat()), Some(FaultKind::HeadTooLarge));
    }

    #[test]
    fn what_cannot_begin_a_request_is_refused_at_its_first_byte() {
        for bytes in [&b"\x16\x03\x01"[..], b"\r\n\x16", b" G", b"\n"] {
            assert!(matches!(tracker().clear(bytes, 0).stop, Some(Stop::Refused(_))), "{bytes:?}");
        }
        for bytes in [&b"\r"[..], b"\r\n", b"\r\nG", b"G"] {
            assert_eq!(tracker().clear(bytes, 0).stop, Some(Stop::Partial), "{bytes:?}");
        }
    }

    #[test]
    fn a_websocket_ends_the_following() {
        let mut tracker = tracker();
        let stream = b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello\n\n";
        assert_eq!(tracker.clear(stream, 0), Cleared { count: stream.len(), stop: None });
    }

    proptest::proptest! {
        #[test]
        fn the_verdict_does_not_depend_on_where_reads_were_cut(cuts in proptest::collection::vec(1_usize..30, 1..60), last in 0_usize..3) {
            let tail = ["GET /z HTTP/1.1\r\n\r\n", "GET /z HTTP/1.1\nX: y\n\n", "POST / HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n"][last];
            let stream = format!(
                "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
                 GET /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello\r\n{tail}"
            );
            let whole = tracker().clear(stream.as_bytes(), 0);
            let (mut pieces, mut held, mut searched, mut passed) = (tracker(), Vec::new(), 0, 0);
            let (mut at, mut cuts, mut stop) = (0, cuts.iter().cycle(), None);
            while at < stream.len() && !matches!(stop, Some(Stop::Refused(_))) {
                let end = (at + cuts.next().unwrap()).min(stream.len());
                held.extend_from_slice(&stream.as_bytes()[at..end]);
                at = end;
                let cleared = pieces.clear(&held, searched);
                passed += cleared.count;
                held.drain(..cleared.count);
                searched = held.len();
                stop = cleared.stop;
            }
            proptest::prop_assert_eq!((passed, stop), (whole.count, whole.stop));
        }
    }
}
