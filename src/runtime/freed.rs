//! Memory that was freed goes back to the system also where nothing happens any more.
//!
//! The allocator (mimalloc 3, chosen in `main.rs`) keeps a free page for a second and notes that it may go then. It looks
//! at its notes when a thread has taken much more memory, or ends. So a process that serves a burst of connections and is
//! idle from then on would keep all that they had. Here a thread ends every few seconds; it takes some 0.1 ms.
//!
//! Source: mimalloc's `src/arena.c`, `mi_arena_schedule_purge` and `mi_arenas_try_purge`; `src/theap.c`,
//! `mi_theap_collect_ex`; `src/init.c`, `mi_thread_theaps_done`.

use std::hint::black_box;
use std::thread::{self, JoinHandle};

/// Seconds between two threads: much longer than the allocator waits.
const EVERY: u32 = 5;

/// More than such a thread needs.
const STACK_BYTES: usize = 64 * 1024;

/// Gives freed memory back, time and again.
#[derive(Debug, Default)]
pub struct FreedMemory {
    seconds: u32,
    last: Option<JoinHandle<()>>,
}

impl FreedMemory {
    /// To be called once a second. Nothing is waited for.
    pub fn look(&mut self) {
        self.seconds = (self.seconds + 1) % EVERY;
        if self.seconds != 0 || self.last.as_ref().is_some_and(|last| !last.is_finished()) {
            return;
        }
        // Only a thread that has allocated something has pages, at whose end the allocator looks around.
        let thread = thread::Builder::new().name(String::from("freed-memory")).stack_size(STACK_BYTES);
        match thread.spawn(|| drop(black_box(Box::new(0_u64)))) {
            Ok(last) => self.last = Some(last),
            Err(error) => tracing::debug!(%error, "freed memory is kept for longer"),
        }
    }
}
