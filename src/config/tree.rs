//! The value tree: what configuration files, variables and flags say, each value with its origin.
//!
//! Owns: how layers merge. Leaves: what keys and types exist to `keys` and `read`.

use super::problem::Origin;
use hocon::{HoconValue, ScalarType};
use std::collections::BTreeMap;

/// Keys and their values.
pub(super) type Map = BTreeMap<String, Node>;

/// One value and where its key and itself were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) key: Origin,
    pub(super) at: Origin,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// As if the key were not there.
    Null,
    Bool(bool),
    /// The digits as written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Map),
}

impl Value {
    /// What kind of value it is, with its article.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a section",
        }
    }
}

impl Node {
    /// A value whose key was written where it is.
    pub(super) fn new(origin: Origin, value: Value) -> Self {
        Self { key: origin.clone(), at: origin, value }
    }
}

/// Where the key and the value at a path were written; list elements are `[0]`, `[1]`, ...
pub(super) type Places<'a> = &'a dyn Fn(&[String]) -> (Origin, Origin);

/// Takes over a parsed value.
pub(super) fn from_hocon(value: HoconValue, path: &mut Vec<String>, places: Places<'_>) -> Node {
    let (key, at) = places(path);
    let value = match value {
        HoconValue::Object(fields) => Value::Map(
            fields
                .into_iter()
                .map(|(name, inner)| {
                    path.push(name.clone());
                    let node = from_hocon(inner, path, places);
                    path.pop();
                    (name, node)
                })
                .collect(),
        ),
        HoconValue::Array(items) => Value::List(
            items
                .into_iter()
                .enumerate()
                .map(|(index, inner)| {
                    path.push(format!("[{index}]"));
                    let node = from_hocon(inner, path, places);
                    path.pop();
                    node
                })
                .collect(),
        ),
        HoconValue::Scalar(scalar) => match scalar.value_type {
            ScalarType::Boolean => Value::Bool(scalar.raw == "true"),
            ScalarType::Number => Value::Number(scalar.raw),
            ScalarType::String => Value::Text(scalar.raw),
            _ => Value::Null,
        },
        _ => Value::Null,
    };
    Node { key, at, value }
}

/// Lays `over` on `base`: maps merge, everything else is replaced, and a key that begins with `-` replaces a map too.
///
/// Source: `apiserver/config/basic.py` (`_merge_configs`).
pub(super) fn merge(base: &mut Map, over: Map) {
    for (name, node) in over {
        let replace = name.len() > 1 && name.starts_with('-');
        let name = plain_name(&name).to_owned();
        let Value::Map(fields) = node.value else {
            base.insert(name, node);
            continue;
        };
        if let (false, Some(Node { value: Value::Map(existing), .. })) = (replace, base.get_mut(&name)) {
            merge(existing, fields);
            continue;
        }
        // Merged into nothing, so that keys with `-` further down get their plain names too.
        let mut fresh = Map::new();
        merge(&mut fresh, fields);
        base.insert(name, Node { value: Value::Map(fresh), ..node });
    }
}

/// The name of a key without the `-` that asks for replacement.
pub(super) fn plain_name(name: &str) -> &str {
    name.strip_prefix('-').filter(|rest| !rest.is_empty()).unwrap_or(name)
}

/// Puts `node` at `path`, in maps that are made on the way. What stood there is replaced, maps are merged.
pub(super) fn insert(map: &mut Map, path: &[&str], node: Node) {
    let mut wrapped = node;
    for name in path.iter().skip(1).rev() {
        let origin = wrapped.key.clone();
        let inner = Map::from([((*name).to_owned(), wrapped)]);
        wrapped = Node::new(origin, Value::Map(inner));
    }
    match (path.first(), wrapped.value) {
        (Some(name), value) => merge(map, Map::from([((*name).to_owned(), Node { value, ..wrapped })])),
        (None, Value::Map(fields)) => merge(map, fields),
        (None, _) => {}
    }
}

/// The value at a dotted path, unless it is null.
pub(super) fn find<'a>(map: &'a Map, path: &str) -> Option<&'a Node> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let node = map.get(name)?;
    match (rest, &node.value) {
        (None, Value::Null) => None,
        (None, _) => Some(node),
        (Some(rest), Value::Map(fields)) => find(fields, rest),
        (Some(_), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Map {
        let value = hocon::parse_with_env(text, &std::collections::HashMap::new()).unwrap();
        let fields = value.keys().into_iter().map(|key| (key.to_owned(), value.get(key).unwrap().clone()));
        let places: Places<'_> = &|_| (Origin::Default, Origin::Default);
        fields.map(|(name, value)| (name, from_hocon(value, &mut Vec::new(), places))).collect()
    }

    #[test]
    fn later_layers_win_key_by_key() {
        for (first, second, merged) in [
            ("a: 1, b: 2", "b: 3", "a: 1, b: 3"),
            ("a { b: 1, c: 2 }", "a { c: 3 }", "a { b: 1, c: 3 }"),
            ("a: [1, 2]", "a: [3]", "a: [3]"),
            ("a { b: 1 }", "a: 1", "a: 1"),
            ("a: 1", "a { b: 1 }", "a { b: 1 }"),
            ("a { b: 1, c: 2 }", "-a { c: 3 }", "a { c: 3 }"),
            ("a { b { c: 1, d: 1 }, e: 1 }", "a { -b { c: 2 } }", "a { b { c: 2 }, e: 1 }"),
            ("", "-a { -b { c: 2 } }", "a { b { c: 2 } }"),
            ("a: 1", "a: null", "a: null"),
            ("a: 1", "-a: 2", "a: 2"),
        ] {
            let mut base = map(first);
            merge(&mut base, map(second));
            assert_eq!(base, map(merged), "{first} + {second}");
        }
    }

    #[test]
    fn finds_by_path() {
        let map = map("a { b { c: 1 } }, d: null");
        assert_eq!(find(&map, "a.b.c").map(|node| &node.value), Some(&Value::Number("1".into())));
        assert!(find(&map, "a.b").is_some());
        assert_eq!(find(&map, "a.x"), None);
        assert_eq!(find(&map, "a.b.c.d"), None);
        assert_eq!(find(&map, "d"), None);
    }

    #[test]
    fn inserts_below_maps_it_makes() {
        let mut base = map("a { b: 1 }");
        insert(&mut base, &["a", "c", "d"], Node::new(Origin::Default, Value::Bool(true)));
        assert_eq!(base, map("a { b: 1, c { d: true } }"));
        insert(&mut base, &[], Node::new(Origin::Default, Value::Map(map("e: 1"))));
        assert_eq!(base, map("a { b: 1, c { d: true } }, e: 1"));
    }
}
