use super::super::metrics::Passed;
use super::*;
use crate::clearml::{Action, Program};
use http::{Method, StatusCode};

const CREATE: &str = "/v2.30/tasks.create";

/// Counts a request as its record does.
fn pass(metrics: &Metrics, service: ServiceName, path: &str, status: u16, worker: &[u8], millis: u64) {
    let shard = metrics.worker(0);
    shard.request(Some(service), StatusCode::from_u16(status).unwrap());
    shard.passed(&Passed {
        action: Action::of(service, &Method::POST, path),
        program: Program::Sdk,
        worker: Some(worker),
        client: None,
        refused: (400..500).contains(&status),
        failed: status >= 500,
        bytes_in: 10,
        bytes_out: 20,
        queue: None,
        connect: None,
        first_byte: None,
        total: Duration::from_millis(millis),
    });
}

#[test]
fn each_second_has_what_ended_in_it() {
    let (metrics, mut now) = (Metrics::new(2), Instant::now());
    pass(&metrics, ServiceName::Api, CREATE, 200, b"w", 1);
    let mut history = History::new(metrics.clone(), now);
    assert_eq!((history.next(), history.from(0).count()), (0, 0), "what was before belongs to no second");
    for status in [200, 200, 404, 502] {
        pass(&metrics, ServiceName::Api, CREATE, status, b"w", 90);
    }
    pass(&metrics, ServiceName::Files, "/a", 200, b"w", 4_000);
    metrics.worker(1).request(None, StatusCode::NOT_FOUND);
    metrics.worker(1).request(None, StatusCode::SERVICE_UNAVAILABLE);
    pass(&metrics, ServiceName::App, "/", 503, b"w", 1);
    now += Duration::from_millis(1_250);
    history.look(now);
    now += Duration::from_secs(1);
    history.look(now);
    let seconds = history.from(0).cloned().collect::<Vec<_>>();
    assert_eq!(seconds.iter().map(|second| second.number).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(seconds[0].length, Duration::from_millis(1_250));
    let [app, api, files, none] = seconds[0].lines;
    assert_eq!((app.requests, app.failed), (1, 1));
    assert_eq!((api.requests, api.refused, api.failed), (4, 1, 1));
    let [half, most, _] = api.quantiles.unwrap();
    assert!((50..=100).contains(&half.as_millis()) && half <= most && most.as_millis() <= 100, "{api:?}");
    assert_eq!((files.requests, files.quantiles.unwrap()[0] > Duration::from_secs(2)), (1, true));
    assert_eq!((none.requests, none.refused, none.failed, none.quantiles), (2, 1, 1, None));
    assert_eq!(seconds[1].lines, [Line::default(); LINES]);
    assert_eq!((history.from(1).count(), history.from(2).count()), (1, 0));
    assert_eq!(history.sum(ServiceName::Api as usize, 60).requests, 4);
    assert_eq!(history.sum(ServiceName::Api as usize, 1).requests, 0);
}

#[test]
fn only_so_many_seconds_are_kept() {
    let now = Instant::now();
    let mut history = History::new(Metrics::new(1), now);
    for second in 1..=(SECONDS as u64 + 7) {
        history.look(now + Duration::from_secs(second));
    }
    assert_eq!(history.from(0).count(), SECONDS);
    assert_eq!(history.from(0).next().unwrap().number, 7);
    assert_eq!(history.bases.len(), LOOKS + 1);
}

#[test]
fn the_busiest_are_those_of_the_last_minute() {
    let (metrics, begun) = (Metrics::new(1), Instant::now());
    let mut history = History::new(metrics.clone(), begun);
    (0..50).for_each(|_| pass(&metrics, ServiceName::Api, "/v2.30/tasks.get_all", 200, b"early", 5));
    for second in 0..70 {
        history.look(begun + Duration::from_secs(second));
    }
    (0..3).for_each(|_| pass(&metrics, ServiceName::Api, CREATE, 500, b"late", 5));
    pass(&metrics, ServiceName::Api, "/v2.30/tasks.get_all", 200, b"early", 5);
    let (actions, workers) = history.busiest(5);
    let names =
        |all: &[Busy]| all.iter().map(|busy| (busy.name.clone(), busy.requests, busy.failed)).collect::<Vec<_>>();
    assert_eq!(names(&actions), [("tasks.create".into(), 3, 3), ("tasks.get_all".into(), 1, 0)]);
    assert_eq!(names(&workers), [("late".into(), 3, 3), ("early".into(), 1, 0)]);
    assert_eq!((actions[0].bytes_in, actions[0].quantiles.is_some()), (30, true));
    assert_eq!(history.busiest(1).0.len(), 1);
}
