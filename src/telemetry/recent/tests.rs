use super::super::metrics::Metrics;
use super::*;
use crate::clearml::Program;
use crate::domain::fault::FaultKind;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant, SystemTime};

fn settings(requests: usize, errors: usize) -> RecentSettings {
    RecentSettings { requests, errors, ..RecentSettings::default() }
}

fn facts(at: u64, fault: Option<FaultKind>) -> RequestFacts {
    RequestFacts {
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(at),
        service: None,
        action: None,
        status: 200,
        fault,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        program: Program::Other,
        listener: "https",
        protocol: "HTTP/1.1",
        queue: None,
        connect: None,
        first_byte: None,
        total: Duration::from_secs(1),
        bytes_in: 0,
        bytes_out: 0,
        attempts: 0,
        upgraded: false,
    }
}

/// Keeps a request with this id, which came `at` seconds after the epoch.
fn keep(recent: &Recent, metrics: &Metrics, id: &str, at: u64, fault: Option<FaultKind>) {
    let end = fault.map_or(End::Well, |kind| End::Badly(kind.side()));
    recent.keep(end, &metrics.worker(0), |entry| {
        entry.facts(facts(at, fault));
        for text in [id, "GET", "host", "/path", "worker", "", "target", "detail"] {
            entry.text(text.as_bytes());
        }
    });
}

#[test]
fn the_last_are_kept_in_places_that_are_used_again() {
    let (metrics, recents) = (Metrics::new(1), Recents::new(1, &settings(3, 1)));
    let recent = recents.worker(0);
    (0..5).for_each(|number| keep(&recent, &metrics, &format!("r{number}"), number, None));
    for (id, kept) in [("r0", false), ("r1", false), ("r2", true), ("r4", true), ("r", false), ("", false)] {
        assert_eq!(recents.find(id).is_some(), kept, "{id}");
    }
    assert_eq!(metrics.total(Counter::RecentForgotten), 2);
    let found = recents.find("r3").unwrap();
    assert_eq!([&found.id, &found.method, &found.host, &found.path], ["r3", "GET", "host", "/path"]);
    assert_eq!(
        [&found.worker, &found.client_version, &found.target, &found.detail],
        ["worker", "", "target", "detail"]
    );
    recents.resize(&settings(5, 1));
    (5..7).for_each(|number| keep(&recent, &metrics, &format!("r{number}"), number, None));
    assert!(["r2", "r3", "r4", "r5", "r6"].iter().all(|id| recents.find(id).is_some()), "there is room for more");
    keep(&recent, &metrics, "r7", 7, None);
    assert!(recents.find("r2").is_none(), "the oldest goes");
    recents.resize(&settings(1, 1));
    assert!(recents.find("r6").is_none() && recents.find("r7").is_some());
    recents.resize(&settings(0, 0));
    assert!(!recent.is_enabled() && recents.find("r7").is_none());
}

#[test]
fn errors_outlive_what_went_well_and_are_told_by_side() {
    let (metrics, recents) = (Metrics::new(2), Recents::new(2, &settings(2, 4)));
    let [first, second] = [0, 1].map(|index| recents.worker(index));
    keep(&first, &metrics, "broken", 1, Some(FaultKind::Broken));
    keep(&second, &metrics, "gone", 2, Some(FaultKind::ClientGone));
    keep(&second, &metrics, "full", 3, Some(FaultKind::Overloaded));
    for number in 4..10 {
        keep(&first, &metrics, "well", number, None);
        keep(&second, &metrics, "well", number, None);
    }
    let ids = |requests: Vec<RecentRequest>| requests.into_iter().map(|request| request.id).collect::<Vec<_>>();
    let (ours, clients) = recents.errors(10);
    assert_eq!((ids(ours), ids(clients)), (vec!["full".into(), "broken".into()], vec![String::from("gone")]));
    assert_eq!(ids(recents.errors(1).0), ["full"]);
    assert_eq!(recents.find("broken").unwrap().facts.fault, Some(FaultKind::Broken));
    (0..3).for_each(|number| keep(&first, &metrics, "again", 20 + number, Some(FaultKind::Broken)));
    assert_eq!((metrics.total(Counter::RecentErrorsForgotten), recents.find("broken").is_some()), (2, false));
    assert_eq!(recents.find("again").unwrap().facts.at, SystemTime::UNIX_EPOCH + Duration::from_secs(22));
}

#[test]
fn texts_are_cut_and_cannot_move_a_cursor() {
    let (metrics, recents) = (Metrics::new(1), Recents::new(1, &settings(1, 1)));
    let (long, bad) = ("x".repeat(1_000), "\u{1b}[2J\u{202e}a");
    recents.worker(0).keep(End::Well, &metrics.worker(0), |entry| {
        for text in ["id", bad, &long, "p", "w", "c", "t", "d"] {
            entry.text(text.as_bytes());
        }
        entry.facts(facts(0, None));
    });
    let found = recents.find("id").unwrap();
    assert_eq!((found.method.as_str(), found.host.len()), ("\u{fffd}[2J\u{fffd}a", TEXT_BYTES_MAX));
    assert_eq!((found.path.as_str(), found.detail.as_str()), ("p", "d"));
}

#[test]
fn an_upload_is_shown_until_its_guard_goes() {
    let recents = Recents::new(2, &settings(0, 0));
    let begun = Instant::now();
    let begin = |worker: usize, id: &str, begun: Instant| {
        let (id, client) = (id.as_bytes().to_vec(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        let (worker_name, path) = (b"w".to_vec(), b"/p".to_vec());
        let length = Some(10);
        recents.worker(worker).uploads().begin(Begun {
            id,
            service: None,
            action: None,
            client,
            worker: worker_name,
            path,
            begun,
            length,
        })
    };
    let later = begin(0, "later", begun + Duration::from_secs(1));
    let earlier = begin(1, "earlier", begun);
    earlier.received(7);
    let seen = || recents.uploads().into_iter().map(|upload| (upload.id, upload.bytes)).collect::<Vec<_>>();
    assert_eq!(seen(), [(String::from("earlier"), 7), (String::from("later"), 0)]);
    drop(earlier);
    assert_eq!(seen(), [(String::from("later"), 0)]);
    drop(later);
    assert!(seen().is_empty());
}
