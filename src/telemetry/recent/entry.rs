//! Entry: one request in a ring: plain facts, and its texts one behind the other.

use super::TEXT_BYTES_MAX;
use crate::clearml::{Action, Program};
use crate::domain::fault::FaultKind;
use crate::domain::names::ServiceName;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// What is known of a request besides its texts.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts {
    /// When its head was complete.
    pub at: SystemTime,
    /// Where it was routed.
    pub service: Option<ServiceName>,
    /// What it asked of that service.
    pub action: Option<Action>,
    /// What the client saw, or 499.
    pub status: u16,
    /// How it ended badly, where it did.
    pub fault: Option<FaultKind>,
    /// The person behind the peer.
    pub client: IpAddr,
    /// The kind of program that sent it.
    pub program: Program,
    /// The listener it came in through.
    pub listener: &'static str,
    /// The version it was spoken in.
    pub protocol: &'static str,
    /// Spent waiting for a slot of a target.
    pub queue: Option<Duration>,
    /// Spent on the connection to the target.
    pub connect: Option<Duration>,
    /// From the request sent to the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// From its head to the last byte of its answer.
    pub total: Duration,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// How often it was sent, or tried to be.
    pub attempts: u32,
    /// Whether it became a tunnel.
    pub upgraded: bool,
}

/// One request that is over, as it is shown.
#[derive(Clone, Debug)]
pub struct RecentRequest {
    /// Its id.
    pub id: String,
    /// As received.
    pub method: String,
    /// The host it named, with its port; empty for none.
    pub host: String,
    /// Its path and query, secrets hidden, cut where it was long.
    pub path: String,
    /// The ClearML worker it came from; empty for none.
    pub worker: String,
    /// How its program named itself and its version; empty for none.
    pub client_version: String,
    /// The target that answered, or was tried last; empty for none.
    pub target: String,
    /// What went wrong, in words; empty where nothing did.
    pub detail: String,
    /// The rest.
    pub facts: RequestFacts,
}

/// The texts of a request in the order they are written.
const TEXTS: usize = 8;

/// One place of a ring.
#[derive(Default)]
pub(in super::super) struct Entry {
    facts: Option<RequestFacts>,
    texts: Vec<u8>,
    ends: [u16; TEXTS],
    written: usize,
}

impl Entry {
    /// Forgets what it held, but keeps its memory.
    pub(super) fn clear(&mut self) {
        self.facts = None;
        self.texts.clear();
        self.written = 0;
    }

    /// Writes the next text: id, method, host, path, worker, client version, target, detail. What is long is cut off.
    pub(in super::super) fn text(&mut self, text: &[u8]) {
        self.texts.extend_from_slice(text.get(..TEXT_BYTES_MAX).unwrap_or(text));
        self.end_text();
    }

    /// Writes the next text in pieces.
    pub(in super::super) fn pieces(&mut self, write: impl FnOnce(&mut dyn FnMut(&[u8]))) {
        let begin = self.texts.len();
        write(&mut |piece| {
            let room = TEXT_BYTES_MAX.saturating_sub(self.texts.len() - begin);
            self.texts.extend_from_slice(piece.get(..room).unwrap_or(piece));
        });
        self.end_text();
    }

    fn end_text(&mut self) {
        if let Some(end) = self.ends.get_mut(self.written) {
            // Eight texts of at most 256 bytes.
            *end = u16::try_from(self.texts.len()).unwrap_or(u16::MAX);
        }
        self.written += 1;
    }

    /// Writes the rest.
    pub(in super::super) fn facts(&mut self, facts: RequestFacts) {
        self.facts = Some(facts);
    }

    pub(super) fn has_id(&self, id: &[u8]) -> bool {
        self.piece(0) == id
    }

    fn piece(&self, index: usize) -> &[u8] {
        let end = |index: usize| self.ends.get(index).copied().map_or(0, usize::from);
        let begin = index.checked_sub(1).map_or(0, end);
        self.texts.get(begin..end(index)).unwrap_or_default()
    }

    /// The request as it is shown; `None` for an empty place.
    pub(super) fn view(&self) -> Option<RecentRequest> {
        let facts = self.facts?;
        let text = |index| shown(self.piece(index));
        Some(RecentRequest {
            id: text(0),
            method: text(1),
            host: text(2),
            path: text(3),
            worker: text(4),
            client_version: text(5),
            target: text(6),
            detail: text(7),
            facts,
        })
    }
}

/// Bytes that a client chose as text that can be printed: nothing that a terminal obeys, nothing that turns the
/// direction of what follows.
pub(in super::super) fn shown(bytes: &[u8]) -> String {
    let turns = |char| matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain = |char: char| if char.is_control() || turns(char) { char::REPLACEMENT_CHARACTER } else { char };
    String::from_utf8_lossy(bytes).chars().map(plain).collect()
}
