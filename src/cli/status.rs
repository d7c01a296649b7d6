//! What a running proxy says, as tables for people.

use crate::admin::{ReloadView, ServiceView, StatusView, TargetStatus};
use std::fmt::Write as _;

/// The whole status.
pub(super) fn table(view: &StatusView) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(format!(
        "clearway {}, process {}, {} for {}, {} workers",
        view.version,
        view.pid,
        view.state,
        span(view.uptime_seconds),
        view.workers
    ));
    line(format!(
        "{} connections, {} requests, {} tunnels, {} idle connections to targets",
        view.connections, view.requests, view.tunnels, view.pooled_connections
    ));
    for alarm in &view.alarms {
        line(format!("ALARM: {alarm}"));
    }
    line(String::new());
    line(columns(
        view.listeners.iter().map(|listener| vec![listener.kind.clone(), listener.address.clone()]),
        &["LISTENER", "ADDRESS"],
    ));
    line(columns(
        view.services.iter().flat_map(targets),
        &["SERVICE", "TARGET", "STATE", "SINCE", "RUNNING", "REASON"],
    ));
    for service in &view.services {
        if let Some(closed) = maintenance(service) {
            line(closed);
        }
        if service.waiting > 0 {
            line(format!("{}: {} requests wait for a target", service.name, service.waiting));
        }
    }
    let certificates = view.certificates.iter().map(|certificate| {
        let left = format!("{} days", certificate.days_left);
        vec![certificate.names.join(", "), certificate.not_after.clone(), left, certificate.warnings.join("; ")]
    });
    line(columns(certificates, &["CERTIFICATE", "EXPIRES", "LEFT", "REMARKS"]));
    match &view.last_reload {
        Some(last) => line(reload(last)),
        None => line(String::from("no reload since the start")),
    }
    out.trim_end().to_owned()
}

fn targets(service: &ServiceView) -> impl Iterator<Item = Vec<String>> {
    service.targets.iter().map(|target| {
        let TargetStatus { address, state, reason, since, outstanding, .. } = target.clone();
        let (since, reason) = (since.unwrap_or_default(), reason.unwrap_or_default());
        vec![service.name.clone(), address, state, since, outstanding.to_string(), reason]
    })
}

fn maintenance(service: &ServiceView) -> Option<String> {
    let closed = service.maintenance.as_ref()?;
    let mut text = format!("{}: maintenance since {}", service.name, closed.since);
    // Writing to a String cannot fail.
    let _ = match &closed.until {
        Some(until) => write!(text, ", ends by itself at {until}"),
        None => write!(text, ", until it is turned off"),
    };
    if closed.held > 0 {
        let _ = write!(text, ", {} uploads held", closed.held);
    }
    if let Some(reason) = &closed.reason {
        let _ = write!(text, ": {reason}");
    }
    Some(text)
}

/// One reload.
pub(super) fn reload(view: &ReloadView) -> String {
    let mut lines = vec![match (view.ok, view.changed.as_slice()) {
        (true, []) => format!("reloaded at {} ({}): nothing changed", view.at, view.trigger),
        (true, changed) => format!("reloaded at {} ({}): {}", view.at, view.trigger, changed.join(", ")),
        (false, _) => format!("reload refused at {} ({}); everything goes on as before:", view.at, view.trigger),
    }];
    for problem in &view.problems {
        lines.push(format!("  {}", problem.problem.replace('\n', "\n  ")));
        if !problem.hint.is_empty() {
            lines.push(format!("    hint: {}", problem.hint.replace('\n', "\n    hint: ")));
        }
    }
    if !view.restart.is_empty() {
        lines.push(format!("needs a restart: {}", view.restart.join(", ")));
    }
    lines.join("\n")
}

/// Rows under their headings, in columns as wide as their widest text.
pub(super) fn columns(rows: impl Iterator<Item = Vec<String>>, headings: &[&str]) -> String {
    let headings = headings.iter().map(|heading| (*heading).to_owned()).collect::<Vec<_>>();
    let rows = std::iter::once(headings).chain(rows).collect::<Vec<_>>();
    let mut widths = Vec::new();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        row.iter().zip(&mut widths).for_each(|(text, width)| *width = text.chars().count().max(*width));
    }
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// A length of time in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_text() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["longer".to_owned(), String::new()]];
        assert_eq!(columns(rows.into_iter(), &["ONE", "TWO"]), "ONE     TWO\na       b\nlonger\n");
    }

    #[test]
    fn spans_have_two_units() {
        for (seconds, text) in [(5, "5s"), (65, "1m 5s"), (3_725, "1h 2m"), (180_000, "2d 2h")] {
            assert_eq!(span(seconds), text);
        }
    }
}
