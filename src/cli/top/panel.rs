//! Panel: the lower half of the screen, one table for each tab.

use super::view::{Tab, View};
use super::words::{as_float, bytes, millis, time_of_day};
use crate::admin::{BusyView, RequestView, TargetStatus, UploadView};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Cell, Paragraph, Row, Table};

/// A table before it is drawn.
struct Panel {
    head: Vec<&'static str>,
    widths: Vec<Constraint>,
    rows: Vec<Row<'static>>,
    /// Where there are no rows.
    none: &'static str,
}

/// Draws the chosen table.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View, area: Rect) {
    let Panel { head, widths, rows, none } = match view.tab {
        Tab::Actions => actions(view),
        Tab::Workers => workers(view),
        Tab::Uploads => uploads(view),
        Tab::Errors => errors(view),
        Tab::Targets => targets(view),
    };
    if rows.is_empty() {
        return frame.render_widget(Paragraph::new(none).style(view.palette.quiet()), area);
    }
    // At the end the last row is at the top, never past it; what was pressed too much is forgotten.
    let skipped = view.scrolled.get().min(rows.len() - 1);
    view.scrolled.set(skipped);
    let head = Row::new(head).style(view.palette.quiet());
    frame.render_widget(Table::new(rows.into_iter().skip(skipped), widths).header(head).column_spacing(2), area);
}

fn right(text: String) -> Cell<'static> {
    Cell::new(ratatui::text::Line::raw(text).right_aligned())
}

fn styled(text: String, style: Style) -> Cell<'static> {
    Cell::new(ratatui::text::Line::styled(text, style).right_aligned())
}

fn actions(view: &View) -> Panel {
    let of_service = |busy: &BusyView| {
        let service = busy.name.split_once('.').map_or("", |(service, _)| service);
        view.wants(Some(if matches!(service, "app" | "files") { service } else { "api" }))
    };
    let rows = view.ordered(&view.feed.busiest.actions).into_iter().filter(of_service).map(|busy| {
        let [half, most] = busy.quantiles_ms.map_or_else(Default::default, |times| times.map(millis));
        Row::new(vec![
            Cell::new(busy.name.clone()),
            right(busy.requests.to_string()),
            styled(busy.failed.to_string(), view.palette.failed(busy.failed)),
            right(half),
            right(most),
            right(bytes(as_float(busy.bytes_in))),
            right(bytes(as_float(busy.bytes_out))),
        ])
    });
    Panel {
        head: vec!["ACTION", "REQ/MIN", "FAILED", "HALF", "95 %", "IN", "OUT"],
        widths: numbers(5),
        rows: rows.collect(),
        none: "No requests in the last minute.",
    }
}

fn workers(view: &View) -> Panel {
    let rows = view.ordered(&view.feed.busiest.workers).into_iter().map(|busy| {
        Row::new(vec![
            Cell::new(busy.name.clone()),
            right(busy.requests.to_string()),
            styled(busy.failed.to_string(), view.palette.failed(busy.failed)),
            right(bytes(as_float(busy.bytes_in))),
            right(bytes(as_float(busy.bytes_out))),
        ])
    });
    Panel {
        head: vec!["WORKER", "REQ/MIN", "FAILED", "SENT", "RECEIVED"],
        widths: numbers(4),
        rows: rows.collect(),
        none: "No ClearML worker has asked in the last minute.",
    }
}

/// A name, then numbers.
fn numbers(count: usize) -> Vec<Constraint> {
    let first = [Constraint::Min(24), Constraint::Length(8), Constraint::Length(8)];
    first.into_iter().chain(std::iter::repeat_n(Constraint::Length(10), count.saturating_sub(1))).collect()
}

fn uploads(view: &View) -> Panel {
    let wanted = view.feed.uploads.list.iter().filter(|upload| view.wants(upload.service.as_deref()));
    let rows = wanted.map(|upload| {
        let sender = upload.worker.clone().unwrap_or_else(|| upload.client.clone());
        let speed = if upload.seconds > 0.0 { as_float(upload.bytes) / upload.seconds } else { 0.0 };
        Row::new(vec![
            Cell::new(bar(upload)),
            right(bytes(as_float(upload.bytes))),
            right(upload.length.map_or_else(|| String::from("?"), |length| bytes(as_float(length)))),
            right(format!("{}/s", bytes(speed))),
            Cell::new(sender),
            Cell::new(upload.path.clone()),
        ])
    });
    Panel {
        head: vec!["PROGRESS", "SENT", "OF", "RATE", "FROM", "PATH"],
        widths: vec![
            Constraint::Length(17),
            Constraint::Length(9),
            Constraint::Length(9),
            Constraint::Length(12),
            Constraint::Length(16),
            Constraint::Min(20),
        ],
        rows: rows.collect(),
        none: "No uploads under way.",
    }
}

/// `████████──── 66 %`
fn bar(upload: &UploadView) -> String {
    const WIDTH: usize = 12;
    let Some(percent) = percent(upload) else { return "·".repeat(WIDTH) };
    let full = percent * WIDTH / 100;
    format!("{}{} {percent:>2} %", "█".repeat(full), "─".repeat(WIDTH - full))
}

/// How much of it has come; `None` where its length is not known.
pub(super) fn percent(upload: &UploadView) -> Option<usize> {
    let length = upload.length.filter(|length| *length > 0)?;
    let percent = u128::from(upload.bytes) * 100 / u128::from(length);
    Some(usize::try_from(percent).unwrap_or(100).min(100))
}

fn errors(view: &View) -> Panel {
    let rows = latest_errors(view).map(|request| {
        let side = request.side.clone().unwrap_or_default();
        let style = if side == "client" { Style::new() } else { view.palette.bad() };
        Row::new(vec![
            Cell::new(time_of_day(&request.at).to_owned()),
            Cell::new(side).style(style),
            Cell::new(request.status.to_string()),
            Cell::new(request.action.clone().unwrap_or_else(|| request.path.clone())),
            Cell::new(request.id.clone()),
            Cell::new(request.explanation.clone().unwrap_or_default()),
        ])
    });
    Panel {
        head: vec!["AT (UTC)", "SIDE", "CODE", "ACTION", "ID", "WHAT"],
        widths: vec![
            Constraint::Length(8),
            Constraint::Length(6),
            Constraint::Length(4),
            Constraint::Length(20),
            Constraint::Length(32),
            Constraint::Min(20),
        ],
        rows: rows.collect(),
        none: "No errors are kept.",
    }
}

/// Whose-ever fault, the latest first.
fn latest_errors(view: &View) -> impl Iterator<Item = &RequestView> {
    let errors = &view.feed.errors;
    let mut all = errors.ours.iter().chain(&errors.clients).collect::<Vec<_>>();
    all.sort_by(|left, right| right.at.cmp(&left.at));
    all.into_iter().filter(|request| view.wants(request.service.as_deref()))
}

fn targets(view: &View) -> Panel {
    let wanted = view.feed.status.services.iter().filter(|service| view.wants(Some(&service.name)));
    let rows = wanted.flat_map(|service| {
        service.targets.iter().flat_map(|target| {
            let now = target_row(view, &service.name, target);
            std::iter::once(now).chain(target.changes.iter().map(|change| {
                Row::new(vec![
                    Cell::new(""),
                    Cell::new(""),
                    Cell::new(change.state.clone()),
                    Cell::new(time_of_day(&change.at).to_owned()),
                    Cell::new(""),
                    Cell::new(change.reason.clone().unwrap_or_default()),
                ])
                .style(view.palette.quiet())
            }))
        })
    });
    Panel {
        head: vec!["SERVICE", "TARGET", "STATE", "SINCE", "RUNNING", "REASON"],
        widths: vec![
            Constraint::Length(8),
            Constraint::Length(24),
            Constraint::Length(11),
            Constraint::Length(8),
            Constraint::Length(7),
            Constraint::Min(20),
        ],
        rows: rows.collect(),
        none: "There are no targets.",
    }
}

fn target_row(view: &View, service: &str, target: &TargetStatus) -> Row<'static> {
    let since = target.since.as_deref().map(time_of_day).unwrap_or_default().to_owned();
    Row::new(vec![
        Cell::new(service.to_owned()),
        Cell::new(target.address.clone()),
        Cell::new(target.state.clone()).style(view.palette.state(&target.state)),
        Cell::new(since),
        Cell::new(target.outstanding.to_string()),
        Cell::new(target.reason.clone().unwrap_or_default()),
    ])
}
