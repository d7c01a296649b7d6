//! The entries of a list of targets: `host:port`, or a section with more.

use super::problem::{Problem, shown};
use super::read::{Reader, count, list_hint, text};
use super::suggest::closest;
use super::tree::{Map, Node, Value};
use super::units::{self, Mistake};
use crate::domain::addr::TargetAddr;
use crate::domain::balance::TARGETS_MAX;
use crate::domain::settings::{ExpectedStatuses, TargetSettings};
use std::num::NonZeroU32;

/// What an entry may have.
const FIELDS: [&str; 3] = ["address", "weight", "backup"];

/// Weights above this differ from each other by nothing that can be measured.
const WEIGHT_MAX: u64 = 1_000;

impl Reader<'_> {
    pub(super) fn targets(&mut self, path: &str, node: &Node, field: &mut Vec<TargetSettings>) {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let targets = items.iter().filter_map(|item| self.target(path, item)).collect::<Vec<_>>();
        if targets.len() < items.len() {
            return;
        }
        if let Some(mistake) = wrong_list(&targets) {
            return self.mistake(path, &node.at, mistake);
        }
        *field = targets;
    }

    fn target(&mut self, path: &str, node: &Node) -> Option<TargetSettings> {
        if let Value::Map(fields) = &node.value {
            return self.target_section(path, node, fields);
        }
        match text(&node.value).and_then(address) {
            Ok(addr) => Some(TargetSettings::plain(addr)),
            Err(mistake) => {
                self.mistake(path, &node.at, mistake);
                None
            }
        }
    }

    fn target_section(&mut self, path: &str, node: &Node, fields: &Map) -> Option<TargetSettings> {
        let before = self.problems.len();
        for (name, field) in fields.iter().filter(|(name, _)| !FIELDS.contains(&name.as_str())) {
            let problem = Problem::error(field.key.clone(), format!("unknown key `{name}` in a target")).at(path);
            let hint = closest(name, &FIELDS).map_or_else(
                || String::from("a target has address, weight and backup"),
                |close| format!("did you mean `{close}`?"),
            );
            self.problems.push(problem.hint(hint));
        }
        let set = |name: &str| fields.get(name).filter(|field| field.value != Value::Null);
        let addr = match set("address") {
            Some(field) => self.taken(path, field, |value| text(value).and_then(address)),
            None => {
                let mistake = Mistake::new("the target has no address").hint("address: \"host:port\"");
                self.mistake(path, &node.at, mistake);
                None
            }
        };
        let weight = set("weight").and_then(|field| self.taken(path, field, |value| count(value, (1, WEIGHT_MAX))));
        let backup = set("backup").and_then(|field| self.taken(path, field, units::switch));
        let weight = weight.and_then(|weight| NonZeroU32::new(u32::try_from(weight).ok()?)).unwrap_or(NonZeroU32::MIN);
        let target = TargetSettings { addr: addr?, weight, backup: backup.unwrap_or(false) };
        (self.problems.len() == before).then_some(target)
    }

    /// What `read` makes of a field of an entry; says what is wrong with it otherwise.
    pub(super) fn taken<T>(
        &mut self,
        path: &str,
        field: &Node,
        read: impl Fn(&Value) -> Result<T, Mistake>,
    ) -> Option<T> {
        read(&field.value).map_err(|mistake| self.mistake(path, &field.at, mistake)).ok()
    }

    pub(super) fn statuses(&mut self, path: &str, node: &Node, field: &mut ExpectedStatuses) {
        let Some(statuses) = self.each(path, node, units::statuses) else { return };
        if statuses.is_empty() {
            let mistake = Mistake::new("the list is empty, so that no answer would do");
            return self.mistake(path, &node.at, mistake.hint("leave the key out for the default"));
        }
        *field = ExpectedStatuses(statuses);
    }
}

fn address(text: &str) -> Result<TargetAddr, Mistake> {
    TargetAddr::parse(text.trim()).map_err(|error| list_hint(text, &format!("{} is no target", shown(text)), &error))
}

/// What is wrong with the targets together.
fn wrong_list(targets: &[TargetSettings]) -> Option<Mistake> {
    if targets.is_empty() {
        let mistake = Mistake::new("the list is empty; a service needs at least one target");
        return Some(mistake.hint("leave the key out for the default"));
    }
    if targets.len() > TARGETS_MAX {
        return Some(Mistake::new(format!("{} targets are too many; at most {TARGETS_MAX}", targets.len())));
    }
    if targets.iter().all(|target| target.backup) {
        let mistake = Mistake::new("every target is a backup");
        return Some(mistake.hint("leave `backup` out for at least one"));
    }
    let twice = targets
        .iter()
        .enumerate()
        .find(|(place, target)| targets.iter().take(*place).any(|other| other.addr == target.addr));
    twice.map(|(_, target)| {
        Mistake::new(format!("{} stands there twice", target.addr)).hint("give one entry a `weight` instead")
    })
}
