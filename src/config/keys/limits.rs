//! Rows: limits, timeouts and the pool.

use super::super::slot::{Bounds, Slot};
use super::Key;
use crate::domain::units::ByteSize;
use std::time::Duration;

/// Above this a count is a slip of the keyboard; it also keeps counters and semaphores inside their types.
const COUNT_MAX: u64 = 10_000_000;

/// HTTP/1 parsers here need this much for a head.
const HEAD_MIN: ByteSize = ByteSize::kib(8);

/// One client may make us hold this much, times `limits.connections`.
const HEAD_MAX: ByteSize = ByteSize::mib(1);

/// The HTTP parser takes no longer target (65,534 bytes).
const TARGET_MAX: ByteSize = ByteSize::bytes(65_534);

/// Long enough for everything; short enough for sums of times.
const WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Waits that may not be zero, because nothing would ever succeed.
const WAIT: Bounds<Duration> = (Duration::from_millis(1), WAIT_MAX);

/// Waits that zero turns off.
const WAIT_OR_NONE: Bounds<Duration> = (Duration::ZERO, WAIT_MAX);

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "limits.connections",
        Slot::Count(|settings| &mut settings.limits.connections, (1, COUNT_MAX)),
        "Client connections of the whole process; further ones wait. One that became a tunnel counts\n\
         among limits.tunnels instead. Keep the limit on open files (ulimit -n) above twice this\n\
         number.",
    ),
    Key::new(
        "limits.head",
        Slot::Size(|settings| &mut settings.limits.head, (HEAD_MIN, HEAD_MAX)),
        "Bytes of a request head: request line and fields. More is answered 431.",
    ),
    Key::new(
        "limits.headers",
        Slot::Count(|settings| &mut settings.limits.headers, (10, 10_000)),
        "Fields in one request head, each cookie of HTTP/2 counted. More is answered 431.",
    ),
    Key::new(
        "limits.target",
        Slot::Size(|settings| &mut settings.limits.target, (ByteSize::kib(1), TARGET_MAX)),
        "Bytes of path and query. More is answered 414.",
    ),
    Key::new(
        "limits.streams",
        Slot::Number(|settings| &mut settings.limits.streams, (1, 65_535)),
        "Requests at the same time on one HTTP/2 connection.",
    ),
    Key::new(
        "limits.requests",
        Slot::Count(|settings| &mut settings.limits.requests, (1, COUNT_MAX)),
        "Requests in flight in the whole process. More are answered 503, which clients try again.",
    ),
    Key::new(
        "limits.memory",
        Slot::SizeOrNone(|settings| &mut settings.memory.limit, (ByteSize::bytes(0), ByteSize::mib(1 << 30))),
        "Memory of the process above which new requests are answered 503, which clients try again. What\n\
         runs goes on, and a few new ones are always taken. 0 for no limit.",
    )
    .unset("three quarters of the machine's or container's memory", "512MiB"),
    Key::new(
        "limits.tunnels",
        Slot::Count(|settings| &mut settings.limits.tunnels, (1, COUNT_MAX)),
        "Open WebSockets of the whole process. More are answered 503.",
    ),
    Key::new(
        "limits.answer_head",
        Slot::Size(|settings| &mut settings.limits.answer_head, (HEAD_MIN, HEAD_MAX)),
        "Bytes of a target's answer head. More is answered 502.",
    ),
    Key::new(
        "limits.min_upload_rate",
        Slot::Rate(|settings| &mut settings.limits.min_upload_rate, (1, 1 << 30)),
        "Request bodies slower than this over timeouts.slow_body are cut off (408). Keep it below\n\
         50000: ClearML's SDK counts on uploads at 50 kB/s.",
    ),
    Key::new(
        "limits.linger",
        Slot::Size(|settings| &mut settings.limits.linger, (ByteSize::bytes(0), ByteSize::mib(1 << 20))),
        "Bytes still taken from a client after an early answer (401, 413), so that it reads the answer\n\
         instead of a broken connection.",
    ),
    Key::new(
        "timeouts.handshake",
        Slot::Duration(|settings| &mut settings.timeouts.handshake, WAIT),
        "Each step up to the end of the TLS handshake: PROXY header, first byte, leave to shake hands,\n\
         handshake.",
    ),
    Key::new(
        "timeouts.head",
        Slot::Duration(|settings| &mut settings.timeouts.head, WAIT),
        "From the first byte of a request head to its last (408).",
    ),
    Key::new(
        "timeouts.keep_alive",
        Slot::Duration(|settings| &mut settings.timeouts.keep_alive, WAIT),
        "How long a client connection may stay without a request. Keep it at 120s or more: agents and\n\
         browsers poll, and a load balancer in front must give up first.",
    ),
    Key::new(
        "timeouts.park",
        Slot::Duration(|settings| &mut settings.memory.park, (Duration::from_millis(10), Duration::from_secs(3_600))),
        "An HTTP/1.1 connection that was quiet for this long gives its buffers back. It stays open and\n\
         gets them again with its next request.",
    ),
    Key::new(
        "timeouts.connect",
        Slot::Duration(|settings| &mut settings.timeouts.connect, WAIT),
        "One connection attempt to one target address.",
    ),
    Key::new(
        "timeouts.hold",
        Slot::Duration(|settings| &mut settings.timeouts.hold, WAIT_OR_NONE),
        "How long a request waits for a target that is restarting, before 503. Must stay below 10s:\n\
         ClearML's SDK waits that long for its first answer.",
    ),
    Key::new(
        "timeouts.first_byte",
        Slot::Duration(|settings| &mut settings.timeouts.first_byte, WAIT),
        "From the last byte of a request to the first of its answer (504). The file server is silent\n\
         while it stores a large upload; the SDK gives up on 504.",
    ),
    Key::new(
        "timeouts.target_idle",
        Slot::Duration(|settings| &mut settings.timeouts.target_idle, WAIT),
        "Silence of a target in the middle of an answer.",
    ),
    Key::new(
        "timeouts.slow_body",
        Slot::Duration(|settings| &mut settings.timeouts.slow_body, WAIT),
        "The window over which limits.min_upload_rate is measured.",
    ),
    Key::new(
        "timeouts.stalled_answer",
        Slot::Duration(|settings| &mut settings.timeouts.stalled_answer, WAIT),
        "How long a client may take no byte of its answer.",
    ),
    Key::new(
        "timeouts.tunnel_idle",
        Slot::Duration(|settings| &mut settings.timeouts.tunnel_idle, WAIT),
        "How long a WebSocket may stay without a byte in either direction.",
    ),
    Key::new(
        "timeouts.linger",
        Slot::Duration(|settings| &mut settings.timeouts.linger, WAIT_OR_NONE),
        "How long unread request bytes are taken after an early answer.",
    ),
    Key::new(
        "timeouts.leave",
        Slot::Duration(|settings| &mut settings.timeouts.leave, WAIT_OR_NONE),
        "How long an idle HTTP/1.1 connection is kept whose listener a reload took away. Its next answer\n\
         tells the client to leave; one that stays idle is closed after this.",
    ),
    Key::new(
        "timeouts.drain",
        Slot::Duration(|settings| &mut settings.timeouts.drain, WAIT_OR_NONE),
        "How long running requests may take to finish after a stop signal. Give the service manager\n\
         (TimeoutStopSec, stop_grace_period) a little more.",
    ),
    Key::new(
        "pool.idle_per_target",
        Slot::CountOrZero(|settings| &mut settings.pool.idle_per_target, (0, 65_535)),
        "Idle connections kept for each target, by each worker. 0 opens one for each request.",
    ),
    Key::new(
        "pool.idle_age",
        Slot::Duration(|settings| &mut settings.pool.idle_age, WAIT),
        "Idle connections are closed after this long. Must stay below the target's own keep-alive\n\
         (75s for ClearML's web server).",
    ),
];
