//! Rows: leaves that are signed here.

use super::super::slot::Slot;
use super::Key;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "local_ca.certificate",
        Slot::FileOrNone(|settings| &mut settings.local_ca.certificate),
        "PEM file with the certificate of an authority of yours, for example an intermediate one of your\n\
         company, and those above it. It then signs what is served, instead of the local CA; clients are\n\
         given this file, so the key must be in another.",
    )
    .unset("an authority is made in certificate_folder", "\"intermediate.pem\""),
    Key::new(
        "local_ca.key",
        Slot::FileOrNone(|settings| &mut settings.local_ca.key),
        "PEM file with its key, without passphrase.",
    )
    .unset("none", "\"intermediate.key\""),
    Key::new(
        "local_ca.leaf_life",
        Slot::Duration(
            |settings| &mut settings.local_ca.leaf_life,
            (Duration::from_secs(10), Duration::from_secs(397 * DAY.as_secs())),
        ),
        "How long a certificate is good that is signed here. It is replaced while running when a third of\n\
         that is left. Browsers take up to 397d.",
    ),
];
