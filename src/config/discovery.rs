//! Which folders are searched for `proxy.conf`, as ClearML's servers search for their own files.
//!
//! Source: `apiserver/config/basic.py`: `CLEARML_CONFIG_DIR`, else `TRAINS_CONFIG_DIR`, replaces the default folders.

use super::environment::Environment;
use std::path::PathBuf;

/// The name of the file in each folder.
pub(super) const FILE_NAME: &str = "proxy.conf";

/// The variables that name folders; the first one that is set counts.
const VARIABLES: [&str; 2] = ["CLEARML_CONFIG_DIR", "TRAINS_CONFIG_DIR"];

/// Searched when no variable names any.
const DEFAULT_FOLDERS: [&str; 2] = ["/opt/trains/config", "/opt/clearml/config"];

/// Where to look.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Search {
    /// In this order; later ones win.
    pub(super) folders: Vec<PathBuf>,
    /// The variable that named them. Without one they are the defaults, and none needs to exist.
    pub(super) named_by: Option<&'static str>,
}

/// Decides where to look.
pub(super) fn search(environment: &Environment) -> Search {
    let named = |variable: &'static str| {
        let folders = environment
            .get(variable)?
            .split(':')
            .filter(|entry| !entry.is_empty())
            .map(|entry| PathBuf::from(environment.expand(entry)))
            .collect::<Vec<_>>();
        (!folders.is_empty()).then_some(Search { folders, named_by: Some(variable) })
    };
    VARIABLES
        .into_iter()
        .find_map(named)
        .unwrap_or_else(|| Search { folders: DEFAULT_FOLDERS.map(PathBuf::from).to_vec(), named_by: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_as_clearml_does() {
        for (pairs, named_by, folders) in [
            (vec![], None, vec!["/opt/trains/config", "/opt/clearml/config"]),
            (vec![("CLEARML_CONFIG_DIR", "/a")], Some("CLEARML_CONFIG_DIR"), vec!["/a"]),
            (vec![("CLEARML_CONFIG_DIR", "/a:/b")], Some("CLEARML_CONFIG_DIR"), vec!["/a", "/b"]),
            (vec![("CLEARML_CONFIG_DIR", "/a"), ("TRAINS_CONFIG_DIR", "/b")], Some("CLEARML_CONFIG_DIR"), vec!["/a"]),
            (vec![("CLEARML_CONFIG_DIR", ""), ("TRAINS_CONFIG_DIR", "/b")], Some("TRAINS_CONFIG_DIR"), vec!["/b"]),
            (
                vec![("CLEARML_CONFIG_DIR", "~/c::$X/d"), ("HOME", "/h"), ("X", "/x")],
                Some("CLEARML_CONFIG_DIR"),
                vec!["/h/c", "/x/d"],
            ),
        ] {
            let found = search(&Environment::of(pairs.clone()));
            let folders = folders.into_iter().map(PathBuf::from).collect();
            assert_eq!(found, Search { folders, named_by }, "{pairs:?}");
        }
    }
}
