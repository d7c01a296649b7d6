use super::palette::Palette;
use super::screen::draw;
use super::view::{Flow, Tab, View};
use crate::admin::{
    BusiestView, BusyView, ErrorsView, FeedView, Headline, LineView, Mood, RequestView, SecondView, SeriesView,
    ServiceView, StatusView, TargetStatus, UploadView, UploadsView,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use std::time::{Duration, Instant};

fn service(name: &str, state: &str) -> ServiceView {
    let target = TargetStatus {
        address: format!("{name}-host:1"),
        state: state.to_owned(),
        reason: (state != "up").then(|| String::from("connection refused")),
        since: Some(String::from("2026-11-27T04:05:06Z")),
        outstanding: 2,
        queued: 0,
        changes: Vec::new(),
    };
    ServiceView { name: name.to_owned(), targets: vec![target], ..ServiceView::default() }
}

fn busy(name: &str, requests: u64, failed: u64) -> BusyView {
    BusyView { name: name.to_owned(), requests, failed, quantiles_ms: Some([4.0, 40.0]), ..BusyView::default() }
}

fn feed() -> FeedView {
    let second = |n| SecondView {
        n,
        ms: 1_000,
        api: LineView { requests: 20 + n, failed: 1, refused: 0, quantiles_ms: Some([3.0, 30.0, 60.0]) },
        ..SecondView::default()
    };
    let error = |side: &str, at: &str| RequestView {
        at: at.to_owned(),
        id: format!("id-of-{side}"),
        side: Some(side.to_owned()),
        status: 502,
        service: Some(String::from("api")),
        action: Some(String::from("tasks.edit")),
        explanation: Some(String::from("The service closed the connection.")),
        ..RequestView::default()
    };
    FeedView {
        headline: Headline {
            mood: Mood::Down,
            text: String::from("The file server is down"),
            notes: vec![String::from("The file server does not answer: connection refused.")],
        },
        status: StatusView {
            version: String::from("1.2.3"),
            state: String::from("serving"),
            uptime_seconds: 3_725,
            services: vec![service("app", "up"), service("api", "up"), service("files", "unreachable")],
            ..StatusView::default()
        },
        series: SeriesView { next: 3, kept: 300, seconds: (0..3).map(second).collect() },
        busiest: BusiestView {
            actions: vec![busy("tasks.get_all", 50, 0), busy("files.upload", 7, 3)],
            workers: vec![busy("gpu-node:0", 9, 0)],
        },
        uploads: UploadsView {
            count: 1,
            list: vec![UploadView {
                path: String::from("/model.bin"),
                service: Some(String::from("files")),
                client: String::from("10.0.0.9"),
                seconds: 2.0,
                length: Some(8 << 20),
                bytes: 4 << 20,
                ..UploadView::default()
            }],
        },
        errors: ErrorsView {
            ours: vec![error("target", "2026-11-27T04:05:07Z")],
            clients: vec![error("client", "2026-11-27T04:05:09Z")],
        },
        ..FeedView::default()
    }
}

fn view(colour: bool, at: Instant) -> View {
    let mut view = View::new(Palette::new(colour));
    view.take(feed(), at);
    view
}

/// What a terminal of this size shows, line by line, and the colours that it uses.
fn shown(view: &View, (width, height): (u16, u16), at: Instant) -> (String, Vec<Color>) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view, at)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |row| (0..width).map(|column| buffer[(column, row)].symbol()).collect::<String>();
    let text = (0..height).map(|row| line(row).trim_end().to_owned()).collect::<Vec<_>>().join("\n");
    (text, buffer.content().iter().map(|cell| cell.fg).collect())
}

fn press(view: &mut View, code: KeyCode) -> Flow {
    view.press(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn it_tells_how_clearml_is_in_any_size() {
    let at = Instant::now();
    let view = view(true, at);
    let (text, colours) = shown(&view, (100, 30), at);
    for part in [
        "clearway 1.2.3  serving for 1h 2m",
        "▲ The file server is down",
        "The file server does not answer: connection refused.",
        "API server   up",
        "file server  unreachable",
        "tasks.get_all",
        "q quit",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let api = text.lines().find(|line| line.starts_with("API server")).unwrap();
    assert!(api.contains("21.0") && api.contains("3.0 ms") && api.contains("30 ms") && api.contains('█'), "{api}");
    assert!(colours.contains(&Color::Red) && colours.contains(&Color::Green));
    // As small as a terminal can be it only must not fail.
    shown(&view, (1, 1), at);
    for size in [(20, 12), (40, 16), (80, 24), (300, 80)] {
        let (text, _) = shown(&view, size, at);
        assert!(text.contains("▲ The file server"), "{size:?}:\n{text}");
    }
}

#[test]
fn without_colours_there_are_none() {
    let at = Instant::now();
    let (_, colours) = shown(&view(false, at), (100, 30), at);
    assert!(colours.iter().all(|colour| *colour == Color::Reset));
}

#[test]
fn keys_choose_what_is_shown() {
    let at = Instant::now();
    let mut view = view(false, at);
    let text = |view: &View| shown(view, (140, 30), at).0;
    for (key, tab, part) in [
        ('2', Tab::Workers, "gpu-node:0"),
        ('3', Tab::Uploads, "██████────── 50 %"),
        ('4', Tab::Errors, "id-of-target"),
        ('5', Tab::Targets, "files-host:1"),
        ('1', Tab::Actions, "files.upload"),
    ] {
        assert_eq!(press(&mut view, KeyCode::Char(key)), Flow::On);
        assert_eq!(view.tab, tab);
        assert!(text(&view).contains(part), "{part} is not in\n{}", text(&view));
    }
    let place = |view: &View, name: &str| text(view).find(name);
    assert!(place(&view, "tasks.get_all") < place(&view, "files.upload"));
    press(&mut view, KeyCode::Char('s'));
    assert!(place(&view, "tasks.get_all") > place(&view, "files.upload"), "by failures");
    for (part, other) in [("", "-"), ("tasks.get_all", "files.upload"), ("files.upload", "tasks.get_all")] {
        press(&mut view, KeyCode::Char('f'));
        assert!(text(&view).contains(part) && !text(&view).contains(other) || part.is_empty(), "{}", text(&view));
    }
    press(&mut view, KeyCode::Tab);
    press(&mut view, KeyCode::BackTab);
    press(&mut view, KeyCode::BackTab);
    assert_eq!(view.tab, Tab::Targets);
    (0..9).for_each(|_| assert_eq!(press(&mut view, KeyCode::Down), Flow::On));
    assert!(text(&view).contains("files-host:1"), "the last row stays");
    assert_eq!(view.scrolled.get(), 0, "what was pressed too much is forgotten: this service has one row");
    assert_eq!(press(&mut view, KeyCode::Char('q')), Flow::End);
    assert_eq!(view.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Flow::End);
}

#[test]
fn errors_of_both_sides_stand_in_the_order_they_came() {
    let at = Instant::now();
    let mut view = view(false, at);
    press(&mut view, KeyCode::Char('4'));
    let (text, _) = shown(&view, (140, 30), at);
    assert!(text.find("id-of-client") < text.find("id-of-target"), "{text}");
}

#[test]
fn it_says_when_there_are_no_news_and_begins_anew_with_another_process() {
    let at = Instant::now();
    let mut view = view(false, at);
    assert_eq!(view.stale(at + Duration::from_secs(4)), None);
    assert_eq!(view.stale(at + Duration::from_secs(6)).unwrap(), "no news for 6 s");
    view.miss(String::from("no proxy answers"));
    let (text, _) = shown(&view, (140, 30), at + Duration::from_secs(2));
    assert!(text.contains("no news for 2 s: no proxy answers"), "{text}");
    assert_eq!((view.seconds.len(), view.next()), (3, 3));
    let mut news = feed();
    news.series = SeriesView { next: 4, kept: 300, seconds: vec![SecondView { n: 3, ..SecondView::default() }] };
    view.take(news.clone(), at);
    assert_eq!((view.seconds.len(), view.stale(at)), (4, None));
    (news.status.pid, news.series.next) = (7, 1);
    view.take(news, at);
    assert_eq!(view.seconds.len(), 1);
}

#[test]
fn once_everything_is_text() {
    let text = super::plain::text(&feed());
    for part in [
        "The file server is down\n  The file server does not answer",
        "files-host:1 unreachable",
        "50 %",
        "tasks.get_all",
        "gpu-node:0",
        "id-of-target",
        "id-of-client",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains('\u{1b}'));
}
