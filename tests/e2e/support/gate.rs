//! Gate: one thread waits until another says go.

use super::DEADLINE;
use std::sync::{Arc, Condvar, Mutex};

/// Closed until opened, then open for ever.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Lets everyone through from now on.
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until the gate is open.
    pub(crate) fn wait(&self) {
        let (open, changed) = &*self.0;
        let (_guard, late) = changed.wait_timeout_while(open.lock().unwrap(), DEADLINE, |open| !*open).unwrap();
        assert!(!late.timed_out(), "the gate was not opened in {DEADLINE:?}");
    }
}
