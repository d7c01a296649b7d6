//! A target's answer: no bytes panic, and where they are cut changes nothing of what is read.
//!
//! The first byte says whether the request was HEAD and how long the pieces are.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, answer)) = bytes.split_first() else { return };
    let (to_head, size) = (first & 1 == 1, usize::from(first >> 1) + 1);
    let whole = clearway::upstream::read_answer(answer.chunks(answer.len().max(1)), to_head);
    let cut = clearway::upstream::read_answer(answer.chunks(size), to_head);
    assert_eq!(whole, cut);
});
