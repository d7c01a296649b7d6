//! Rows: names and paths that lead to the services.

use super::super::slot::Slot;
use super::Key;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "domain",
        Slot::Domains(|settings| &mut settings.layout.domains),
        "The parent name of app., api. and files.; a list for several. This key alone is a complete\n\
         configuration for a public set-up. \"*\" serves the three labels below any name. Without it, hosts,\n\
         single_domain and certificates, clearml.localhost and localhost are served on loopback only.",
    )
    .unset("none", "\"clearml.example.com\""),
    Key::new(
        "hosts.app",
        Slot::Hosts(|settings| &mut settings.layout.hosts.app),
        "The name of the web UI; a list for several.",
    )
    .unset("none", "\"ml.example.com\""),
    Key::new(
        "hosts.api",
        Slot::Hosts(|settings| &mut settings.layout.hosts.api),
        "The name of the API: the n-th belongs to the n-th of hosts.app.",
    )
    .unset("none", "\"ml-api.example.com\""),
    Key::new(
        "hosts.files",
        Slot::Hosts(|settings| &mut settings.layout.hosts.files),
        "The name of the file server, in the same order.",
    )
    .unset("none", "\"ml-files.example.com\""),
    Key::new(
        "single_domain",
        Slot::Hosts(|settings| &mut settings.layout.single),
        "Hosts that serve all three: the web UI at /, the API below /api, files below /files.\n\
         A list for several.",
    )
    .unset("none", "[\"clearml.corp\"]"),
];
