//! What ClearML's own `apiserver.conf` says about cookies, beside its users.
//!
//! Owns: the few settings that decide whether a login works through a proxy, with their places. Leaves: what they mean
//! to the caller. Values that are not of the expected kind are left out: the server itself refuses them.

use super::environment::Environment;
use super::parse::parse;
use super::problem::{Origin, Problem, Source};
use super::tree::{Map, Node, Value, find};
use super::units;
use super::users::{check_users, default_file, read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file as far as it matters here.
#[derive(Clone, Debug)]
pub struct ServerConf {
    /// Where it was read.
    pub file: PathBuf,
    /// `auth.cookies.domain`, one or several, and where it stands.
    pub cookie_domain: Option<(Vec<String>, Origin)>,
    /// `auth.cookies.secure`, and where it stands.
    pub cookie_secure: Option<(bool, Origin)>,
    /// What is wrong with the file or its users.
    pub problems: Vec<Problem>,
}

/// Reads `file`, or the one that the server would read; `None` where none is named and there is none.
#[must_use]
pub fn read_server_conf(file: Option<&Path>, environment: &Environment) -> Option<ServerConf> {
    let path = file.map_or_else(|| default_file(environment), Path::to_owned);
    if file.is_none() && !path.exists() {
        return None;
    }
    let checked = check_users(Some(&path), environment);
    let map = read(&path).ok().and_then(|text| {
        let source = Arc::new(Source { path: path.clone(), text, secret: true });
        parse(&source, environment).ok()
    });
    let map = map.unwrap_or_default();
    Some(ServerConf {
        file: path,
        cookie_domain: domains(&map),
        cookie_secure: find(&map, "auth.cookies.secure")
            .and_then(|node| Some((units::switch(&node.value).ok()?, node.at.clone()))),
        problems: checked.problems,
    })
}

fn domains(map: &Map) -> Option<(Vec<String>, Origin)> {
    let node = find(map, "auth.cookies.domain")?;
    let text = |node: &Node| match &node.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    let domains = match &node.value {
        Value::List(items) => items.iter().filter_map(text).collect(),
        _ => vec![text(node)?],
    };
    Some((domains, node.at.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(text: &str) -> ServerConf {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("apiserver.conf");
        std::fs::write(&file, text).unwrap();
        read_server_conf(Some(&file), &Environment::default()).unwrap()
    }

    #[test]
    fn cookies_are_read_with_their_places() {
        let read = conf("auth {\n  cookies {\n    secure: true\n    domain: \".ml.corp\"\n  }\n}\n");
        let (domains, at) = read.cookie_domain.unwrap();
        assert_eq!((domains, at.position()), (vec![".ml.corp".to_owned()], Some((4, 13))));
        assert_eq!(read.cookie_secure.map(|(secure, at)| (secure, at.position())), Some((true, Some((3, 13)))));
        let (domains, _) = conf("auth.cookies.domain: [\"a.b\", \"c.d\"]").cookie_domain.unwrap();
        assert_eq!(domains, ["a.b", "c.d"]);
        let read = conf("auth.cookies { domain: null, secure: 1 }");
        assert!(read.cookie_domain.is_none() && read.cookie_secure.is_none());
    }

    #[test]
    fn a_file_that_nobody_named_may_be_missing() {
        let nowhere = Environment::of([("CLEARML_CONFIG_DIR", "/nowhere")]);
        assert!(read_server_conf(None, &nowhere).is_none());
        let named = read_server_conf(Some(Path::new("/nowhere/apiserver.conf")), &nowhere).unwrap();
        assert!(named.problems[0].message.contains("cannot be read"));
    }
}
