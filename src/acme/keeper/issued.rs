//! A certificate that an earlier order obtained, and that could not be taken in then.

use super::super::folder::Issued;
use super::{Keeper, LOOK, LOOK_MIN, rfc3339};
use std::time::{Duration, SystemTime};

impl Keeper {
    /// Takes it in if that is possible now; how long to wait where nothing else is to be done.
    pub(super) fn take_issued(&mut self, now: SystemTime) -> Option<Duration> {
        match self.folder.take_issued(now, |issued| self.covers(issued)) {
            Ok(Issued::None) => None,
            Ok(Issued::TakenIn) => Some(LOOK_MIN),
            Ok(Issued::TooEarly(at)) => {
                self.say_early(at);
                Some(LOOK)
            }
            Err(error) => {
                self.say_unusable(&error);
                Some(LOOK)
            }
        }
    }

    fn say_early(&mut self, at: SystemTime) {
        let told = format!("issued, and not valid before {}", rfc3339(at));
        if told != self.early {
            let hint = "this machine's clock is behind; it is served once the clock is right, and no other is ordered";
            tracing::error!(certificate = told, hint, "a new certificate cannot be served yet");
            self.early = told;
        }
    }
}
