//! How many requests a target works on at once, and how others wait.

use super::super::names::ServiceName;
use super::super::units::ByteSize;
use std::time::Duration;

/// The slots of each target of a service, and its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnSettings {
    /// Requests at once; 0 for no limit.
    pub concurrency: usize,
    /// Requests at once whose body streams, besides; 0 for no limit.
    pub uploads: usize,
    /// Requests of one login at once; 0 for no limit.
    pub per_client: usize,
    /// Requests that may wait for a slot, of each kind.
    pub queue: usize,
    /// How long one of them may wait.
    pub queue_time: Duration,
}

/// Bodies that are taken in before a target is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatherSettings {
    /// The longest body that is.
    pub body: ByteSize,
    /// All of them together.
    pub total: ByteSize,
}

impl TurnSettings {
    /// The defaults of `service`; docs/design/queue.md says why.
    #[must_use]
    pub fn of(service: ServiceName) -> Self {
        let (slots, per_client, queue_time) = match service {
            ServiceName::App => (0, 0, 4),
            ServiceName::Api => (128, 2, 4),
            ServiceName::Files => (1_024, 0, 20),
        };
        Self {
            concurrency: slots,
            uploads: slots,
            per_client,
            queue: 1_024,
            queue_time: Duration::from_secs(queue_time),
        }
    }
}

impl Default for GatherSettings {
    fn default() -> Self {
        Self { body: ByteSize::kib(64), total: ByteSize::mib(64) }
    }
}
