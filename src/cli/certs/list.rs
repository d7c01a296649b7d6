//! `clearway certs list`: every certificate that the configuration uses.

use super::super::output;
use super::super::status::columns;
use super::args::ListArgs;
use super::{Done, day, settings};
use crate::admin::timestamp;
use crate::app::{CertificateSource, Inventory, InventoryEntry, inventory};
use crate::domain::expiry::days_left;
use crate::domain::names::HostName;
use crate::runtime::wall;
use serde_json::{Value, json};
use std::time::SystemTime;

/// Looks at all of them, and prints.
pub(super) fn list(args: &ListArgs) -> Done {
    let now = wall();
    let found = inventory(&settings(&args.source)?, now);
    let well = found.uncovered.is_empty() && found.entries.iter().all(|entry| entry.error.is_none());
    if args.json {
        output::data(&as_json(&found, now).to_string());
    } else {
        output::data(&table(&found, now));
    }
    Ok(well)
}

fn table(found: &Inventory, now: SystemTime) -> String {
    let rows = found.entries.iter().map(|entry| {
        let leaf = entry.certificates.first();
        let names = leaf.map_or_else(String::new, |leaf| match entry.source {
            CertificateSource::Authority => leaf.subject.clone(),
            _ => leaf.names.join(", "),
        });
        vec![
            entry.source.as_str().to_owned(),
            names,
            leaf.map_or_else(String::new, |leaf| leaf.issuer.clone()),
            leaf.map_or_else(String::new, |leaf| day(leaf.not_after)),
            leaf.map_or_else(String::new, |leaf| days_left(now, leaf.not_after).to_string()),
            entry.file.display().to_string(),
        ]
    });
    let mut lines = vec![columns(rows, &["FROM", "NAMES", "ISSUER", "EXPIRES", "DAYS", "FILE"])];
    for entry in &found.entries {
        lines.extend(remarks(entry));
    }
    lines.extend(found.uncovered.iter().map(|host| format!("no certificate covers {host}; clients will refuse it")));
    lines.join("\n").trim_end().to_owned()
}

/// What is to be said of one, a line each.
pub(super) fn remarks(entry: &InventoryEntry) -> Vec<String> {
    let file = entry.file.display();
    let mut lines = Vec::new();
    if entry.expected {
        lines.push(format!("{file}: not there yet; the running proxy makes or obtains it"));
    }
    if let Some((error, hint)) = &entry.error {
        lines.push(format!("error: {error}\n  hint: {hint}"));
    }
    lines.extend(entry.warnings.iter().map(|warning| format!("{file}: {warning}")));
    if !entry.covers.is_empty() {
        lines.push(format!("{file}: covers {}", joined(&entry.covers)));
    }
    lines
}

fn joined(hosts: &[HostName]) -> String {
    hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn as_json(found: &Inventory, now: SystemTime) -> Value {
    json!({
        "certificates": found.entries.iter().map(|entry| entry_json(entry, now)).collect::<Vec<_>>(),
        "uncovered": found.uncovered.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn entry_json(entry: &InventoryEntry, now: SystemTime) -> Value {
    let leaf = entry.certificates.first();
    json!({
        "source": entry.source.as_str(),
        "file": entry.file.display().to_string(),
        "expected": entry.expected,
        "names": leaf.map(|leaf| leaf.names.clone()).unwrap_or_default(),
        "subject": leaf.map(|leaf| leaf.subject.clone()),
        "issuer": leaf.map(|leaf| leaf.issuer.clone()),
        "not_after": leaf.map(|leaf| timestamp(leaf.not_after)),
        "days_left": leaf.map(|leaf| days_left(now, leaf.not_after)),
        "fingerprint": leaf.map(|leaf| leaf.fingerprint.clone()),
        "covers": entry.covers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "error": entry.error.as_ref().map(|(error, _)| error),
        "hint": entry.error.as_ref().map(|(_, hint)| hint),
        "warnings": entry.warnings,
    })
}
