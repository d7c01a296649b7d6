//! View: what is known of the proxy, and what somebody wants to see of it.

use super::palette::Palette;
use super::words::as_float;
use crate::admin::{BusyView, FeedView, LineView, SecondView};
use crate::domain::names::ServiceName;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::cell::Cell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Rates are of so many seconds.
const NOW_SECONDS: usize = 5;

/// Failures are of so many.
const MINUTE: usize = 60;

/// After this long without news the screen says so.
const STALE: Duration = Duration::from_secs(5);

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    End,
}

/// What the lower half shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Actions,
    Workers,
    Uploads,
    Errors,
    Targets,
}

impl Tab {
    pub(super) const ALL: [Self; 5] = [Self::Actions, Self::Workers, Self::Uploads, Self::Errors, Self::Targets];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Actions => "Actions",
            Self::Workers => "Workers",
            Self::Uploads => "Uploads",
            Self::Errors => "Errors",
            Self::Targets => "Targets",
        }
    }
}

/// By what the busiest are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Requests,
    Failed,
    Time,
    Bytes,
}

impl Order {
    const ALL: [Self; 4] = [Self::Requests, Self::Failed, Self::Time, Self::Bytes];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Failed => "failed",
            Self::Time => "time",
            Self::Bytes => "bytes",
        }
    }
}

/// Everything.
#[derive(Debug)]
pub(super) struct View {
    pub(super) feed: FeedView,
    pub(super) seconds: VecDeque<SecondView>,
    pub(super) palette: Palette,
    pub(super) tab: Tab,
    pub(super) order: Order,
    /// The service that is looked at; all without one.
    pub(super) service: Option<ServiceName>,
    /// Rows that are scrolled past; whoever draws the rows holds it within them.
    pub(super) scrolled: Cell<usize>,
    heard: Option<Instant>,
    problem: String,
}

impl View {
    pub(super) fn new(palette: Palette) -> Self {
        Self {
            feed: FeedView::default(),
            seconds: VecDeque::new(),
            palette,
            tab: Tab::Actions,
            order: Order::Requests,
            service: None,
            scrolled: Cell::new(0),
            heard: None,
            problem: String::new(),
        }
    }

    /// The number of the second that it has not seen.
    pub(super) fn next(&self) -> u64 {
        self.feed.series.next
    }

    /// Takes in news.
    pub(super) fn take(&mut self, mut feed: FeedView, at: Instant) {
        // Another process counts from the beginning; what it sends is asked for anew with the next question.
        if feed.series.next < self.next() || feed.status.pid != self.feed.status.pid {
            self.seconds.clear();
        }
        self.seconds.extend(feed.series.seconds.drain(..));
        let surplus = self.seconds.len().saturating_sub(feed.series.kept);
        self.seconds.drain(..surplus);
        self.feed = feed;
        self.heard = Some(at);
        self.problem.clear();
    }

    /// There was no answer.
    pub(super) fn miss(&mut self, why: String) {
        self.problem = why;
    }

    /// What is wrong with the news, where something is.
    pub(super) fn stale(&self, now: Instant) -> Option<String> {
        let age = self.heard.map(|heard| now.saturating_duration_since(heard))?;
        if self.problem.is_empty() && age < STALE {
            return None;
        }
        let why = if self.problem.is_empty() { String::new() } else { format!(": {}", self.problem) };
        Some(format!("no news for {} s{why}", age.as_secs()))
    }

    /// Does what a key means.
    pub(super) fn press(&mut self, key: KeyEvent) -> Flow {
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Flow::End,
            KeyCode::Char('q') | KeyCode::Esc => return Flow::End,
            KeyCode::Char(digit @ '1'..='5') => {
                let index = digit.to_digit(10).map_or(0, |digit| digit as usize - 1);
                self.open(Tab::ALL.get(index).copied().unwrap_or(self.tab));
            }
            KeyCode::Tab => self.open(following(&Tab::ALL, self.tab)),
            KeyCode::BackTab => {
                self.open(following(&[Tab::Targets, Tab::Errors, Tab::Uploads, Tab::Workers, Tab::Actions], self.tab))
            }
            KeyCode::Char('s') => self.order = following(&Order::ALL, self.order),
            KeyCode::Char('f') => {
                let [app, api, files] = ServiceName::ALL.map(Some);
                self.service = following(&[None, app, api, files], self.service);
                self.scrolled.set(0);
            }
            KeyCode::Down | KeyCode::Char('j') => self.scrolled.set(self.scrolled.get().saturating_add(1)),
            KeyCode::Up | KeyCode::Char('k') => self.scrolled.set(self.scrolled.get().saturating_sub(1)),
            KeyCode::Home => self.scrolled.set(0),
            _ => {}
        }
        Flow::On
    }

    fn open(&mut self, tab: Tab) {
        self.tab = tab;
        self.scrolled.set(0);
    }

    /// Whether something of `service` is wanted; what belongs to none only where all is.
    pub(super) fn wants(&self, service: Option<&str>) -> bool {
        self.service.is_none_or(|wanted| service == Some(wanted.as_str()))
    }

    /// The busiest as they are wanted.
    pub(super) fn ordered(&self, busy: &[BusyView]) -> Vec<BusyView> {
        let mut all = busy.to_vec();
        let most = |busy: &BusyView| busy.quantiles_ms.map_or(0.0, |[_, most]| most);
        all.sort_by(|left, right| match self.order {
            Order::Requests => right.requests.cmp(&left.requests),
            Order::Failed => right.failed.cmp(&left.failed),
            Order::Time => most(right).total_cmp(&most(left)),
            Order::Bytes => (right.bytes_in + right.bytes_out).cmp(&(left.bytes_in + left.bytes_out)),
        });
        all
    }

    /// What `read` gives, a second, over the last seconds.
    pub(super) fn per_second(&self, read: impl Fn(&SecondView) -> u64) -> f64 {
        let recent = self.seconds.iter().rev().take(NOW_SECONDS);
        let (count, millis) = recent.fold((0, 0), |(count, millis), second| (count + read(second), millis + second.ms));
        if millis == 0 { 0.0 } else { as_float(count) * 1_000.0 / as_float(millis) }
    }

    /// What `read` gives, over the last minute.
    pub(super) fn in_a_minute(&self, read: impl Fn(&SecondView) -> u64) -> u64 {
        self.seconds.iter().rev().take(MINUTE).map(read).sum()
    }
}

/// One service's line of a second.
pub(super) const fn line(second: &SecondView, service: ServiceName) -> &LineView {
    match service {
        ServiceName::App => &second.app,
        ServiceName::Api => &second.api,
        ServiceName::Files => &second.files,
    }
}

fn following<T: Copy + PartialEq>(all: &[T], current: T) -> T {
    let next = all.iter().position(|one| *one == current).map_or(0, |place| (place + 1) % all.len().max(1));
    all.get(next).copied().unwrap_or(current)
}
