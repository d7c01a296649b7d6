//! Rows: what the proxy writes.

use super::super::slot::Slot;
use super::Key;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "access_log.enabled",
        Slot::Switch(|settings| &mut settings.access_log.enabled),
        "Whether a line is written for each request.",
    ),
    Key::new(
        "access_log.format",
        Slot::AccessFormat(|settings| &mut settings.access_log.format),
        "One JSON object a line, with times and faults, or the Common Log Format.",
    ),
    Key::new(
        "access_log.file",
        Slot::LogFile(|settings| &mut settings.access_log.file),
        "Where lines go. A relative path is below the working directory.",
    ),
    Key::new(
        "log.filter",
        Slot::Filter(|settings| &mut settings.log.filter),
        "Which events: error, warn, info or debug, also by module: \"info,clearway::upstream=debug\".",
    ),
    Key::new(
        "log.format",
        Slot::LogFormat(|settings| &mut settings.log.format),
        "auto is pretty on a terminal and JSON otherwise.",
    ),
];
