//! The key table: one row for each key, read by the loader and by the reference alike.
//!
//! To add a key: a field in `domain::settings`, a row here, `clearway reference`. Defaults are not written here, they
//! are read from `Settings`.

mod acme;
mod admin_listener;
mod answers;
mod control;
mod layout;
mod legacy;
mod limits;
mod local_ca;
mod logs;
mod network;
mod protection;
mod recent;
mod targets;
mod tls;
mod traces;
mod turns;

use super::slot::Slot;

/// One key.
pub(super) struct Key {
    /// The dotted path.
    pub(super) path: &'static str,
    /// What it takes and where it goes.
    pub(super) slot: Slot,
    /// What it is for and when to change it: one to three lines.
    pub(super) help: &'static str,
    /// What an unset key means, where `Settings` has no value to show.
    pub(super) unset: &'static str,
    /// A value to show beside it in `proxy.conf`, where the default is no example.
    pub(super) example: &'static str,
}

impl Key {
    const fn new(path: &'static str, slot: Slot, help: &'static str) -> Self {
        Self { path, slot, help, unset: "", example: "" }
    }

    const fn unset(self, unset: &'static str, example: &'static str) -> Self {
        Self { unset, example, ..self }
    }

    /// The name behind the last dot.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// What stands before the last dot; empty at the top.
    pub(super) fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }
}

/// A section with what it is for.
pub(super) struct Section {
    pub(super) path: &'static str,
    pub(super) help: &'static str,
}

/// Every section that has help of its own.
pub(super) const SECTIONS: &[Section] = &[
    Section { path: "hosts", help: "Names chosen freely, instead of or beside app., api. and files. below a domain." },
    Section { path: "listeners", help: "Where clients connect." },
    Section { path: "listeners.https", help: "TLS, with HTTP/2 and HTTP/1.1: requests are forwarded." },
    Section { path: "listeners.http", help: "Plain HTTP: leads to https without losing a request body." },
    Section {
        path: "listeners.legacy",
        help: "Ports of a server without a proxy, for old URLs: TLS and plain HTTP on one port, any host, no redirect.",
    },
    Section {
        path: "acme",
        help: "Certificates from an authority such as Let's Encrypt, obtained and renewed by themselves.",
    },
    Section { path: "acme.external_account", help: "An account that you have at the authority already (EAB)." },
    Section {
        path: "local_ca",
        help: "Certificates that are signed here, where neither certificates nor acme is used.",
    },
    Section { path: "services", help: "ClearML's three services." },
    Section { path: "services.app", help: "The web UI." },
    Section { path: "services.api", help: "The API server." },
    Section { path: "services.files", help: "The file server." },
    Section { path: "health", help: "How targets are watched." },
    Section { path: "answers", help: "What is changed in the services' answers; everything else passes as it is." },
    Section { path: "limits", help: "Sizes and counts. Each is counted when it bites." },
    Section { path: "timeouts", help: "Waits. None of them limits the whole of an upload or download." },
    Section { path: "protection", help: "What is refused although it is well formed." },
    Section {
        path: "protection.cross_site",
        help: "Requests that foreign pages make with a signed-in person's browser.",
    },
    Section { path: "protection.files", help: "What may be done to files, and how they are shown." },
    Section {
        path: "protection.token_gate",
        help: "Files only for those who are logged in, also with a server before 1.16, which asks nobody.",
    },
    Section { path: "protection.logins", help: "Guessing passwords is slowed and then refused." },
    Section {
        path: "protection.default_keys",
        help: "ClearML publishes logins and a token secret that work until they are changed.",
    },
    Section { path: "pool", help: "Idle connections to targets." },
    Section { path: "access_log", help: "One line for each request." },
    Section { path: "access_log.rotation", help: "When a file is set aside; never, unless a limit is set." },
    Section { path: "recent", help: "What is kept in memory of requests, for the dashboard and `clearway explain`." },
    Section { path: "log", help: "Events of the proxy itself, on standard error." },
    Section { path: "traces", help: "Requests recorded as OpenTelemetry traces." },
    Section { path: "tls", help: "How TLS is spoken with clients, apart from the certificates shown to them." },
    Section {
        path: "tls.handshakes",
        help: "Handshakes under way, and clients whose handshakes fail again and again.",
    },
    Section {
        path: "admin",
        help: "The local socket by which a running proxy is asked and told, and the listener that shows how it is.",
    },
    Section { path: "maintenance", help: "Services that `clearway maintenance` has closed." },
    Section { path: "upgrade", help: "Handing over to a new process: `clearway upgrade`." },
    Section { path: "reload", help: "Loading configuration and certificates again while running." },
];

/// Every key, in the order of the reference.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    layout::KEYS
        .iter()
        .chain(network::KEYS)
        .chain(legacy::KEYS)
        .chain(answers::KEYS)
        .chain(turns::KEYS)
        .chain(limits::KEYS)
        .chain(protection::KEYS)
        .chain(logs::KEYS)
        .chain(traces::KEYS)
        .chain(targets::KEYS)
        .chain(control::KEYS)
        .chain(admin_listener::KEYS)
        .chain(recent::KEYS)
        .chain(acme::KEYS)
        .chain(local_ca::KEYS)
        .chain(tls::KEYS)
}

/// The key with this path.
pub(super) fn key(path: &str) -> Option<&'static Key> {
    keys().find(|key| key.path == path)
}

/// Whether keys stand below `path`.
pub(super) fn is_section(path: &str) -> bool {
    keys().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The names that may stand in `section`, keys and sections alike, without repetition.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for key in keys() {
        let rest = match section {
            "" => Some(key.path),
            _ => key.path.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')),
        };
        if let Some(name) = rest.and_then(|rest| rest.split('.').next()).filter(|name| !names.contains(name)) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_path_is_there_once_with_help() {
        let paths = keys().map(|key| key.path).collect::<Vec<_>>();
        assert_eq!(paths.len(), paths.iter().collect::<BTreeSet<_>>().len());
        for key in keys() {
            assert!((1..=3).contains(&key.help.lines().count()), "{}", key.path);
            assert!(key.help.lines().all(|line| line.len() <= 100), "{}", key.path);
            assert!(!is_section(key.path), "{}", key.path);
        }
        for section in SECTIONS {
            assert!(is_section(section.path), "{}", section.path);
        }
        let sections = keys().map(Key::section).filter(|section| !section.is_empty()).collect::<BTreeSet<_>>();
        assert!(sections.iter().all(|path| SECTIONS.iter().any(|section| section.path == *path)));
    }

    #[test]
    fn names_of_a_section() {
        assert_eq!(names_in("listeners"), ["https", "http", "legacy"]);
        assert_eq!(names_in("listeners.http"), ["enabled", "bind", "public_port", "proxy_protocol", "proxy_networks"]);
        assert_eq!(names_in("hosts"), ["app", "api", "files"]);
        assert!(names_in("").contains(&"domain") && names_in("").contains(&"pool"));
        assert!(names_in("nowhere").is_empty());
    }
}
