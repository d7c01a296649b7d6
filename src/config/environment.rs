//! The environment: the only file that reads the process's variables.
//!
//! Everything else takes an `Environment` as an argument, so that rules are tested with tables.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Variables by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    unreadable: Vec<String>,
}

impl Environment {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let mut environment = Self::default();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str() else { continue };
            match value.to_str() {
                Some(value) => {
                    environment.variables.insert(name.to_owned(), value.to_owned());
                }
                None => environment.unreadable.push(name.to_owned()),
            }
        }
        environment.unreadable.sort();
        environment
    }

    /// Exactly `pairs`.
    pub fn of<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, unreadable: Vec::new() }
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Whether output on a terminal may be coloured: neither `NO_COLOR`, nor `CLICOLOR=0`, nor a terminal that cannot.
    ///
    /// Source: no-color.org, bixense.com/clicolors.
    #[must_use]
    pub fn allows_colour(&self) -> bool {
        self.get("NO_COLOR").is_none_or(str::is_empty)
            && (self.forces_colour() || self.get("CLICOLOR") != Some("0") && self.get("TERM") != Some("dumb"))
    }

    /// Whether somebody reads it as on a terminal, wherever it goes: `CLICOLOR_FORCE`, unless `NO_COLOR` is set.
    #[must_use]
    pub fn forces_colour(&self) -> bool {
        let forced = self.get("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
        forced && self.get("NO_COLOR").is_none_or(str::is_empty)
    }

    /// Whether to colour what goes to a terminal or not.
    #[must_use]
    pub fn colours(&self, terminal: bool) -> bool {
        self.forces_colour() || terminal && self.allows_colour()
    }

    /// Where a proxy makes its admin socket where nothing else is said, the first usable one, and where it is looked for.
    #[must_use]
    pub fn admin_sockets(&self) -> Vec<PathBuf> {
        let given = |name: &str| self.get(name).filter(|folder| !folder.is_empty());
        let systemd = given("RUNTIME_DIRECTORY").and_then(|folders| folders.split(':').next()).map(PathBuf::from);
        let user = given("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("clearway"));
        let folders = systemd.into_iter().chain(user).chain([PathBuf::from("/run/clearway")]);
        folders.map(|folder| folder.join("admin.sock")).collect()
    }

    /// Every variable, sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Names whose values are not UTF-8, sorted.
    pub(super) fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    /// `text` with `$NAME` and `${NAME}` replaced, then a leading `~`; unknown names stay as they are.
    ///
    /// Source: Python's `os.path.expandvars` and `expanduser`, which ClearML applies to its folders.
    pub(super) fn expand(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let (name, tail) = variable_name(after);
            match self.get(name).filter(|_| !name.is_empty()) {
                Some(value) => out.push_str(value),
                None => {
                    out.push('$');
                    out.push_str(after.strip_suffix(tail).unwrap_or_default());
                }
            }
            rest = tail;
        }
        out.push_str(rest);
        match (out.strip_prefix('~'), self.get("HOME")) {
            (Some(tail), Some(home)) if tail.is_empty() || tail.starts_with('/') => format!("{home}{tail}"),
            _ => out,
        }
    }
}

/// The name behind a `$`, and what follows it.
fn variable_name(after: &str) -> (&str, &str) {
    if let Some((name, tail)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        return (name, tail);
    }
    let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
    after.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_as_python_does() {
        let environment = Environment::of([("HOME", "/home/me"), ("X", "x"), ("LONG_1", "l")]);
        for (text, expanded) in [
            ("/a", "/a"),
            ("~", "/home/me"),
            ("~/c", "/home/me/c"),
            ("~you/c", "~you/c"),
            ("/a~", "/a~"),
            ("$X/c", "x/c"),
            ("${X}y", "xy"),
            ("$Xy", "$Xy"),
            ("$LONG_1-", "l-"),
            ("${NO}/$NO", "${NO}/$NO"),
            ("$HOME/$X", "/home/me/x"),
            ("a$", "a$"),
            ("a$$X", "a$x"),
            ("${X", "${X"),
        ] {
            assert_eq!(environment.expand(text), expanded, "{text}");
        }
    }

    #[test]
    fn colours_follow_the_usual_variables() {
        for (variables, on_terminal, elsewhere) in [
            (&[][..], true, false),
            (&[("NO_COLOR", "")], true, false),
            (&[("NO_COLOR", "1")], false, false),
            (&[("CLICOLOR", "1")], true, false),
            (&[("CLICOLOR", "0")], false, false),
            (&[("TERM", "dumb")], false, false),
            (&[("TERM", "xterm")], true, false),
            (&[("CLICOLOR_FORCE", "1")], true, true),
            (&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], true, true),
            (&[("CLICOLOR_FORCE", "0")], true, false),
            (&[("CLICOLOR_FORCE", "")], true, false),
            (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false, false),
        ] {
            let environment = Environment::of(variables.to_vec());
            assert_eq!(
                (environment.colours(true), environment.colours(false)),
                (on_terminal, elsewhere),
                "{variables:?}"
            );
        }
    }
}
