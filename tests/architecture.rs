//! The rules of the house, read from the text of `src`: layers, faces, cycles, single-file privileges, crates by
//! layer, sizes, headers. `ARCHITECTURE.md` has the reasons; a failure says what to do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot read the source must fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Folders, lowest layer first. Equal numbers may not see each other.
const LAYERS: &[(&str, u32)] = &[
    ("domain", 0),
    ("clearml", 5),
    ("telemetry", 10),
    ("runtime", 20),
    ("config", 30),
    ("tls", 40),
    ("upstream", 50),
    ("acme", 60),
    ("traces", 60),
    ("request", 70),
    ("connection", 80),
    ("listener", 90),
    ("standin", 90),
    ("admin", 100),
    ("app", 110),
    ("doctor", 115),
    ("cli", 120),
];

/// Folders that only the named folders may import, whatever the layer.
const SEEN_ONLY_BY: &[(&str, &[&str])] = &[
    ("config", &["app", "doctor", "cli"]),
    ("standin", &["app", "cli"]),
    ("admin", &["app", "cli"]),
    ("app", &["cli"]),
    ("doctor", &["cli"]),
    ("cli", &[]),
];

/// Crates that only the named folders may name. Crates that are not listed here are free.
const CRATES: &[(&str, &[&str])] = &[
    (
        "tokio",
        &[
            "acme",
            "runtime",
            "upstream",
            "request",
            "connection",
            "listener",
            "standin",
            "admin",
            "app",
            "doctor",
            "cli",
            "traces",
        ],
    ),
    ("hyper", &["acme", "upstream", "request", "connection", "listener", "standin", "admin", "doctor", "traces"]),
    ("hyper_util", &["acme", "upstream", "request", "connection", "listener", "standin", "admin", "doctor", "traces"]),
    ("http_body", &["upstream", "request", "connection", "listener", "standin", "doctor"]),
    (
        "http_body_util",
        &["acme", "upstream", "request", "connection", "listener", "standin", "admin", "doctor", "traces"],
    ),
    ("httparse", &["upstream"]),
    ("rustls", &["tls"]),
    ("tokio_rustls", &["listener", "upstream"]),
    ("aws_lc_rs", &["admin", "clearml", "tls"]),
    ("rcgen", &["tls"]),
    ("x509_parser", &["tls"]),
    ("instant_acme", &["acme"]),
    ("hickory_proto", &["acme"]),
    ("webpki_roots", &["tls"]),
    ("hocon", &["config"]),
    ("annotate_snippets", &["config"]),
    ("strsim", &["config"]),
    ("saphyr", &["doctor"]),
    ("similar", &["cli"]),
    ("bcrypt", &["clearml", "cli"]),
    ("prost", &["traces"]),
    ("ratatui", &["cli"]),
    ("rpassword", &["cli"]),
    ("file_rotate", &["telemetry"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("tracing_subscriber", &["telemetry"]),
    ("listenfd", &["runtime"]),
    ("rustix", &["runtime"]),
    ("serde", &["admin", "app", "cli"]),
    ("socket2", &["runtime", "listener"]),
    ("tempfile", &["tls", "standin", "app", "cli"]),
];

/// What only one place may do: the text that shows it, and the files that may contain it.
const PRIVILEGES: &[(&str, &[&str], &str)] = &[
    ("tokio::spawn(", &["runtime/tasks.rs"], "start a task through runtime::Tasks"),
    ("spawn_blocking(", &["runtime/tasks.rs"], "start blocking work through runtime::Tasks"),
    (
        "thread::Builder",
        &["runtime/freed.rs", "runtime/worker.rs", "telemetry/writer.rs"],
        "start a thread through runtime::start_workers",
    ),
    ("thread::spawn(", &[], "start a thread through runtime::start_workers"),
    ("Instant::now(", &["runtime/clock.rs"], "take the time from runtime::now or as an argument"),
    ("SystemTime::now(", &["runtime/clock.rs"], "take the time from runtime::wall or as an argument"),
    ("env::var", &["config/environment.rs"], "read the environment in config"),
    ("println!(", &["cli/output.rs"], "print through cli::output"),
    ("eprintln!(", &["cli/output.rs"], "print through cli::output"),
    (
        "Command::new(",
        &["runtime/program.rs", "app/upgrade.rs", "cli/certs/trust.rs"],
        "run other programs through runtime::run_program",
    ),
    ("process::exit(", &["main.rs"], "return an exit code to main"),
    ("TcpListener::bind(", &[], "bind through runtime::listen in listener/bind.rs"),
    ("TcpStream::connect(", &["upstream/connect.rs"], "dial in upstream/connect.rs"),
    (
        "StatusCode::from_u16(",
        &["domain/fault.rs", "upstream/answer_head.rs"],
        "choose a failure's status in domain/fault.rs",
    ),
    (".unwrap()", &[], "handle the error, or return a Fault"),
    (".expect(", &[], "handle the error, or return a Fault"),
    ("todo!(", &[], "build it"),
    ("unimplemented!(", &[], "build it"),
    ("unsafe ", &[], "unsafe code needs its own crate"),
];

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

struct Source {
    /// Path below `src`, with `/`.
    path: String,
    /// Lines of production code: everything before the first `#[cfg(test)]`.
    code: Vec<String>,
}

impl Source {
    fn folder(&self) -> &str {
        self.path.split_once('/').map_or("", |(folder, _)| folder)
    }

    /// Lines without comments, numbered from 1.
    fn statements(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .iter()
            .enumerate()
            .map(|(index, line)| (index + 1, line.as_str()))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let name = |file: &Path| file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
    files
        .iter()
        .filter(|file| file.file_name().is_some_and(|name| name != "tests.rs"))
        .map(|file| Source {
            path: name(file),
            code: fs::read_to_string(file)
                .unwrap()
                .lines()
                .take_while(|line| line.trim() != "#[cfg(test)]")
                .map(str::to_owned)
                .collect(),
        })
        .collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn layer(folder: &str) -> Option<u32> {
    LAYERS.iter().find(|(name, _)| *name == folder).map(|(_, layer)| *layer)
}

/// The path segments behind each `prefix` in `line`: `crate::a::b` gives `["a", "b"]`.
fn paths_after<'a>(line: &'a str, prefix: &str) -> Vec<Vec<&'a str>> {
    let boundary = |at: usize| {
        at == 0
            || !line.as_bytes()[at - 1].is_ascii_alphanumeric()
                && line.as_bytes()[at - 1] != b'_'
                && line.as_bytes()[at - 1] != b':'
    };
    line.match_indices(prefix)
        .filter(|(at, _)| boundary(*at))
        .map(|(at, _)| {
            let rest = &line[at + prefix.len()..];
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
            rest[..end].split("::").filter(|segment| !segment.is_empty()).collect()
        })
        .collect()
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_folder_has_a_layer() {
    let unknown = sources()
        .iter()
        .map(|file| file.folder().to_owned())
        .filter(|folder| !folder.is_empty() && layer(folder).is_none())
        .collect::<BTreeSet<_>>();
    assert!(
        unknown.is_empty(),
        "give these folders a layer in tests/architecture.rs and a line in ARCHITECTURE.md: {unknown:?}"
    );
}

#[test]
fn folders_import_only_lower_layers() {
    let mut problems = Vec::new();
    for file in sources().iter().filter(|file| !file.folder().is_empty()) {
        for (number, line) in file.statements() {
            for path in paths_after(line, "crate::") {
                let Some(theirs) = path.first().and_then(|folder| layer(folder)) else { continue };
                if Some(theirs) >= layer(file.folder()) {
                    problems.push(format!(
                        "src/{}:{number}: {} may not import {}; move the shared part down",
                        file.path,
                        file.folder(),
                        path[0]
                    ));
                }
            }
        }
    }
    report(&problems);
}

#[test]
fn some_folders_are_seen_by_few() {
    let mut problems = Vec::new();
    for file in sources().iter().filter(|file| !file.folder().is_empty()) {
        for (number, line) in file.statements() {
            for path in paths_after(line, "crate::") {
                let Some((name, allowed)) = SEEN_ONLY_BY.iter().find(|(name, _)| path.first() == Some(name)) else {
                    continue;
                };
                if !allowed.contains(&file.folder()) {
                    problems.push(format!("src/{}:{number}: {name} is seen only by {allowed:?}", file.path));
                }
            }
        }
    }
    report(&problems);
}

#[test]
fn folders_are_entered_through_their_face() {
    let all = sources();
    let files = all.iter().map(|file| file.path.clone()).collect::<BTreeSet<_>>();
    let mut problems = Vec::new();
    for file in all.iter().filter(|file| !file.folder().is_empty()) {
        for (number, line) in file.statements() {
            for path in paths_after(line, "crate::") {
                if path.first() == Some(&file.folder()) {
                    problems.push(format!("src/{}:{number}: use super:: between siblings", file.path));
                }
                let [folder, inner, _, ..] = path.as_slice() else { continue };
                let hidden = files.contains(&format!("{folder}/{inner}.rs"))
                    || files.contains(&format!("{folder}/{inner}/mod.rs"));
                if *folder != "domain" && hidden {
                    problems.push(format!(
                        "src/{}:{number}: import from {folder}'s mod.rs, not from its file {inner}",
                        file.path
                    ));
                }
            }
        }
    }
    report(&problems);
}

#[test]
fn siblings_form_no_cycle() {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources().iter().filter(|file| !file.folder().is_empty() && !file.path.ends_with("mod.rs")) {
        let depth = file.path.matches('/').count();
        let parent = file.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        for (_, line) in file.statements().filter(|_| depth >= 1) {
            for path in paths_after(line, "super::") {
                if let Some(sibling) = path.first() {
                    edges.entry(file.path.clone()).or_default().insert(format!("{parent}/{sibling}.rs"));
                }
            }
        }
    }
    for start in edges.keys() {
        let mut open = edges[start].iter().collect::<Vec<_>>();
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop() {
            assert!(
                next != start,
                "src/{start} imports itself through its siblings; move the shared part into a file of its own"
            );
            if seen.insert(next) {
                open.extend(edges.get(next).into_iter().flatten());
            }
        }
    }
}

#[test]
fn crates_stay_in_their_layers() {
    let mut problems = Vec::new();
    for file in sources().iter().filter(|file| !file.folder().is_empty()) {
        for (number, line) in file.statements() {
            for (name, folders) in CRATES {
                if !paths_after(line, &format!("{name}::")).is_empty() && !folders.contains(&file.folder()) {
                    problems.push(format!("src/{}:{number}: the crate {name} belongs to {folders:?}", file.path));
                }
            }
        }
    }
    report(&problems);
}

#[test]
fn privileges_belong_to_one_file() {
    let mut problems = Vec::new();
    for file in &sources() {
        for (number, line) in file.statements() {
            for (text, allowed, instead) in PRIVILEGES {
                if line.contains(text) && !allowed.contains(&file.path.as_str()) {
                    problems.push(format!("src/{}:{number}: `{text}`: {instead}", file.path));
                }
            }
        }
    }
    report(&problems);
}

#[test]
fn files_and_functions_stay_small() {
    let mut problems = Vec::new();
    for file in &sources() {
        if file.code.len() > FILE_LINES_MAX {
            problems.push(format!(
                "src/{}: {} lines, at most {FILE_LINES_MAX}; split it by noun",
                file.path,
                file.code.len()
            ));
        }
        for (start, lines) in functions(&file.code) {
            if lines > FUNCTION_LINES_MAX {
                problems.push(format!(
                    "src/{}:{start}: a function of {lines} lines, at most {FUNCTION_LINES_MAX}",
                    file.path
                ));
            }
        }
    }
    report(&problems);
}

/// First line (from 1) and length of each function, by the indentation that rustfmt gives its closing brace.
fn functions(code: &[String]) -> Vec<(usize, usize)> {
    let starts = |line: &str| {
        let text = line.trim_start();
        let text = ["pub ", "pub(crate) ", "pub(super) ", "const ", "async "]
            .iter()
            .fold(text, |text, word| text.strip_prefix(word).unwrap_or(text));
        text.strip_prefix("async ").unwrap_or(text).starts_with("fn ")
    };
    let indent = |line: &str| line.len() - line.trim_start().len();
    code.iter()
        .enumerate()
        // A function on one line ends where it begins.
        .filter(|(_, line)| starts(line) && !line.trim_end().ends_with('}'))
        .filter_map(|(start, line)| {
            let close = format!("{}}}", " ".repeat(indent(line)));
            let length = code[start..].iter().position(|line| *line == close)?;
            Some((start + 1, length + 1))
        })
        .collect()
}

#[test]
fn every_file_says_what_it_owns() {
    let headless = sources()
        .iter()
        .filter(|file| file.code.first().is_none_or(|line| !line.starts_with("//! ")))
        .map(|file| file.path.clone())
        .collect::<Vec<_>>();
    assert!(headless.is_empty(), "begin these files with a `//!` header: {headless:?}");
}

#[test]
fn open_ends_carry_an_issue_number() {
    let mut problems = Vec::new();
    for file in &sources() {
        for (index, line) in file.code.iter().enumerate() {
            if (line.contains("TODO") && !line.contains("TODO(#")) || line.contains("FIXME") {
                problems.push(format!("src/{}:{}: write TODO(#issue), or do it", file.path, index + 1));
            }
        }
    }
    report(&problems);
}
