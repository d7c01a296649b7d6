//! Rows: how targets are chosen and watched, what waits for them, and balancers in front.

use super::super::slot::{Bounds, Slot};
use super::Key;
use crate::domain::units::ByteSize;
use std::time::Duration;

/// Probes closer together than this are a load of their own.
const PAUSE: Bounds<Duration> = (Duration::from_millis(100), Duration::from_secs(3_600));

/// Waits that zero turns off.
const WAIT_OR_NONE: Bounds<Duration> = (Duration::ZERO, Duration::from_secs(24 * 3_600));

/// Times in a row.
const TIMES: Bounds<u64> = (1, 1_000);

const BALANCE: &str = "How one of several targets is chosen: by fewest requests for its weight, or by turns.";

const CA: &str = "PEM file with the authorities that issue the certificates of https:// targets, which are\n\
                  checked for the target's name.";

const EXPECTED: &str = "The statuses that a healthy target answers the probe with.";

const PROXY_PROTOCOL: &str = "Whether every connection begins with a PROXY header (version 1 or 2), which tells the client's\n\
                              address. It must come within timeouts.handshake. Legacy ports follow listeners.https.";

const PROXY_NETWORKS: &str = "Networks of the balancers that send it. With proxy_protocol nobody else may connect.";

pub(super) const KEYS: &[Key] = &[
    Key::new("services.app.balance", Slot::Balance(|settings| &mut settings.services.app.balance), BALANCE),
    Key::new("services.app.ca", Slot::FileOrNone(|settings| &mut settings.services.app.ca), CA)
        .unset("none", "\"certs/targets-ca.pem\""),
    Key::new(
        "services.app.probe",
        Slot::UrlPath(|settings| &mut settings.services.app.probe.path),
        "What the web server is asked to see whether it is well.",
    ),
    Key::new(
        "services.app.probe_status",
        Slot::Statuses(|settings| &mut settings.services.app.probe.expected),
        EXPECTED,
    ),
    Key::new("services.api.balance", Slot::Balance(|settings| &mut settings.services.api.balance), BALANCE),
    Key::new("services.api.ca", Slot::FileOrNone(|settings| &mut settings.services.api.ca), CA)
        .unset("none", "\"certs/targets-ca.pem\""),
    Key::new(
        "services.api.probe",
        Slot::UrlPath(|settings| &mut settings.services.api.probe.path),
        "What the API server is asked to see whether it is well. It answers 400 on /.",
    ),
    Key::new(
        "services.api.probe_status",
        Slot::Statuses(|settings| &mut settings.services.api.probe.expected),
        EXPECTED,
    ),
    Key::new("services.files.balance", Slot::Balance(|settings| &mut settings.services.files.balance), BALANCE),
    Key::new("services.files.ca", Slot::FileOrNone(|settings| &mut settings.services.files.ca), CA)
        .unset("none", "\"certs/targets-ca.pem\""),
    Key::new(
        "services.files.probe",
        Slot::UrlPath(|settings| &mut settings.services.files.probe.path),
        "What the file server is asked to see whether it is well.",
    ),
    Key::new(
        "services.files.probe_status",
        Slot::Statuses(|settings| &mut settings.services.files.probe.expected),
        EXPECTED,
    ),
    Key::new(
        "health.enabled",
        Slot::Switch(|settings| &mut settings.health.enabled),
        "Whether targets are asked from time to time. The only target of a service, or the last one,\n\
         is used whatever it answers.",
    ),
    Key::new(
        "health.interval",
        Slot::Duration(|settings| &mut settings.health.interval, PAUSE),
        "Between two probes of a target, a tenth more or less. Sooner while one is not reachable.",
    ),
    Key::new(
        "health.timeout",
        Slot::Duration(|settings| &mut settings.health.timeout, PAUSE),
        "How long a probe may take. A server with few processes is busy during uploads: not too short.",
    ),
    Key::new(
        "health.down_after",
        Slot::Number(|settings| &mut settings.health.rules.down_after, TIMES),
        "Bad probes in a row after which other targets are preferred.",
    ),
    Key::new(
        "health.up_after",
        Slot::Number(|settings| &mut settings.health.rules.up_after, TIMES),
        "Good probes in a row after which a target is as good as others again.",
    ),
    Key::new(
        "health.eject_after",
        Slot::Number(|settings| &mut settings.health.rules.eject_after, TIMES),
        "Requests broken off in a row after which other targets are preferred. Statuses never count:\n\
         ClearML answers 500 for errors of an application.",
    ),
    Key::new(
        "health.eject_for",
        Slot::Duration(|settings| &mut settings.health.rules.eject_for, PAUSE),
        "How long others are then preferred; doubled each time up to health.eject_max.",
    ),
    Key::new(
        "health.eject_max",
        Slot::Duration(|settings| &mut settings.health.rules.eject_max, PAUSE),
        "The longest time that others are preferred for broken requests.",
    ),
    Key::new(
        "health.slow_start",
        Slot::Duration(|settings| &mut settings.health.rules.slow_start, WAIT_OR_NONE),
        "How long the share of a target grows, from a tenth to all of it, after it came back.",
    ),
    Key::new(
        "listeners.https.proxy_protocol",
        Slot::Switch(|settings| &mut settings.https.proxy_protocol),
        PROXY_PROTOCOL,
    ),
    Key::new(
        "listeners.https.proxy_networks",
        Slot::Networks(|settings| &mut settings.https.proxy_networks),
        PROXY_NETWORKS,
    )
    .unset("none", "[\"10.0.0.0/8\"]"),
    Key::new(
        "listeners.http.proxy_protocol",
        Slot::Switch(|settings| &mut settings.http.proxy_protocol),
        PROXY_PROTOCOL,
    ),
    Key::new(
        "listeners.http.proxy_networks",
        Slot::Networks(|settings| &mut settings.http.proxy_networks),
        PROXY_NETWORKS,
    )
    .unset("none", "[\"10.0.0.0/8\"]"),
    Key::new(
        "rescue_downloads",
        Slot::Switch(|settings| &mut settings.rescue_downloads),
        "Whether a download goes on when the file server breaks off in the middle: the rest is asked for,\n\
         and taken only from the same version (strong ETag). API calls are never asked for twice.",
    ),
    Key::new(
        "limits.held_requests",
        Slot::CountOrZero(|settings| &mut settings.hold.requests, (0, 1_000_000)),
        "Requests of one service that may wait for a target that accepts (timeouts.hold). More are\n\
         answered 503, which clients try again.",
    ),
    Key::new(
        "limits.held_bytes",
        Slot::Size(|settings| &mut settings.hold.bytes, (ByteSize::bytes(0), ByteSize::mib(1 << 20))),
        "What waiting requests of one service may keep in memory. Bodies are not read while they wait.",
    ),
];
