//! Rows: what the proxy writes.

use super::super::slot::Slot;
use super::Key;
use crate::domain::units::ByteSize;
use std::time::Duration;

/// The smallest file that is set aside: smaller ones are only looked for by mistake.
const SIZE_MIN: ByteSize = ByteSize::kib(64);
const SIZE_MAX: ByteSize = ByteSize::gib(1 << 20);

/// How soon and how late files are set aside for their age.
const AGE_MIN: Duration = Duration::from_secs(60);
const AGE_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Names are tried one after the other, so not without end.
const KEEP_MAX: u64 = 1_000;

/// One in a million is as good as none.
const SAMPLE_MAX: u64 = 1_000_000;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "access_log.enabled",
        Slot::Switch(|settings| &mut settings.access_log.enabled),
        "Whether a line is written for each request.",
    ),
    Key::new(
        "access_log.format",
        Slot::AccessFormat(|settings| &mut settings.access_log.format),
        "json has everything, with times and faults; pretty is for people; common and combined are as\n\
         Apache and nginx write them; alb is field for field as an AWS load balancer writes it.",
    ),
    Key::new(
        "access_log.file",
        Slot::LogFile(|settings| &mut settings.access_log.file),
        "Where lines go. A relative path is below the working directory. After moving the file away, send\n\
         SIGUSR1: it is opened anew.",
    ),
    Key::new(
        "access_log.rotation.size",
        Slot::SizeOrNone(|settings| &mut settings.access_log.rotation.size, (SIZE_MIN, SIZE_MAX)),
        "A file of this size is set aside as access.log.1, and a new one is begun.",
    )
    .unset("never", "100MiB"),
    Key::new(
        "access_log.rotation.age",
        Slot::DurationOrNone(|settings| &mut settings.access_log.rotation.age, (AGE_MIN, AGE_MAX)),
        "The same for a file that was begun so long ago.",
    )
    .unset("never", "1d"),
    Key::new(
        "access_log.rotation.keep",
        Slot::Count(|settings| &mut settings.access_log.rotation.keep, (1, KEEP_MAX)),
        "Files set aside that are kept; older ones are deleted.",
    ),
    Key::new(
        "access_log.health_checks",
        Slot::Count(|settings| &mut settings.access_log.health_checks, (1, SAMPLE_MAX)),
        "Of successful health checks (of load balancers, Kubernetes and /debug.ping), one in so many is\n\
         written; failed ones always are.",
    ),
    Key::new(
        "log.filter",
        Slot::Filter(|settings| &mut settings.log.filter),
        "Which events: error, warn, info or debug, also by module: \"info,clearway::upstream=debug\".",
    ),
    Key::new(
        "log.format",
        Slot::LogFormat(|settings| &mut settings.log.format),
        "auto is pretty on a terminal and JSON otherwise. A change needs a restart.",
    ),
];
