//! Rows: what is kept of requests that are over.

use super::super::slot::Slot;
use super::Key;

/// About half a kilobyte each.
const KEPT_MAX: u64 = 1 << 20;

/// Each is told everything once a second.
const SUBSCRIBERS_MAX: u64 = 1_024;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "recent.requests",
        Slot::CountOrZero(|settings| &mut settings.recent.requests, (0, KEPT_MAX)),
        "Requests that are over and kept in memory, for `clearway explain REQUEST-ID`; about half a\n\
         kilobyte each, an equal share for each worker. 0: none.",
    ),
    Key::new(
        "recent.errors",
        Slot::CountOrZero(|settings| &mut settings.recent.errors, (0, KEPT_MAX)),
        "The same for requests that ended badly: so many by the proxy's or a target's fault, and so\n\
         many by a client's. They are kept when busier requests have pushed them out there.",
    ),
    Key::new(
        "recent.subscribers",
        Slot::CountOrZero(|settings| &mut settings.recent.subscribers, (0, SUBSCRIBERS_MAX)),
        "Dashboards that may be open at once; each is told the news once a second.",
    ),
];
