//! Action: what a request asks of ClearML, as one of a closed set, for counters, logs and the queue.
//!
//! Owns: the set and how a path is read. An action that the table does not know is `other`, so that labels stay
//! bounded whatever clients send.

mod names;

use crate::domain::class::Class;
use crate::domain::names::ServiceName;
use http::Method;
use names::{BULK, NAMES};

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Action(u8);

/// Names that ClearML does not have: what is no API call, and calls that the table does not know.
const OWN: [&str; 7] =
    ["other", "api.preflight", "app.page", "files.upload", "files.download", "files.delete", "files.other"];

impl Action {
    /// An API call that the table does not know, or a path that is none.
    pub const OTHER: Self = Self(0);
    /// A browser's question whether it may call the API.
    pub const PREFLIGHT: Self = Self(1);
    /// Anything of the web server's.
    pub const PAGE: Self = Self(2);
    /// A file on its way in.
    pub const UPLOAD: Self = Self(3);
    /// A file on its way out.
    pub const DOWNLOAD: Self = Self(4);
    /// Files removed.
    pub const DELETE: Self = Self(5);
    /// Anything else of the file server's.
    pub const FILES_OTHER: Self = Self(6);

    /// How many there are.
    pub const COUNT: usize = OWN.len() + NAMES.len();

    /// Every action, in the order of `index`.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).take(Self::COUNT).map(Self)
    }

    /// The action of a request to `service`; `path` is the target's own, without a prefix that only the proxy knows.
    #[must_use]
    pub fn of(service: ServiceName, method: &Method, path: &str) -> Self {
        match service {
            ServiceName::Api if *method == Method::OPTIONS => Self::PREFLIGHT,
            ServiceName::Api => Self::of_call(path),
            ServiceName::App => Self::PAGE,
            ServiceName::Files => Self::of_file(method, path),
        }
    }

    fn of_file(method: &Method, path: &str) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::DOWNLOAD,
            Method::DELETE => Self::DELETE,
            Method::POST if path == "/delete_many" => Self::DELETE,
            Method::POST | Method::PUT | Method::PATCH => Self::UPLOAD,
            _ => Self::FILES_OTHER,
        }
    }

    /// Source: clearml-server `apiserver/service_repo/service_repo.py`, `_endpoint_exp`.
    fn of_call(path: &str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        let name = without_version(path).unwrap_or(path);
        let name = name.strip_suffix('/').unwrap_or(name);
        Self::named(name)
    }

    fn named(name: &str) -> Self {
        let mut at = slot(name.as_bytes());
        // The table has free places, so this ends.
        loop {
            match TABLE.get(at).copied() {
                None | Some(0) => return Self::OTHER,
                Some(index) if Self(index).name() == name => return Self(index),
                Some(_) => at = (at + 1) % PLACES,
            }
        }
    }

    /// `tasks.create`, or the name of what is no API call.
    #[must_use]
    pub fn name(self) -> &'static str {
        let index = self.index();
        OWN.get(index).or_else(|| NAMES.get(index - OWN.len())).copied().unwrap_or_default()
    }

    /// The service that it is asked of.
    #[must_use]
    pub const fn service(self) -> ServiceName {
        match self {
            Self::PAGE => ServiceName::App,
            Self::UPLOAD | Self::DOWNLOAD | Self::DELETE | Self::FILES_OTHER => ServiceName::Files,
            _ => ServiceName::Api,
        }
    }

    /// Its position in `all`, for counters.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Whether it is of those that are in no hurry, whoever asks.
    pub(super) fn is_bulk(self) -> bool {
        BULK_SET.get(self.index()).copied().unwrap_or_default()
    }

    /// How soon it is served where requests wait; `person` says that a web UI asks.
    #[must_use]
    pub fn class(self, person: bool) -> Class {
        match self {
            Self::PREFLIGHT | Self::PAGE => Class::Interactive,
            Self::UPLOAD => Class::Bulk,
            _ if self.is_bulk() => Class::Bulk,
            _ if person => Class::Interactive,
            Self::DOWNLOAD | Self::DELETE => Class::Bulk,
            _ => Class::Routine,
        }
    }
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What follows `v2.23/`; any number is a version.
fn without_version(path: &str) -> Option<&str> {
    let (version, name) = path.strip_prefix('v')?.split_once('/')?;
    version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.').then_some(name)
}

/// A power of two, four times as many as there are names, so that most are found at once.
const PLACES: usize = 1_024;

/// The place where a search for `name` begins (FNV-1a).
const fn slot(name: &[u8]) -> usize {
    let mut hash = 0x811c_9dc5_u32;
    let mut rest = name;
    while let [byte, tail @ ..] = rest {
        hash = (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
        rest = tail;
    }
    (hash ^ (hash >> 16)) as usize % PLACES
}

/// The index of each name's action; 0 where there is none.
static TABLE: [u8; PLACES] = table();

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated by the compiler, which checks")]
const fn table() -> [u8; PLACES] {
    assert!(Action::COUNT <= u8::MAX as usize, "an action's index is one byte");
    let mut places = [0; PLACES];
    let mut index = 0;
    while index < NAMES.len() {
        let mut at = slot(NAMES[index].as_bytes());
        while places[at] != 0 {
            at = (at + 1) % PLACES;
        }
        places[at] = (OWN.len() + index) as u8;
        index += 1;
    }
    places
}

static BULK_SET: [bool; Action::COUNT] = bulk_set();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks")]
const fn bulk_set() -> [bool; Action::COUNT] {
    let mut set = [false; Action::COUNT];
    let mut index = 0;
    while index < NAMES.len() {
        let mut bulk = 0;
        while bulk < BULK.len() {
            if same(NAMES[index].as_bytes(), BULK[bulk].as_bytes()) {
                set[OWN.len() + index] = true;
            }
            bulk += 1;
        }
        index += 1;
    }
    set
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    match (left, right) {
        ([], []) => true,
        ([a, left @ ..], [b, right @ ..]) => *a == *b && same(left, right),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn api(path: &str) -> &'static str {
        Action::of(ServiceName::Api, &Method::GET, path).name()
    }

    #[test]
    fn every_name_is_there_once_and_is_found() {
        let names = Action::all().map(Action::name).collect::<BTreeSet<_>>();
        assert_eq!(names.len(), Action::COUNT);
        for (index, action) in Action::all().enumerate() {
            assert_eq!(action.index(), index);
            if index >= OWN.len() {
                assert_eq!(api(&format!("/v2.23/{}", action.name())), action.name());
            }
        }
        assert!(NAMES.is_sorted());
        assert_eq!(Action::all().filter(|action| action.is_bulk()).count(), BULK.len());
    }

    #[test]
    fn calls_are_read_as_the_server_reads_them() {
        for (path, name) in [
            ("/v2.23/tasks.create", "tasks.create"),
            ("/tasks.create", "tasks.create"),
            ("/v999.0/projects.get_all_ex", "projects.get_all_ex"),
            ("/v2/debug.ping", "debug.ping"),
            ("/v2.9/queues.get_next_task/", "queues.get_next_task"),
            ("tasks.ping", "tasks.ping"),
            ("/", "other"),
            ("", "other"),
            ("/v2.23/", "other"),
            ("/v2.23/tasks.invented", "other"),
            ("/v2.23/other", "other"),
            ("/files.upload", "other"),
            ("/v2.23/Tasks.create", "other"),
            ("/v2.23x/tasks.create", "other"),
            ("/v2.23/tasks.create/x", "other"),
            ("//tasks.create", "other"),
            ("/é", "other"),
        ] {
            assert_eq!(api(path), name, "{path}");
        }
    }

    #[test]
    fn what_is_no_call_has_names_of_its_own() {
        for (service, method, path, name) in [
            (ServiceName::Api, Method::OPTIONS, "/v2.23/tasks.create", "api.preflight"),
            (ServiceName::App, Method::GET, "/projects", "app.page"),
            (ServiceName::Files, Method::POST, "/", "files.upload"),
            (ServiceName::Files, Method::GET, "/p/t.1/models/m.bin", "files.download"),
            (ServiceName::Files, Method::HEAD, "/p", "files.download"),
            (ServiceName::Files, Method::DELETE, "/p", "files.delete"),
            (ServiceName::Files, Method::POST, "/delete_many", "files.delete"),
            (ServiceName::Files, Method::OPTIONS, "/p", "files.other"),
        ] {
            let action = Action::of(service, &method, path);
            assert_eq!((action.name(), action.service()), (name, service), "{method} {path}");
        }
    }

    #[test]
    fn people_come_first_and_large_work_last() {
        use Class::{Bulk, Interactive, Routine};
        for (path, program, person) in [
            ("/tasks.get_all_ex", Routine, Interactive),
            ("/queues.get_next_task", Routine, Interactive),
            ("/events.add_batch", Routine, Interactive),
            ("/organization.download_for_get_all", Bulk, Bulk),
            ("/tasks.delete_many", Bulk, Bulk),
            ("/invented.call", Routine, Interactive),
        ] {
            let action = Action::of(ServiceName::Api, &Method::POST, path);
            assert_eq!((action.class(false), action.class(true)), (program, person), "{path}");
        }
        assert_eq!(Action::PREFLIGHT.class(false), Interactive);
        assert_eq!((Action::UPLOAD.class(true), Action::DOWNLOAD.class(true)), (Bulk, Interactive));
        assert_eq!(Action::DOWNLOAD.class(false), Bulk);
    }

    proptest! {
        #[test]
        fn any_path_has_an_action_of_the_set(path in "/?(v[0-9.]{0,4}/)?\\PC{0,40}") {
            let action = Action::of(ServiceName::Api, &Method::GET, &path);
            prop_assert!(action == Action::OTHER || path.contains(action.name()));
        }
    }
}
