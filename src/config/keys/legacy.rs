//! Rows: ports of a server without a proxy.

use super::super::slot::Slot;
use super::Key;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "listeners.legacy.app",
        Slot::Binds(|settings| &mut settings.legacy.app),
        "Ports for the web server, usually [8080]. The UI opened there asks the API on 8008 of the same host.",
    ),
    Key::new(
        "listeners.legacy.api",
        Slot::Binds(|settings| &mut settings.legacy.api),
        "Ports for the API server, usually [8008].",
    ),
    Key::new(
        "listeners.legacy.files",
        Slot::Binds(|settings| &mut settings.legacy.files),
        "Ports for the file server, usually [8081]: URLs that tasks stored before a move go on working.",
    ),
];
