//! Rows: slots and queues of the services, gathered bodies.

use super::super::slot::{Bounds, Slot};
use super::Key;
use crate::domain::units::ByteSize;
use std::time::Duration;

/// Far above what any one target can work on.
const SLOTS: Bounds<u64> = (0, 1_000_000);

/// Each of them waits in memory.
const QUEUE: Bounds<u64> = (0, 100_000);

/// 0 refuses at once where no slot is free.
const QUEUE_TIME: Bounds<Duration> = (Duration::ZERO, Duration::from_secs(3_600));

const CONCURRENCY_HELP: &str = "Requests that each target works on at once; further ones wait. 0 for no limit. Lower it to 8 to\n\
     32 where one program's flood makes the web UI slow: a Python process does not get faster by more.";
const UPLOADS_HELP: &str = "As concurrency, for requests whose body streams: uploads, and API calls over\n\
     limits.gathered_body. They have slots of their own, so that slow senders keep nobody waiting.";
const PER_CLIENT_HELP: &str = "Requests of one login (a job, an agent) that each target works on at once, without what people\n\
     wait for and bodies that stream. Further ones wait, so that a program that asks in a loop leaves\n\
     room for all others, and go on all the same after half of queue_time. 0 for no limit.";
const QUEUE_HELP: &str = "Requests that wait for a slot of a target. In a full queue whoever has most in it makes room\n\
     (503).";
const QUEUE_TIME_HELP: &str = "How long a request waits for a slot, before 503. Together with timeouts.hold it must stay\n\
     below 10s on the API: ClearML's SDK waits that long for its first answer.";
const FILES_TIME_HELP: &str = "How long a request waits for a slot, before 503. The SDK waits 30s for a file.";

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "services.app.concurrency",
        Slot::CountOrZero(|settings| &mut settings.services.app.turns.concurrency, SLOTS),
        CONCURRENCY_HELP,
    ),
    Key::new(
        "services.app.uploads",
        Slot::CountOrZero(|settings| &mut settings.services.app.turns.uploads, SLOTS),
        UPLOADS_HELP,
    ),
    Key::new(
        "services.app.per_client",
        Slot::CountOrZero(|settings| &mut settings.services.app.turns.per_client, SLOTS),
        PER_CLIENT_HELP,
    ),
    Key::new(
        "services.app.queue",
        Slot::CountOrZero(|settings| &mut settings.services.app.turns.queue, QUEUE),
        QUEUE_HELP,
    ),
    Key::new(
        "services.app.queue_time",
        Slot::Duration(|settings| &mut settings.services.app.turns.queue_time, QUEUE_TIME),
        QUEUE_TIME_HELP,
    ),
    Key::new(
        "services.api.concurrency",
        Slot::CountOrZero(|settings| &mut settings.services.api.turns.concurrency, SLOTS),
        CONCURRENCY_HELP,
    ),
    Key::new(
        "services.api.uploads",
        Slot::CountOrZero(|settings| &mut settings.services.api.turns.uploads, SLOTS),
        UPLOADS_HELP,
    ),
    Key::new(
        "services.api.per_client",
        Slot::CountOrZero(|settings| &mut settings.services.api.turns.per_client, SLOTS),
        PER_CLIENT_HELP,
    ),
    Key::new(
        "services.api.queue",
        Slot::CountOrZero(|settings| &mut settings.services.api.turns.queue, QUEUE),
        QUEUE_HELP,
    ),
    Key::new(
        "services.api.queue_time",
        Slot::Duration(|settings| &mut settings.services.api.turns.queue_time, QUEUE_TIME),
        QUEUE_TIME_HELP,
    ),
    Key::new(
        "services.files.concurrency",
        Slot::CountOrZero(|settings| &mut settings.services.files.turns.concurrency, SLOTS),
        CONCURRENCY_HELP,
    ),
    Key::new(
        "services.files.uploads",
        Slot::CountOrZero(|settings| &mut settings.services.files.turns.uploads, SLOTS),
        UPLOADS_HELP,
    ),
    Key::new(
        "services.files.per_client",
        Slot::CountOrZero(|settings| &mut settings.services.files.turns.per_client, SLOTS),
        PER_CLIENT_HELP,
    ),
    Key::new(
        "services.files.queue",
        Slot::CountOrZero(|settings| &mut settings.services.files.turns.queue, QUEUE),
        QUEUE_HELP,
    ),
    Key::new(
        "services.files.queue_time",
        Slot::Duration(|settings| &mut settings.services.files.turns.queue_time, QUEUE_TIME),
        FILES_TIME_HELP,
    ),
    Key::new(
        "limits.gathered_body",
        Slot::Size(|settings| &mut settings.gathering.body, (ByteSize::bytes(0), ByteSize::mib(16))),
        "API calls with bodies up to this size are taken in whole before the API server is asked, so\n\
         that slow clients keep none of its threads. 0 streams all.",
    ),
    Key::new(
        "limits.gathered",
        Slot::Size(|settings| &mut settings.gathering.total, (ByteSize::bytes(0), ByteSize::mib(1 << 20))),
        "Memory for gathered bodies of the whole process. What finds no room streams.",
    ),
];
