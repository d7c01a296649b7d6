//! Rules about traces.

use super::super::problem::Problem;
use super::Checker;

/// Whether this program can send spans.
const CAN_SEND: bool = cfg!(feature = "otlp");

impl Checker<'_> {
    /// What the program cannot do is not silently left out.
    pub(super) fn traces(&self) -> Option<Problem> {
        let lacking = self.settings.traces.endpoint.is_some() && !CAN_SEND;
        lacking.then(|| {
            self.error("traces.endpoint", "this program was built without the feature `otlp`".into())
                .hint("remove the key, or build with `cargo build --release --features otlp`")
        })
    }
}
