//! A compose file, as far as it matters to a proxy: published ports and variables, with their places.
//!
//! Owns: the two ways of writing each, and merge keys. Leaves: reading the file to `gather`, what a port means to
//! `rules`. Files that a compose file includes are not looked at.
//!
//! Source: the Compose Specification, `ports` and `environment`; YAML 1.1 merge keys, which compose has.

use super::evidence::{Compose, ComposeService, PublishedPort, Variable};
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use std::net::IpAddr;
use std::path::Path;

type Node<'a> = MarkedYaml<'a>;

/// Merge keys inside merge keys that are followed.
const MERGES_MAX: usize = 8;

/// Reads the text of `file`.
///
/// # Errors
/// What the YAML parser says, with line and column.
pub(super) fn parse_compose(file: &Path, text: &str) -> Result<Compose, String> {
    let documents = Node::load_from_str(text).map_err(|error| error.to_string())?;
    let services = documents.first().and_then(|document| field(document, "services"));
    let services = services.map(|services| entries(services, 0)).unwrap_or_default();
    let services = services.into_iter().map(|(name, node)| service(name, node)).collect();
    Ok(Compose { file: file.to_owned(), services })
}

fn service(name: String, node: &Node<'_>) -> ComposeService {
    let ports = field(node, "ports").map(items).unwrap_or_default();
    let environment = match field(node, "environment") {
        Some(list) if matches!(list.data, YamlData::Sequence(_)) => {
            let pair = |node: &Node<'_>| {
                let text = text(node)?;
                let (name, value) = text.split_once('=').unwrap_or((text.as_str(), ""));
                Some(Variable { name: name.to_owned(), value: value.to_owned(), at: place(node) })
            };
            items(list).into_iter().filter_map(pair).collect()
        }
        Some(map) => entries(map, 0)
            .into_iter()
            .map(|(name, node)| Variable { name, value: text(node).unwrap_or_default(), at: place(node) })
            .collect(),
        None => Vec::new(),
    };
    ComposeService {
        name,
        image: field(node, "image").and_then(text).unwrap_or_default(),
        ports: ports.into_iter().filter_map(port).collect(),
        environment,
    }
}

/// One entry of `ports`; `None` where it opens nothing on the host, or nothing that is known before the start.
fn port(node: &Node<'_>) -> Option<PublishedPort> {
    let at = place(node);
    if let Some(written) = text(node) {
        let ports = written.split_once('/').map_or(written.as_str(), |(ports, _)| ports);
        let (outside, inside) = outside_braces_rsplit(ports)?;
        let target = inside.split('-').next()?.parse().ok()?;
        let (host, published) =
            outside_braces_rsplit(outside).map_or((None, outside), |(host, port)| (Some(host), port));
        let closed = closed(published, inside);
        return Some(PublishedPort { text: written.clone(), closed, open: host.is_none_or(is_open), target, at });
    }
    let part = |name| field(node, name).and_then(text);
    let target = part("target")?;
    let published = part("published")?;
    let host = part("host_ip");
    let written = format!("{}{published}:{target}", host.as_ref().map(|host| format!("{host}:")).unwrap_or_default());
    let closed = closed(&published, &target);
    Some(PublishedPort {
        text: written,
        closed,
        open: host.as_deref().is_none_or(is_open),
        target: target.parse().ok()?,
        at,
    })
}

/// The short form that publishes to the host alone.
fn closed(published: &str, target: &str) -> String {
    format!("127.0.0.1:{published}:{target}")
}

/// Split at the last colon that is neither in `${NAME:-default}` nor in `[v6]`.
fn outside_braces_rsplit(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let mut found = None;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => found = Some(at),
            _ => {}
        }
    }
    let at = found?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Whether others than the host itself reach what is bound here. A variable may be anything.
fn is_open(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    !(host.contains('$') || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

/// A field, also one that comes by a merge key.
fn field<'a, 'i>(node: &'a Node<'i>, name: &str) -> Option<&'a Node<'i>> {
    entries(node, 0).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The entries of a map in the order of the file, own ones first, those of merge keys behind them.
fn entries<'a, 'i>(node: &'a Node<'i>, depth: usize) -> Vec<(String, &'a Node<'i>)> {
    let YamlData::Mapping(map) = &plain(node).data else { return Vec::new() };
    let mut own = Vec::new();
    let mut merged = Vec::new();
    for (key, value) in map {
        match text(key) {
            Some(key) if key == "<<" && depth < MERGES_MAX => match &value.data {
                YamlData::Sequence(list) => merged.extend(list.iter().flat_map(|one| entries(one, depth + 1))),
                _ => merged.extend(entries(value, depth + 1)),
            },
            Some(key) => own.push((key, value)),
            None => {}
        }
    }
    for (key, value) in merged {
        if own.iter().all(|(known, _)| *known != key) {
            own.push((key, value));
        }
    }
    own
}

fn items<'a, 'i>(node: &'a Node<'i>) -> Vec<&'a Node<'i>> {
    match &plain(node).data {
        YamlData::Sequence(list) => list.iter().collect(),
        _ => Vec::new(),
    }
}

/// Without a tag, such as `!override`.
fn plain<'a, 'i>(node: &'a Node<'i>) -> &'a Node<'i> {
    match &node.data {
        YamlData::Tagged(_, inner) => inner,
        _ => node,
    }
}

fn text(node: &Node<'_>) -> Option<String> {
    match &node.data {
        YamlData::Value(Scalar::String(text)) => Some(text.to_string()),
        YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
        YamlData::Value(Scalar::FloatingPoint(number)) => Some(number.to_string()),
        YamlData::Value(Scalar::Boolean(switch)) => Some(switch.to_string()),
        _ => None,
    }
}

fn place(node: &Node<'_>) -> (usize, usize) {
    (node.span.start.line(), node.span.start.col() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(text: &str) -> Vec<ComposeService> {
        parse_compose(Path::new("c.yml"), text).unwrap().services
    }

    #[test]
    fn ports_are_read_in_both_ways() {
        let text = "services:\n  a:\n    ports:\n      - \"8008:8008\"\n      - 127.0.0.1:8081:8081\n      \
                    - \"[::1]:8080:80/tcp\"\n      - \"${PORT:-9200}:9200\"\n      - \"0.0.0.0:27017-27019:27017-27019\"\n      \
                    - 8080\n      - target: 80\n        published: 8080\n        host_ip: 127.0.0.1\n      \
                    - { target: 6379, published: \"6379\" }\n";
        let found = services(text).remove(0).ports;
        let closed = found.iter().map(|port| port.closed.as_str()).collect::<Vec<_>>();
        let local = |ports: &str| format!("127.0.0.1:{ports}");
        assert_eq!(closed[0], local("8008:8008"));
        assert_eq!(closed[2], local("8080:80"));
        assert_eq!(closed[3], local("${PORT:-9200}:9200"));
        assert_eq!(closed[4], local("27017-27019:27017-27019"));
        assert_eq!(closed[5..], [local("8080:80"), local("6379:6379")]);
        let found = found.iter().map(|port| (port.target, port.open, port.at.0)).collect::<Vec<_>>();
        assert_eq!(
            found,
            [
                (8008, true, 4),
                (8081, false, 5),
                (80, false, 6),
                (9200, true, 7),
                (27017, true, 8),
                (80, false, 10),
                (6379, true, 13)
            ]
        );
    }

    #[test]
    fn variables_come_from_lists_maps_and_merge_keys() {
        let text = "x-a: &a\n  ONE: 1\n  TWO: two\nx-b: &b { THREE: true }\nservices:\n  s:\n    image: clearml/server\n    \
                    environment:\n      <<: [*a, *b]\n      TWO: own\n  t:\n    environment:\n      - X=y=z\n      - BARE\n";
        let found = services(text);
        let pairs = |service: &ComposeService| {
            service
                .environment
                .iter()
                .map(|variable| format!("{}={}", variable.name, variable.value))
                .collect::<Vec<_>>()
        };
        assert_eq!(pairs(&found[0]), ["TWO=own", "ONE=1", "THREE=true"]);
        assert_eq!(
            (pairs(&found[1]), found[0].image.as_str()),
            (vec!["X=y=z".into(), "BARE=".into()], "clearml/server")
        );
        assert_eq!(found[1].environment[0].at, (13, 9));
    }

    #[test]
    fn what_is_no_compose_file_is_an_error_or_empty() {
        assert!(parse_compose(Path::new("c"), "a: [").is_err());
        let tagged = services("services:\n  a:\n    ports: !override [\"1:2\"]\n").remove(0).ports;
        assert_eq!(tagged.len(), 1);
        for text in ["", "services:", "services: [a]", "version: 3"] {
            assert_eq!(services(text), []);
        }
    }
}
