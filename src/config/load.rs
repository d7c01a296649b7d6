//! From files, environment and flags to `Settings`.
//!
//! Owns: which sources there are, in which order they count, and which profile stands below them. Every layer is
//! checked by itself, so that a mistake is shown even where another layer overrides it.

use super::checks::check;
use super::discovery::{FILE_NAME, search};
use super::environment::Environment;
use super::flags::Overrides;
use super::parse::{FILE_BYTES_MAX, parse};
use super::problem::{Origin, Problem, Problems, Severity, Source};
use super::read::Reader;
use super::tree::{Map, Value, find, merge};
use super::variables::variables;
use super::walk::apply;
use crate::domain::settings::{Domains, Settings};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where to take the configuration from.
#[derive(Clone, Debug)]
pub struct LoadRequest {
    /// This file only; without it, folders are searched.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Environment,
    /// The command line.
    pub overrides: Overrides,
    /// Workers where nothing says how many.
    pub cores: NonZeroUsize,
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub settings: Settings,
    /// The files it came from, in the order in which they count.
    pub files: Vec<PathBuf>,
    /// Those of them that set nothing.
    silent: Vec<PathBuf>,
    /// The folders that were searched; empty where a file was named.
    pub searched: Vec<PathBuf>,
    /// The environment variables that set something.
    pub variables: Vec<String>,
    /// The flags that set something.
    pub flags: Vec<&'static str>,
    /// What somebody should look at.
    pub warnings: Vec<Problem>,
    /// Whether nothing named a host or certificate: `clearml.localhost` and `localhost`, on loopback.
    pub local: bool,
}

/// What a configuration came from, for comparison with the next one.
#[derive(Clone, Debug, Default)]
pub struct Basis {
    files: Vec<PathBuf>,
    silent: Vec<PathBuf>,
    local: bool,
}

impl Loaded {
    /// What it came from.
    #[must_use]
    pub fn basis(&self) -> Basis {
        Basis { files: self.files.clone(), silent: self.silent.clone(), local: self.local }
    }

    /// Refuses what has less to go by than `before`: a file that is away for a moment must not make the proxy of a
    /// whole team one for this machine alone.
    ///
    /// # Errors
    /// What is gone.
    pub fn after(self, before: &Basis) -> Result<Self, Problems> {
        let lost = self.basis().lost(before);
        self.join(lost)
    }

    /// Adds what was found behind the configuration.
    ///
    /// # Errors
    /// All problems, where one of those found is an error.
    pub fn join(mut self, found: Vec<Problem>) -> Result<Self, Problems> {
        let fails = found.iter().any(|problem| problem.severity == Severity::Error);
        self.warnings.extend(found);
        if fails { Err(Problems(self.warnings)) } else { Ok(self) }
    }
}

impl Basis {
    fn lost(&self, before: &Self) -> Vec<Problem> {
        let hint = "put back what it said, or restart to run without";
        let problem = |file: Option<&PathBuf>, message| {
            Problem::error(file.cloned().map_or(Origin::Default, Origin::Path), message).hint(hint)
        };
        let mut problems = Vec::new();
        for file in &before.files {
            let spoke = !before.silent.contains(file);
            let what = match () {
                () if !self.files.contains(file) => "the file is gone",
                () if spoke && self.silent.contains(file) => "the file sets nothing any more",
                () => continue,
            };
            problems.push(problem(Some(file), what));
        }
        if problems.is_empty() && self.local && !before.local {
            problems.push(problem(self.files.last(), "nothing names a host or a certificate any more"));
        }
        problems
    }
}

/// Loads the configuration: files, then environment, then flags; later ones win key by key.
///
/// # Errors
/// Everything that is wrong with all of them, at once.
pub fn load(request: &LoadRequest) -> Result<Loaded, Problems> {
    let mut sources = Sources::default();
    match &request.file {
        Some(path) => sources.file(path, &request.environment),
        None => sources.search(&request.environment),
    }
    let variables = variables(&request.environment);
    sources.problems.extend(variables.problems);
    sources.layers.push(variables.layer);
    sources.layers.push(request.overrides.layer());

    let exists = |path: &Path| path.exists();
    let mut problems = std::mem::take(&mut sources.problems);
    for layer in &sources.layers {
        problems.extend(problems_of(layer, request.cores, &exists));
    }
    let mut map = Map::new();
    std::mem::take(&mut sources.layers).into_iter().for_each(|layer| merge(&mut map, layer));
    let (settings, local) = settle(&map, request, &exists);
    if !sources.broken {
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
        let wrong = errors.map(|problem| problem.key.clone()).collect::<Vec<_>>();
        problems.extend(check(&settings, &map, &wrong));
    }
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Problems(problems));
    }
    let Sources { files, silent, searched, .. } = sources;
    let (variables, flags) = (variables.names, request.overrides.given());
    Ok(Loaded { settings, files, silent, searched, variables, flags, warnings: problems, local })
}

/// The files that `load` would read, whether they exist or not.
#[must_use]
pub fn candidates(request: &LoadRequest) -> Vec<PathBuf> {
    match &request.file {
        Some(path) => vec![path.clone()],
        None => search(&request.environment).folders.iter().map(|folder| folder.join(FILE_NAME)).collect(),
    }
}

/// What is wrong with one layer by itself.
fn problems_of(layer: &Map, cores: NonZeroUsize, exists: &dyn Fn(&Path) -> bool) -> Vec<Problem> {
    let mut reader = Reader { exists, problems: Vec::new() };
    apply(layer, &mut Settings::local(cores), &mut reader);
    reader.problems
}

/// The merged layers on the profile they ask for. Their problems are known already.
fn settle(map: &Map, request: &LoadRequest, exists: &dyn Fn(&Path) -> bool) -> (Settings, bool) {
    let is_set = |path: &str| match find(map, path).map(|node| &node.value) {
        None => false,
        Some(Value::List(items)) => !items.is_empty(),
        Some(_) => true,
    };
    let named = ["hosts.app", "hosts.api", "hosts.files", "single_domain"].into_iter().any(is_set);
    let local = !named && !is_set("domain") && !is_set("certificates");
    // Names that are listed are all that is served; with certificates alone, the label decides.
    let domains = if named { Domains::Listed(Vec::new()) } else { Domains::Any };
    let mut settings = if local { Settings::local(request.cores) } else { Settings::public(domains, request.cores) };
    apply(map, &mut settings, &mut Reader { exists, problems: Vec::new() });
    request.overrides.ports(&mut settings);
    (settings, local)
}

/// The layers read so far.
#[derive(Default)]
struct Sources {
    layers: Vec<Map>,
    files: Vec<PathBuf>,
    silent: Vec<PathBuf>,
    searched: Vec<PathBuf>,
    problems: Vec<Problem>,
    /// A file says nothing, because it cannot be read or parsed.
    broken: bool,
}

impl Sources {
    fn search(&mut self, environment: &Environment) {
        let search = search(environment);
        for folder in &search.folders {
            if let (Some(variable), false) = (search.named_by, folder.is_dir()) {
                let message = format!("the folder {} does not exist", folder.display());
                self.problems.push(Problem::warning(Origin::Variable(variable.to_owned()), message));
                continue;
            }
            let path = folder.join(FILE_NAME);
            // Anything but a missing file is tried, so that one that cannot be read is told apart from none.
            if !matches!(path.symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound) {
                self.file(&path, environment);
            }
        }
        self.searched = search.folders;
    }

    fn file(&mut self, path: &Path, environment: &Environment) {
        self.files.push(path.to_owned());
        let map = read_text(path).map_err(|problem| vec![problem]).and_then(|text| {
            let source = Arc::new(Source { path: path.to_owned(), text, secret: false });
            parse(&source, environment)
        });
        match map {
            Ok(map) => {
                if map.is_empty() {
                    self.silent.push(path.to_owned());
                }
                self.layers.push(map);
            }
            Err(problems) => {
                self.broken = true;
                self.problems.extend(problems);
            }
        }
    }
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let unreadable = |error: std::io::Error| {
        let problem = Problem::error(Origin::Path(path.to_owned()), format!("cannot read the file: {error}"));
        match error.kind() {
            ErrorKind::NotFound => {
                problem.hint("check the path; `clearway reference proxy-conf` prints a file to start with")
            }
            ErrorKind::PermissionDenied => problem.hint("let the user of this process read it, and search its folders"),
            ErrorKind::IsADirectory => problem.hint(format!("name the {FILE_NAME} in it")),
            _ => problem,
        }
    };
    let mut bytes = Vec::new();
    let limit = u64::try_from(FILE_BYTES_MAX + 1).unwrap_or(u64::MAX);
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() > FILE_BYTES_MAX {
        let message = format!("the file has more than {FILE_BYTES_MAX} bytes");
        return Err(Problem::error(Origin::Path(path.to_owned()), message));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|byte| **byte == b'\n').count();
        let message = format!("line {} is not UTF-8", line + 1);
        Problem::error(Origin::Path(path.to_owned()), message).hint("save the file as UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

#[cfg(test)]
mod tests;
