//! A client's bytes: no bytes panic, and where they are cut changes nothing of what passes. A cut head may be refused
//! earlier than a whole one, never read otherwise.
//!
//! The first byte says how long the pieces are.

#![no_main]

use clearway::domain::framing::{HeadLimits, Stop, Tracker};
use libfuzzer_sys::fuzz_target;

/// What passes of `pieces`, how many heads, and whether it was stopped for good.
fn follow<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, u64, bool) {
    let mut tracker = Tracker::new(HeadLimits { head: 2048, target: 256, headers: 16 });
    let (mut passed, mut held, mut searched) = (Vec::new(), Vec::new(), 0);
    for piece in pieces {
        held.extend_from_slice(piece);
        let cleared = tracker.clear(&held, searched);
        passed.extend(held.drain(..cleared.count));
        match cleared.stop {
            Some(Stop::Refused(_) | Stop::BadChunk) => return (passed, tracker.heads(), true),
            Some(Stop::Partial) | None => searched = held.len(),
        }
    }
    (passed, tracker.heads(), false)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, stream)) = bytes.split_first() else { return };
    let whole = follow(stream.chunks(stream.len().max(1)));
    let cut = follow(stream.chunks(usize::from(*first) + 1));
    if whole.2 || cut.2 {
        assert!(whole.0.starts_with(&cut.0) || cut.0.starts_with(&whole.0));
    } else {
        assert_eq!(whole, cut);
    }
});
