//! Environment overrides: `CLEARML__PROXY__TIMEOUTS__HOLD=5s` sets `timeouts.hold`.
//!
//! Source: `apiserver/config/basic.py`: names that begin with `TRAINS__`, then `CLEARML__`, both exactly so; each
//! sorted; the rest in lower case, `__` between names. Sections other than `proxy` belong to ClearML.

use super::environment::Environment;
use super::parse::PATH_NAMES_MAX;
use super::problem::{Origin, Problem};
use super::tree::{Map, Node, Value, insert};
use super::value::{Caution, SecondKey, read};

/// In this order; later ones win.
const PREFIXES: [&str; 2] = ["TRAINS__", "CLEARML__"];

const SECTION: &str = "proxy";

/// What the environment sets.
pub(super) struct Variables {
    pub(super) layer: Map,
    /// The variables that were read, in order.
    pub(super) names: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

/// Reads every override.
pub(super) fn variables(environment: &Environment) -> Variables {
    let mut out = Variables { layer: Map::new(), names: Vec::new(), problems: Vec::new() };
    for prefix in PREFIXES {
        for (name, text) in environment.iter() {
            let Some(path) = name.strip_prefix(prefix).and_then(path_below_section) else { continue };
            out.names.push(name.to_owned());
            out.variable(name, &path, text, environment);
        }
    }
    for name in environment.unreadable().iter().filter(|name| PREFIXES.iter().any(|prefix| is_ours(name, prefix))) {
        out.problems.push(Problem::error(Origin::Variable(name.clone()), "the value is not UTF-8"));
    }
    out.problems.extend(environment.iter().filter_map(|(name, _)| near_miss(name)));
    out
}

/// The names behind `PROXY__`; `None` for other sections.
fn path_below_section(rest: &str) -> Option<Vec<String>> {
    let path = rest.replace("__", ".").to_lowercase();
    let mut names = path.split('.').map(str::to_owned);
    (names.next()? == SECTION).then(|| names.collect())
}

fn is_ours(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).and_then(path_below_section).is_some()
}

/// A name that was surely meant for us but is not read.
fn near_miss(name: &str) -> Option<Problem> {
    if PREFIXES.iter().any(|prefix| is_ours(name, prefix)) {
        return None;
    }
    let upper = name.to_uppercase();
    let rest = PREFIXES.iter().find_map(|prefix| upper.strip_prefix(prefix.trim_end_matches('_')))?;
    let key = rest.trim_start_matches('_').strip_prefix("PROXY_")?.trim_start_matches('_');
    let problem = Problem::warning(Origin::Variable(name.to_owned()), "this variable is not read");
    Some(
        problem
            .hint(format!("did you mean CLEARML__PROXY__{key}? `__` stands between names, the prefix is in capitals")),
    )
}

impl Variables {
    fn variable(&mut self, name: &str, path: &[String], text: &str, environment: &Environment) {
        let origin = Origin::Variable(name.to_owned());
        let key = path.join(".");
        if path.iter().any(String::is_empty) {
            let problem = Problem::error(origin, "the variable's name has an empty part").at(key);
            self.problems.push(problem.hint("write exactly two underscores between names"));
            return;
        }
        if path.len() > PATH_NAMES_MAX {
            let message = format!("a key path of {} names; at most {PATH_NAMES_MAX} are read", path.len());
            self.problems.push(Problem::error(origin, message).at(key));
            return;
        }
        let reading = match read(text, environment, &origin) {
            Ok(reading) => reading,
            Err(SecondKey) => {
                let problem = Problem::error(origin, "the value begins a second key").at(key);
                self.problems.push(problem.hint("set one variable for each key, or put the value in double quotes"));
                return;
            }
        };
        if let Some(caution) = reading.caution {
            self.problems.push(cautioned(caution, &origin).at(&key));
        }
        let Some(value) = reading.value else { return };
        if path.is_empty() && !matches!(value, Value::Map(_)) {
            let problem = Problem::error(origin, format!("expected a section, found {}", value.kind()));
            self.problems.push(problem.hint("name a key, as in CLEARML__PROXY__DOMAIN"));
            return;
        }
        let path = path.iter().map(String::as_str).collect::<Vec<_>>();
        insert(&mut self.layer, &path, Node::new(origin, value));
    }
}

fn cautioned(caution: Caution, origin: &Origin) -> Problem {
    match caution {
        Caution::PlainText => Problem::warning(origin.clone(), "the value is no HOCON and was taken as plain text")
            .hint("put it in double quotes, inside the variable; ClearML's own servers would refuse it"),
        Caution::CutAtHash => Problem::warning(origin.clone(), "everything after `#` was taken as a comment")
            .hint("put the value in double quotes, inside the variable"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::find;
    use super::*;

    fn layer(pairs: &[(&str, &str)]) -> Variables {
        variables(&Environment::of(pairs.to_vec()))
    }

    fn text_at(map: &Map, path: &str) -> Option<String> {
        match &find(map, path)?.value {
            Value::Text(text) | Value::Number(text) => Some(text.clone()),
            other => Some(format!("{other:?}")),
        }
    }

    #[test]
    fn names_become_paths_as_in_clearml() {
        for (name, path) in [
            ("CLEARML__PROXY__DOMAIN", Some("domain")),
            ("CLEARML__proxy__domain", Some("domain")),
            ("CLEARML__Proxy__Timeouts__First_Byte", Some("timeouts.first_byte")),
            ("TRAINS__PROXY__WORKERS", Some("workers")),
            ("CLEARML__PROXY__A___B", Some("a._b")),
            ("CLEARML__APISERVER__DOMAIN", None),
            ("CLEARML__PROXYS__DOMAIN", None),
            ("CLEARML_CONFIG_DIR", None),
        ] {
            let found = layer(&[(name, "x")]);
            assert_eq!(found.names.len(), usize::from(path.is_some()), "{name}");
            if let Some(path) = path {
                assert_eq!(text_at(&found.layer, path).as_deref(), Some("x"), "{name}");
            }
            assert!(found.problems.is_empty(), "{name}: {:?}", found.problems);
        }
    }

    #[test]
    fn clearml_wins_over_trains_and_later_names_over_earlier() {
        let found = layer(&[
            ("CLEARML__PROXY__WORKERS", "2"),
            ("TRAINS__PROXY__WORKERS", "1"),
            ("TRAINS__PROXY__DOMAIN", "t.example"),
            ("CLEARML__PROXY__TIMEOUTS", "{ hold: 1s, head: 2s }"),
            ("CLEARML__PROXY__TIMEOUTS__HOLD", "3s"),
        ]);
        assert_eq!(text_at(&found.layer, "workers").unwrap(), "2");
        assert_eq!(text_at(&found.layer, "domain").unwrap(), "t.example");
        assert_eq!(text_at(&found.layer, "timeouts.hold").unwrap(), "3s");
        assert_eq!(text_at(&found.layer, "timeouts.head").unwrap(), "2s");
        assert_eq!(found.names.first().map(String::as_str), Some("TRAINS__PROXY__DOMAIN"));
    }

    #[test]
    fn the_whole_section_can_be_one_variable() {
        let found = layer(&[("CLEARML__PROXY", "{ domain: x.example }")]);
        assert_eq!(text_at(&found.layer, "domain").unwrap(), "x.example");
        assert_eq!(layer(&[("CLEARML__PROXY", "x")]).problems.len(), 1);
    }

    #[test]
    fn says_what_is_wrong_with_a_variable() {
        for (name, text, severity, message) in [
            ("CLEARML__PROXY__DOMAIN", "a, b", "warning", "taken as plain text"),
            ("CLEARML__PROXY__DOMAIN", "a#b", "warning", "after `#`"),
            ("CLEARML__PROXY__DOMAIN", "a\nb: 1", "error", "begins a second key"),
            ("CLEARML__PROXY____DOMAIN", "a", "error", "an empty part"),
            ("CLEARML__PROXY__A__B__C__D__E__F__G__H__I", "a", "error", "a key path of 9 names"),
            ("CLEARML__PROXY_DOMAIN", "a", "warning", "this variable is not read"),
            ("CLEARML_PROXY__DOMAIN", "a", "warning", "this variable is not read"),
            ("clearml__proxy__domain", "a", "warning", "this variable is not read"),
        ] {
            let problems = layer(&[(name, text)]).problems;
            assert_eq!(problems.len(), 1, "{name}: {problems:?}");
            assert_eq!(problems[0].severity.as_str(), severity, "{name}");
            assert!(problems[0].message.contains(message), "{name}: {problems:?}");
            assert_eq!(problems[0].origin, Origin::Variable(name.to_owned()));
        }
    }
}
