//! Rows: how a running proxy is changed.

use super::super::slot::Slot;
use super::Key;
use std::time::Duration;

/// From one look a few times a second to one an hour.
const INTERVALS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3_600));

/// The SDK's first call is answered sooner, its uploads are given up later; an hour is for nobody.
const HOLDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));

/// Uploads that wait; each keeps a connection and what its client's system has sent.
const HELD_MAX: u64 = 65_536;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "reload.watch",
        Slot::Switch(|settings| &mut settings.reload.watch),
        "Whether changes to configuration and certificate files are noticed by themselves. They are\n\
         compared by content, so bind mounts and ConfigMaps work. SIGHUP reloads in any case.",
    ),
    Key::new(
        "reload.interval",
        Slot::Duration(|settings| &mut settings.reload.interval, INTERVALS),
        "Between two looks at the files. A change counts once two looks in a row have seen it.",
    ),
    Key::new(
        "admin.enabled",
        Slot::Switch(|settings| &mut settings.admin.enabled),
        "Whether there is a socket for `clearway status`, `reload`, `drain`, `maintenance` and\n\
         `upgrade`. Only this proxy's user and root may use it. A change needs a restart.",
    ),
    Key::new(
        "admin.socket",
        Slot::FileOrNone(|settings| &mut settings.admin.socket),
        "Where it is. A relative path is below the working directory. A change needs a restart.",
    )
    .unset(
        "admin.sock in $RUNTIME_DIRECTORY, else in $XDG_RUNTIME_DIR/clearway, else in /run/clearway",
        "\"/run/clearway/admin.sock\"",
    ),
    Key::new(
        "maintenance.hold_uploads",
        Slot::Switch(|settings| &mut settings.maintenance.hold_uploads),
        "During maintenance of the file server: whether new uploads wait for its end, because their\n\
         sender does not try again. Else they are refused with 503 like every other request.",
    ),
    Key::new(
        "maintenance.hold",
        Slot::Duration(|settings| &mut settings.maintenance.hold, HOLDS),
        "How long such an upload waits before it is refused. The SDK gives it 300 s.",
    ),
    Key::new(
        "maintenance.held",
        Slot::CountOrZero(|settings| &mut settings.maintenance.held, (0, HELD_MAX)),
        "How many uploads may wait at once.",
    ),
    Key::new(
        "upgrade.ready",
        Slot::Duration(|settings| &mut settings.upgrade.ready, HOLDS),
        "How long the new process of `clearway upgrade` may take until it serves.",
    ),
    Key::new(
        "tls.ticket_keys",
        Slot::FileOrNone(|settings| &mut settings.tickets.keys),
        "Keys for TLS session tickets, so that several proxies take each other's: 32 bytes as base64 a\n\
         line (`openssl rand -base64 32`). The first seals, all open. To rotate: add a key at the end\n\
         everywhere, later move it to the front, and drop the oldest half a day after that.",
    )
    .unset("none: each process makes its own", "\"/etc/clearway/tickets\""),
];
