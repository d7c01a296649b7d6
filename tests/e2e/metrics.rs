//! Metrics: what a scrape says after known events. The formats are read by real parsers in `tests/clients`.

use crate::support::*;
use std::collections::BTreeMap;

/// The values of a scrape by series, as it is written.
fn scrape(proxy: &Proxy) -> BTreeMap<String, f64> {
    let answer = Client::tcp(proxy.admin()).get("localhost", "/metrics");
    assert_eq!((answer.status, answer.field("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8".into()));
    let text = answer.text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.into(), value.parse().unwrap()))
        .collect()
}

fn assert_values(values: &BTreeMap<String, f64>, expected: &[(&str, f64)]) {
    for (name, value) in expected {
        assert_eq!(values.get(*name), Some(value), "{name}");
    }
}

#[test]
fn a_scrape_counts_what_happened() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("admin.listen: \"127.0.0.1:0\"").start();
    let before = scrape(&proxy);
    assert_values(
        &before,
        &[
            ("clearway_requests_total{service=\"api\",class=\"2xx\"}", 0.0),
            ("clearway_faults_total{kind=\"target_unreachable\",side=\"target\"}", 0.0),
            ("clearway_ready", 1.0),
            ("clearway_last_reload_successful", 1.0),
            (&format!("clearway_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0),
        ],
    );
    let mut client = Client::https(&proxy);
    for _ in 0..3 {
        assert_eq!(client.get(API, "/v2.23/tasks.get_all").status, 200);
    }
    assert_eq!(client.send(post(FILES, "/", "12345")).answer().status, 200);
    // Counted in order, like everything on one connection.
    proxy.record(&client.get("www.example.com", "/"));
    let values = scrape(&proxy);
    let target = origin.addr();
    assert_values(
        &values,
        &[
            ("clearway_requests_total{service=\"api\",class=\"2xx\"}", 3.0),
            ("clearway_requests_total{service=\"none\",class=\"4xx\"}", 1.0),
            ("clearway_action_requests_total{action=\"tasks.get_all\"}", 3.0),
            ("clearway_action_request_bytes_total{action=\"files.upload\"}", 5.0),
            ("clearway_action_duration_seconds_count{action=\"tasks.get_all\"}", 3.0),
            ("clearway_request_duration_seconds_count{service=\"api\"}", 3.0),
            ("clearway_request_duration_seconds_bucket{service=\"api\",le=\"+Inf\"}", 3.0),
            ("clearway_request_first_byte_seconds_count{service=\"files\"}", 1.0),
            ("clearway_request_duration_seconds_count{service=\"app\"}", 0.0),
            ("clearway_connections", 1.0),
            ("clearway_tls_handshakes_total", 1.0),
            ("clearway_tls_versions_total{version=\"TLSv1.3\"}", 1.0),
            (&format!("clearway_target_up{{service=\"api\",target=\"{target}\"}}"), 1.0),
            (&format!("clearway_target_state{{service=\"api\",target=\"{target}\",state=\"up\"}}"), 1.0),
            (&format!("clearway_target_requests{{service=\"api\",target=\"{target}\"}}"), 0.0),
            ("clearway_service_maintenance{service=\"api\"}", 0.0),
            ("clearway_workers", 1.0),
            ("clearway_workers_standing", 0.0),
        ],
    );
    let certificate = values.iter().find(|(name, _)| name.starts_with("clearway_certificate_remaining_seconds{"));
    let (name, left) = certificate.unwrap();
    assert!(name.contains("site0.pem") && *left > 100.0 * 86_400.0, "{name} {left}");
    let after = |name: &str| values.iter().find(|(series, _)| series.starts_with(name)).unwrap().1;
    assert!(*after("process_resident_memory_bytes") > 1e6);
    assert!(*after("process_open_fds") > 5.0 && after("process_max_fds") >= after("process_open_fds"));
    assert!(*after("process_start_time_seconds") > 1.7e9);
    assert!(*after("clearway_memory_limit_bytes") > 1e6);
}

#[test]
fn what_operators_and_reloads_do_is_seen() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("admin.listen: \"127.0.0.1:0\"\nreload { watch: false }").start();
    let target = origin.addr();
    assert_eq!(proxy.command(&["maintenance", "on", "app"]).0, 0);
    assert_eq!(proxy.command(&["drain", "files"]).0, 0);
    proxy.edit(|conf| conf + "timeouts.hold: never\n");
    assert!(!proxy.reload(1));
    let values = scrape(&proxy);
    assert_values(
        &values,
        &[
            ("clearway_service_maintenance{service=\"app\"}", 1.0),
            (&format!("clearway_target_up{{service=\"files\",target=\"{target}\"}}"), 0.0),
            (&format!("clearway_target_state{{service=\"files\",target=\"{target}\",state=\"drained\"}}"), 1.0),
            ("clearway_reloads_refused_total", 1.0),
            ("clearway_last_reload_successful", 0.0),
            ("clearway_alarms", 1.0),
        ],
    );
    assert!(values["clearway_last_reload_timestamp_seconds"] > 1.7e9);
}

#[test]
fn names_that_clients_invent_make_no_series() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("admin.listen: \"127.0.0.1:0\"").start();
    let mut client = Client::https(&proxy);
    assert_eq!(client.get(API, "/v2.23/tasks.get_all").status, 200);
    proxy.record(&client.get(API, "/v2.23/invented.first"));
    let before = scrape(&proxy);
    let answers = (0..50).map(|number| {
        let request = format!(
            "GET /v2.23/invented.n{number} HTTP/1.1\r\nHost: {API}\r\nX-ClearML-Worker: w{number}\r\n\
             User-Agent: agent-{number}\r\nX-ClearML-Client: c-{number}\r\n\r\n"
        );
        client.send(request).answer()
    });
    proxy.record(&answers.last().unwrap());
    let after = scrape(&proxy);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert!(after.len() < 600, "{} series", after.len());
    assert_values(&after, &[("clearway_action_requests_total{action=\"other\"}", 51.0)]);
}
