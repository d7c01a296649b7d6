//! Screen: the view drawn into a terminal of any size: headline, services, one panel, keys.

use super::panel;
use super::view::{Tab, View, line};
use super::words::{millis, rate};
use crate::admin::{Mood, ServiceView, service_title};
use crate::domain::names::ServiceName;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline, Wrap};
use std::time::Instant;

/// Rows of notes below the headline.
const NOTES_MAX: u16 = 4;

/// Columns of a service's numbers; the rest of its row is a plot.
const NUMBERS: u16 = 66;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View, now: Instant) {
    let notes = u16::try_from(view.feed.headline.notes.len()).unwrap_or(NOTES_MAX).min(NOTES_MAX);
    let [title, headline, said, gap, services, tabs, panel, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(notes),
        Constraint::Length(1),
        Constraint::Length(5),
        Constraint::Length(2),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(title_line(view, now), title);
    frame.render_widget(headline_line(view), headline);
    frame.render_widget(note_lines(view), said);
    frame.render_widget(Paragraph::new(""), gap);
    draw_services(frame, view, services);
    frame.render_widget(Paragraph::new(tab_lines(view)), tabs);
    panel::draw(frame, view, panel);
    frame.render_widget(Paragraph::new(keys_line(view)), keys);
}

fn title_line(view: &View, now: Instant) -> Paragraph<'static> {
    let status = &view.feed.status;
    let about = format!("clearway {}  {} for {}", status.version, status.state, uptime(status.uptime_seconds));
    let traffic = format!(
        "  {} connections  {} requests in flight  {} uploads",
        status.connections, status.requests, view.feed.uploads.count,
    );
    let stale = match view.stale(now) {
        Some(words) => Span::styled(format!("  {words}"), view.palette.bad()),
        None => Span::raw(""),
    };
    Paragraph::new(Line::from(vec![Span::raw(about), Span::styled(traffic, view.palette.quiet()), stale]))
}

fn headline_line(view: &View) -> Paragraph<'static> {
    let headline = &view.feed.headline;
    let mark = if headline.mood == Mood::Well { "● " } else { "▲ " };
    let style = view.palette.mood(headline.mood).add_modifier(Modifier::BOLD);
    Paragraph::new(Line::styled(format!("{mark}{}", headline.text), style))
}

fn note_lines(view: &View) -> Paragraph<'static> {
    let notes = view.feed.headline.notes.iter().map(|note| Line::raw(format!("  {note}")));
    Paragraph::new(notes.collect::<Vec<_>>()).wrap(Wrap { trim: false })
}

fn draw_services(frame: &mut Frame<'_>, view: &View, area: Rect) {
    let rows: [Rect; 5] = Layout::vertical([Constraint::Length(1); 5]).areas(area);
    let [head, rest @ ..] = rows;
    let heading =
        format!("{:<12} {:<12} {:>8} {:>8} {:>9} {:>9}", "SERVICE", "TARGETS", "REQ/S", "FAILED/M", "HALF", "95 %");
    frame.render_widget(Paragraph::new(Line::styled(heading, view.palette.quiet())), head);
    for (service, row) in ServiceName::ALL.into_iter().zip(rest) {
        let [numbers, plot] = Layout::horizontal([Constraint::Length(NUMBERS), Constraint::Min(0)]).areas(row);
        frame.render_widget(Paragraph::new(service_line(view, service)), numbers);
        let counts =
            view.seconds.iter().rev().take(usize::from(plot.width)).map(|second| line(second, service).requests);
        let mut counts = counts.collect::<Vec<_>>();
        counts.reverse();
        frame.render_widget(Sparkline::default().data(counts).style(view.palette.plot()), plot);
    }
}

fn service_line(view: &View, service: ServiceName) -> Line<'static> {
    let shown = view.feed.status.services.iter().find(|shown| shown.name == service.as_str());
    let (state, style) = shown.map_or((String::from("–"), Style::new()), |shown| state_of(view, shown));
    let requests = view.per_second(|second| line(second, service).requests);
    let failed = view.in_a_minute(|second| line(second, service).failed);
    let times = view.seconds.iter().rev().find_map(|second| line(second, service).quantiles_ms);
    let [half, most] =
        times.map_or([String::from("–"), String::from("–")], |[half, most, _]| [millis(half), millis(most)]);
    let chosen = if view.service == Some(service) { Modifier::REVERSED } else { Modifier::empty() };
    Line::from(vec![
        Span::styled(format!("{:<12} ", service_title(service.as_str())), Style::new().add_modifier(chosen)),
        Span::styled(format!("{state:<12} "), style),
        Span::raw(format!("{:>8} ", rate(requests))),
        Span::styled(format!("{failed:>8} "), view.palette.failed(failed)),
        Span::raw(format!("{half:>9} {most:>9}  ")),
    ])
}

/// `up`, or how many of its targets are.
fn state_of(view: &View, service: &ServiceView) -> (String, Style) {
    if service.maintenance.is_some() {
        return (String::from("maintenance"), view.palette.look());
    }
    match service.targets.as_slice() {
        [only] => (only.state.clone(), view.palette.state(&only.state)),
        several => {
            let fit = several.iter().filter(|target| matches!(target.state.as_str(), "up" | "warming")).count();
            let style = if fit == several.len() { view.palette.well() } else { view.palette.bad() };
            (format!("{fit} of {} up", several.len()), style)
        }
    }
}

fn tab_lines(view: &View) -> Vec<Line<'static>> {
    let counts = |tab: Tab| match tab {
        Tab::Uploads => view.feed.uploads.count,
        Tab::Errors => view.feed.errors.ours.len() + view.feed.errors.clients.len(),
        Tab::Actions | Tab::Workers | Tab::Targets => 0,
    };
    let tabs = Tab::ALL.into_iter().enumerate().map(|(index, tab)| {
        let count = counts(tab);
        let count = if count > 0 { format!(" ({count})") } else { String::new() };
        let style = if tab == view.tab { Style::new().add_modifier(Modifier::REVERSED) } else { view.palette.quiet() };
        Span::styled(format!(" {} {}{count} ", index + 1, tab.title()), style)
    });
    vec![Line::from(tabs.collect::<Vec<_>>()), Line::raw("")]
}

fn keys_line(view: &View) -> Line<'static> {
    let service = view.service.map_or("all services", |service| service_title(service.as_str()));
    let words = format!("q quit  1-5 panel  f service: {service}  s by {}  ↑↓ scroll", view.order.title());
    Line::styled(words, view.palette.quiet())
}

/// A length of time in its two largest units.
fn uptime(seconds: u64) -> String {
    super::super::status::span(seconds)
}
