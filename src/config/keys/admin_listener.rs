//! Rows: the listener that shows how the proxy is.

use super::super::slot::Slot;
use super::Key;

/// Dashboards keep one each, scrapes and health checks a moment.
const CONNECTIONS: (u64, u64) = (1, 4_096);

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "admin.listen",
        Slot::Binds(|settings| &mut settings.admin_listener.listen),
        "Where the dashboard, /metrics, /healthz and /readyz are shown over plain HTTP. Empty: nowhere.\n\
         [\"127.0.0.1:9180\"] is a good place. Whoever can reach any other than a loopback address needs\n\
         the token of admin.token_file.",
    ),
    Key::new(
        "admin.names",
        Slot::Hosts(|settings| &mut settings.admin_listener.names),
        "Host names that this listener may be asked by. Addresses and localhost always may; other names\n\
         are refused, because a foreign page could have made one lead here.",
    )
    .unset("none", "\"clearway.internal\""),
    Key::new(
        "admin.token_file",
        Slot::FileOrNone(|settings| &mut settings.admin_listener.token_file),
        "A file with the token that this listener demands, 16 characters or more without spaces\n\
         (`openssl rand -hex 32`). It is sent as `Authorization: Bearer ...`, or as the password of a\n\
         browser's question with any user name. /healthz and /readyz answer without it, in one word.",
    )
    .unset("none: only loopback addresses can be listened on", "\"/etc/clearway/admin-token\""),
    Key::new(
        "admin.connections",
        Slot::Count(|settings| &mut settings.admin_listener.connections, CONNECTIONS),
        "Connections to this listener at once. One more is closed at once.",
    ),
];
