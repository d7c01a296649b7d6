//! The entries of `tls.client_certificates`: which hosts ask clients for certificates, and of which authorities.

use super::problem::{Problem, shown};
use super::read::{Reader, list_hint, one_of, text};
use super::slot::CLIENT_MODES;
use super::suggest::closest;
use super::tree::{Map, Node, Value};
use super::units::Mistake;
use crate::domain::names::NamePattern;
use crate::domain::settings::{ClientMode, ClientRuleSettings};
use std::path::PathBuf;

/// What an entry may have.
const FIELDS: [&str; 5] = ["hosts", "mode", "roots", "crls", "expired_crl"];

/// Each needs a TLS configuration of its own, and each request for a host looks through them.
const RULES_MAX: usize = 64;

/// What becomes of an outdated revocation list: whether it refuses those it is about.
const EXPIRED_CRLS: &[(&str, bool)] = &[("use", false), ("refuse", true)];

const EXAMPLE: &str = "{ hosts: [\"api.example.com\"], mode: \"required\", roots: \"agents.pem\" }";

impl Reader<'_> {
    pub(super) fn client_rules(&mut self, path: &str, node: &Node, field: &mut Vec<ClientRuleSettings>) {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let rules = items.iter().filter_map(|item| self.client_rule(path, item)).collect::<Vec<_>>();
        if rules.len() < items.len() {
            return;
        }
        if rules.len() > RULES_MAX {
            let mistake = Mistake::new(format!("{} rules are too many; at most {RULES_MAX}", rules.len()));
            return self.mistake(path, &node.at, mistake.hint("give hosts with the same authorities one rule"));
        }
        if let Some(host) = named_twice(&rules) {
            let mistake = Mistake::new(format!("{host} stands in two rules"));
            return self.mistake(path, &node.at, mistake.hint("name each host once"));
        }
        *field = rules;
    }

    fn client_rule(&mut self, path: &str, node: &Node) -> Option<ClientRuleSettings> {
        let before = self.problems.len();
        let Value::Map(fields) = &node.value else {
            let mistake = Mistake::new(format!("expected hosts and mode, found {}", node.value.kind()));
            self.mistake(path, &node.at, mistake.hint(format!("as in [ {EXAMPLE} ]")));
            return None;
        };
        self.only(path, fields);
        let set = |name: &str| fields.get(name).filter(|field| field.value != Value::Null);
        let hosts = set("hosts").and_then(|field| self.each(path, field, pattern)).unwrap_or_default();
        let mode = set("mode").and_then(|field| self.taken(path, field, |value| one_of(value, CLIENT_MODES)));
        let roots = set("roots").and_then(|field| self.file(path, field));
        let crls = set("crls").map(|field| self.files(path, field)).unwrap_or_default();
        let refuse = set("expired_crl").and_then(|field| self.taken(path, field, |value| one_of(value, EXPIRED_CRLS)));
        let lacking = match (mode, &roots) {
            _ if self.problems.len() > before => None,
            _ if hosts.is_empty() => Some(("hosts", "hosts: [\"api.example.com\"]")),
            (None, _) => Some(("mode", "mode: \"off\", \"optional\" or \"required\"")),
            (Some(ClientMode::Optional | ClientMode::Required), None) => {
                Some(("roots", "roots: the PEM file of the authorities that issue your clients' certificates"))
            }
            _ => None,
        };
        if let Some((field, hint)) = lacking {
            self.mistake(path, &node.at, Mistake::new(format!("the rule has no {field}")).hint(hint));
        }
        let refuse_expired_crls = refuse.unwrap_or(false);
        let rule = ClientRuleSettings { hosts, mode: mode?, roots, crls, refuse_expired_crls };
        (self.problems.len() == before).then_some(rule)
    }

    fn only(&mut self, path: &str, fields: &Map) {
        for (name, field) in fields.iter().filter(|(name, _)| !FIELDS.contains(&name.as_str())) {
            let problem = Problem::error(field.key.clone(), format!("unknown key `{name}` in a rule")).at(path);
            let hint = closest(name, &FIELDS).map_or_else(
                || format!("a rule has {}", FIELDS.join(", ")),
                |close| format!("did you mean `{close}`?"),
            );
            self.problems.push(problem.hint(hint));
        }
    }

    fn file(&mut self, path: &str, field: &Node) -> Option<PathBuf> {
        let written = self.taken(path, field, |value| text(value).map(str::to_owned))?;
        Some(self.path(&written, &field.at))
    }

    fn files(&mut self, path: &str, field: &Node) -> Vec<PathBuf> {
        match &field.value {
            Value::List(items) => items.iter().filter_map(|item| self.file(path, item)).collect(),
            _ => self.file(path, field).into_iter().collect(),
        }
    }
}

fn pattern(text: &str) -> Result<NamePattern, Mistake> {
    NamePattern::parse(text.trim())
        .map_err(|error| list_hint(text, &format!("{} is no host name", shown(text)), &error))
}

fn named_twice(rules: &[ClientRuleSettings]) -> Option<&NamePattern> {
    let hosts = rules.iter().flat_map(|rule| &rule.hosts).collect::<Vec<_>>();
    hosts
        .iter()
        .enumerate()
        .find(|(place, host)| hosts.iter().take(*place).any(|other| other == *host))
        .map(|(_, host)| *host)
}
