//! Rows: what is changed in the services' answers.

use super::super::slot::Slot;
use super::Key;
use std::time::Duration;

/// Two years, what browsers' preload lists ask for.
const HSTS_MAX: Duration = Duration::from_secs(730 * 24 * 3600);

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "answers.cookies",
        Slot::Switch(|settings| &mut settings.answers.cookies),
        "Whether the API's login cookie is made good for all three hosts where the server set no domain:\n\
         otherwise images, plots and artifacts are answered 401. Old cookies in its way are expired.",
    ),
    Key::new(
        "answers.web_configuration",
        Slot::Switch(|settings| &mut settings.answers.web_configuration),
        "Whether the web UI's configuration.json is completed with the URLs of the API and the file server\n\
         where the UI would guess them wrong. What is set in the web server's own file wins.",
    ),
    Key::new(
        "answers.hsts",
        Slot::Duration(|settings| &mut settings.answers.hsts, (Duration::ZERO, HSTS_MAX)),
        "How long browsers use https only for a host after a visit (Strict-Transport-Security, for that\n\
         host alone). 0s: no word about it. The web server's own header, which closes all sub-domains, never\n\
         passes. While a port of listeners.legacy is open, nothing is said.",
    ),
    Key::new(
        "answers.server",
        Slot::Switch(|settings| &mut settings.answers.server),
        "Whether the services' Server header, which names their software and version, is passed on.",
    ),
];
