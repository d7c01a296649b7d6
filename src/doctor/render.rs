//! Reports as people and programs read them.

use super::Report;
use super::finding::{Finding, Place, Severity};
use serde_json::{Value, json};

/// For people. With `colour`, severities stand out.
#[must_use]
pub fn as_text(report: &Report, colour: bool) -> String {
    let mut blocks = report.findings.iter().map(|finding| block(finding, colour)).collect::<Vec<_>>();
    if !report.skipped.is_empty() {
        let lines = report.skipped.iter().map(|skipped| format!("  {}: {}", skipped.what, skipped.why));
        blocks.push(format!("not looked at:\n{}", lines.collect::<Vec<_>>().join("\n")));
    }
    blocks.push(summary(report));
    blocks.join("\n\n")
}

fn block(finding: &Finding, colour: bool) -> String {
    let Finding { code, severity, subject, evidence, place, change } = finding;
    let name = format!("{}[{}]", severity.as_str(), code.as_str());
    let name = if colour { format!("\u{1b}[{}m{name}\u{1b}[0m", shade(*severity)) } else { name };
    let change = match place {
        Some(place) => format!("{}\n          {change}", shown(place)),
        None => change.clone(),
    };
    format!(
        "{name}: {}\n  at:     {}\n  seen:   {}\n  why:    {}\n  change: {change}",
        code.what(),
        clean(subject),
        clean(evidence),
        code.why()
    )
}

/// What others have sent must not write on the terminal as it likes.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

const fn shade(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "1;31",
        Severity::Warning => "1;33",
        Severity::Hint => "1;36",
    }
}

fn shown(place: &Place) -> String {
    match place.at {
        Some((line, column)) => format!("{}:{line}:{column}", place.file.display()),
        None => place.file.display().to_string(),
    }
}

fn summary(report: &Report) -> String {
    let counts = [Severity::Error, Severity::Warning, Severity::Hint].map(|severity| {
        let count = report.findings.iter().filter(|finding| finding.severity == severity).count();
        (count > 0).then(|| format!("{count} {}{}", severity.as_str(), if count == 1 { "" } else { "s" }))
    });
    match counts.into_iter().flatten().collect::<Vec<_>>() {
        counts if counts.is_empty() => String::from("nothing is wrong with what was looked at"),
        counts => counts.join(", "),
    }
}

/// For programs.
#[must_use]
pub fn as_json(report: &Report) -> Value {
    let findings = report.findings.iter().map(|finding| {
        let place = finding.place.as_ref().map(|place| {
            json!({
                "file": place.file.display().to_string(),
                "line": place.at.map(|at| at.0),
                "column": place.at.map(|at| at.1),
            })
        });
        json!({
            "finding": finding.code.as_str(),
            "severity": finding.severity.as_str(),
            "what": finding.code.what(),
            "subject": finding.subject,
            "evidence": finding.evidence,
            "why": finding.code.why(),
            "place": place,
            "change": finding.change,
        })
    });
    let skipped = report.skipped.iter().map(|skipped| json!({ "what": skipped.what, "why": skipped.why }));
    json!({
        "worst": report.worst().map(Severity::as_str),
        "findings": findings.collect::<Vec<_>>(),
        "not_looked_at": skipped.collect::<Vec<_>>(),
    })
}
