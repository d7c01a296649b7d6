//! The fixed users of ClearML's own `apiserver.conf`: read, and checked by `clearml`'s rules.
//!
//! Owns: where they are written, and what the file as a whole gets wrong. Leaves: what a password may look like to
//! `clearml`. Nothing is changed, and no password is shown.

use super::discovery::search;
use super::environment::Environment;
use super::parse::{FILE_BYTES_MAX, parse};
use super::problem::{Origin, Problem, Severity, Source, shown};
use super::tree::{Map, Node, Value, find};
use super::units;
use crate::clearml::{KNOWN_FIELDS, REQUIRED_FIELDS, password_findings};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file that holds them, in ClearML's configuration folders.
const FILE_NAME: &str = "apiserver.conf";

/// Where the list stands in that file.
const SECTION: &str = "auth.fixed_users";

/// What the check found.
#[derive(Clone, Debug)]
pub struct UsersChecked {
    /// The file that was read.
    pub file: PathBuf,
    /// User names, in the order of the list.
    pub users: Vec<String>,
    /// Everything worth saying, in the order of the file.
    pub problems: Vec<Problem>,
}

impl UsersChecked {
    /// Whether the server would refuse the list, or a user could not sign in.
    #[must_use]
    pub fn broken(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }
}

/// Checks `file`, or the `apiserver.conf` that ClearML's server would read last.
#[must_use]
pub fn check_users(file: Option<&Path>, environment: &Environment) -> UsersChecked {
    let file = file.map_or_else(|| default_file(environment), Path::to_owned);
    let mut checked = UsersChecked { file: file.clone(), users: Vec::new(), problems: Vec::new() };
    let text = match read(&file) {
        Ok(text) => text,
        Err(message) => {
            let problem = Problem::error(Origin::Path(file), message);
            checked
                .problems
                .push(problem.hint("name the file: `clearway users check /opt/clearml/config/apiserver.conf`"));
            return checked;
        }
    };
    let source = Arc::new(Source { path: file.clone(), text, secret: true });
    match parse(&source, environment) {
        Ok(map) => look(&map, &Origin::Path(file), &mut checked),
        Err(problems) => checked.problems.extend(problems),
    }
    checked
}

/// The last folder that has one wins, as at the server.
pub(super) fn default_file(environment: &Environment) -> PathBuf {
    let files = search(environment).folders.into_iter().map(|folder| folder.join(FILE_NAME)).collect::<Vec<_>>();
    let there = files.iter().rev().find(|file| file.exists()).or(files.last());
    there.cloned().unwrap_or_else(|| PathBuf::from(FILE_NAME))
}

pub(super) fn read(file: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("the file cannot be read: {error}");
    let mut bytes = Vec::new();
    // One byte more than is parsed, so that a longer file is seen as such.
    let limit = FILE_BYTES_MAX as u64 + 1;
    File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| String::from("the file is not UTF-8"))
}

fn look(map: &Map, whole: &Origin, checked: &mut UsersChecked) {
    let Some(section) = find(map, SECTION) else {
        checked.problems.push(off(whole));
        return;
    };
    let switch = |name: &str| find(map, &format!("{SECTION}.{name}")).map(|node| (node, units::switch(&node.value)));
    match switch("enabled") {
        Some((_, Ok(true))) => {}
        Some((node, _)) => checked.problems.push(off(&node.at)),
        None => checked.problems.push(off(&section.key)),
    }
    let hashed = match switch("pass_hashed") {
        Some((_, Ok(hashed))) => hashed,
        Some((node, Err(_))) => {
            let problem = Problem::error(node.at.clone(), "pass_hashed is neither true nor false");
            checked.problems.push(problem.at(format!("{SECTION}.pass_hashed")));
            false
        }
        None => false,
    };
    match find(map, &format!("{SECTION}.users")).map(|node| (node, &node.value)) {
        Some((node, Value::List(entries))) => list(node, entries, hashed, checked),
        Some((node, other)) => {
            let problem = Problem::error(node.at.clone(), format!("users is {}, not a list", other.kind()));
            checked.problems.push(problem.at(format!("{SECTION}.users")));
        }
        None => nobody(&section.key, checked),
    }
    open_to_others(whole, checked);
}

fn off(origin: &Origin) -> Problem {
    Problem::warning(origin.clone(), "fixed users are off: whoever reaches the server is in, without a password")
        .at(format!("{SECTION}.enabled"))
        .hint("auth { fixed_users { enabled: true, pass_hashed: true, users: [ ... ] } }")
}

fn nobody(origin: &Origin, checked: &mut UsersChecked) {
    let problem = Problem::error(origin.clone(), "the list of users is empty: nobody can sign in");
    checked.problems.push(problem.at(format!("{SECTION}.users")));
}

fn list(node: &Node, entries: &[Node], hashed: bool, checked: &mut UsersChecked) {
    if entries.is_empty() {
        nobody(&node.at, checked);
    }
    let mut usernames = Unique::new("username", Severity::Error, "the server does not start");
    let mut names = Unique::new("name", Severity::Warning, "the web UI cannot tell the two apart");
    for (index, entry) in entries.iter().enumerate() {
        let key = format!("{SECTION}.users[{index}]");
        let Value::Map(fields) = &entry.value else {
            let message = format!("the entry is {}, not a user", entry.value.kind());
            checked.problems.push(Problem::error(entry.at.clone(), message).at(key));
            continue;
        };
        user(&key, entry, fields, hashed, checked);
        checked.users.extend(text(fields, "username").map(|(username, _)| username.to_owned()));
        checked.problems.extend([usernames.see(&key, fields), names.see(&key, fields)].into_iter().flatten());
    }
}

/// One entry: fields that must be there, fields that may, and its password.
fn user(key: &str, entry: &Node, fields: &Map, hashed: bool, checked: &mut UsersChecked) {
    for field in REQUIRED_FIELDS.iter().filter(|field| !fields.contains_key(**field)) {
        let problem = Problem::error(entry.at.clone(), format!("the user has no {field}; the server does not start"));
        checked.problems.push(problem.at(format!("{key}.{field}")));
    }
    for (field, node) in fields.iter().filter(|(field, _)| !KNOWN_FIELDS.contains(&field.as_str())) {
        let message = format!("a user has no field {}; the server does not start", shown(field));
        let problem = Problem::error(node.key.clone(), message).at(format!("{key}.{field}"));
        checked.problems.push(problem.hint(format!("the fields are {}", KNOWN_FIELDS.join(", "))));
    }
    if let Some((name, at)) = text(fields, "username").filter(|(name, _)| name.trim() != *name || name.is_empty()) {
        let message = format!("the user name {} is empty or has spaces around it", shown(name));
        checked.problems.push(Problem::warning(at.clone(), message).at(format!("{key}.username")));
    }
    let Some((password, at)) = text(fields, "password") else {
        if let Some(node) = fields.get("password") {
            let message = format!("the password is {}, not a text", node.value.kind());
            let problem = Problem::error(node.at.clone(), message).at(format!("{key}.password"));
            checked.problems.push(problem.hint("put it in double quotes"));
        }
        return;
    };
    for finding in password_findings(password, hashed) {
        let severity = if finding.fatal { Severity::Error } else { Severity::Warning };
        let problem = Problem::warning(at.clone(), finding.message).at(format!("{key}.password")).hint(finding.hint);
        checked.problems.push(Problem { severity, ..problem });
    }
}

fn text<'a>(fields: &'a Map, name: &str) -> Option<(&'a str, &'a Origin)> {
    match fields.get(name) {
        Some(Node { value: Value::Text(text), at, .. }) => Some((text, at)),
        _ => None,
    }
}

/// A field whose values must not repeat.
struct Unique<'a> {
    field: &'static str,
    severity: Severity,
    why: &'static str,
    seen: BTreeMap<&'a str, &'a Origin>,
}

impl<'a> Unique<'a> {
    fn new(field: &'static str, severity: Severity, why: &'static str) -> Self {
        Self { field, severity, why, seen: BTreeMap::new() }
    }

    fn see(&mut self, key: &str, fields: &'a Map) -> Option<Problem> {
        let (value, at) = text(fields, self.field)?;
        let first = self.seen.insert(value, at)?;
        let message = format!("{} is there twice, first at {first}: {}", shown(value), self.why);
        let problem = Problem::warning(at.clone(), message).at(format!("{key}.{}", self.field));
        Some(Problem { severity: self.severity, ..problem })
    }
}

/// Passwords, hashed or not, are nobody else's business.
fn open_to_others(whole: &Origin, checked: &mut UsersChecked) {
    let Ok(about) = std::fs::metadata(&checked.file) else { return };
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o004 != 0 {
        let message = format!("everybody on this machine can read the file (mode {mode:03o})");
        let problem = Problem::warning(whole.clone(), message);
        checked.problems.push(problem.hint(format!("chmod o-rwx {}", checked.file.display())));
    }
}
