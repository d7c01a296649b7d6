//! Traces on their way to a collector: OTLP over HTTP, in protobuf.
//!
//! Owns: the messages, their transport, the task that sends. Leaves: what is recorded to `request`, spans and their queue
//! to `telemetry`. Built with the feature `otlp` alone.
//! Limits: `traces.queue`, and the constants in `sender` and `collector`.

mod collector;
mod messages;
mod sender;

pub use sender::{TraceSender, TraceSenderError};
