//! The walk over a value tree, key by key.
//!
//! Owns: which keys exist, told apart from sections. Leaves: values to `read`.

use super::keys::{is_section, key};
use super::problem::Problem;
use super::read::Reader;
use super::suggest::{join, unknown_key};
use super::tree::{Map, Node, Value, plain_name};
use crate::domain::settings::Settings;

/// Puts every value of `map` into `settings`; problems go to the reader.
pub(super) fn apply(map: &Map, settings: &mut Settings, reader: &mut Reader<'_>) {
    section("", map, settings, reader);
}

fn section(path: &str, map: &Map, settings: &mut Settings, reader: &mut Reader<'_>) {
    for (name, node) in map {
        let name = plain_name(name);
        let full = join(path, name);
        if let Some(key) = key(&full) {
            if node.value != Value::Null {
                reader.read(&full, &key.slot, node, settings);
            }
        } else if is_section(&full) {
            inner(&full, node, settings, reader);
        } else {
            let problem = Problem::error(node.key.clone(), "unknown key").at(full);
            reader.problems.push(problem.hint(unknown_key(path, name)));
        }
    }
}

fn inner(path: &str, node: &Node, settings: &mut Settings, reader: &mut Reader<'_>) {
    match &node.value {
        Value::Map(fields) => section(path, fields, settings, reader),
        Value::Null => {}
        other => {
            let message = format!("expected a section, found {}", other.kind());
            let names = super::keys::names_in(path).join(", ");
            let last = path.rsplit('.').next().unwrap_or(path);
            let problem = Problem::error(node.at.clone(), message).at(path);
            reader.problems.push(problem.hint(format!("write `{last} {{ ... }}` with any of: {names}")));
        }
    }
}
