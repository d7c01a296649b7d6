use super::super::metrics::{Counter, Metrics};
use super::*;
use crate::clearml::{Action, Program};
use crate::domain::addr::PeerAddr;
use crate::domain::facts::{ListenerKind, TlsFacts};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::names::ServiceName;
use crate::domain::settings::{LogFile, Rotation};
use http::{Request, StatusCode, Version};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::num::NonZeroUsize;
use std::path::Path;

fn settings(format: AccessFormat, file: &Path) -> AccessLogSettings {
    AccessLogSettings {
        enabled: true,
        format,
        file: LogFile::Path(file.to_owned()),
        rotation: Rotation::default(),
        health_checks: NonZeroUsize::MIN,
    }
}

fn facts(peer: &str, tls: bool) -> Arc<ConnectionFacts> {
    Arc::new(ConnectionFacts {
        id: 7,
        peer: PeerAddr::new(peer.parse().unwrap()),
        local: "127.0.0.1:8443".parse().unwrap(),
        listener: if tls { ListenerKind::Https } else { ListenerKind::Http },
        tls: tls.then_some(TlsFacts {
            version: "TLSv1.3",
            cipher: "TLS_AES_128_GCM_SHA256",
            server_name: None,
            http2: true,
            resumed: false,
            asked: None,
            client: None,
        }),
    })
}

fn get(target: &str) -> Request<()> {
    Request::builder().uri(target).header("host", "app.x:8443").header("user-agent", "curl/8").body(()).unwrap()
}

/// 2024-02-29T12:34:56.089Z
fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_709_210_096_089)
}

/// What a log in `format` says after `work` with it.
fn logged(format: AccessFormat, metrics: &Metrics, work: impl FnOnce(&AccessLog)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let writer = AccessWriter::start(&settings(format, &file), wall).unwrap();
    work(&writer.for_worker(metrics.worker(0), Recent::default(), Instant::now));
    writer.finish();
    std::fs::read_to_string(file).unwrap()
}

fn record(log: &AccessLog, facts: &Arc<ConnectionFacts>, request: &Request<()>) -> AccessRecord {
    log.start(facts, request, HeaderValue::from_static("r-1"), Instant::now(), wall())
}

fn one_json(
    format_record: impl FnOnce(&mut AccessRecord),
    facts: &Arc<ConnectionFacts>,
    request: &Request<()>,
) -> Value {
    let text = logged(AccessFormat::Json, &Metrics::new(1), |log| format_record(&mut record(log, facts, request)));
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_full_record_has_every_key() {
    let mut line = one_json(
        |record| {
            record.client = "203.0.113.9".parse().unwrap();
            record.service = Some(ServiceName::App);
            record.action = Action::all().last();
            record.worker = Some(HeaderValue::from_static("gpu\"1"));
            record.client_name = Some(HeaderValue::from_static("clearml-server-2.3.0, clearml-2.1.12"));
            record.address = Some("127.0.0.1:8080".into());
            record.status = Some(StatusCode::OK);
            record.queue = Some(Duration::from_micros(15));
            record.connect = Some(Duration::from_micros(1_234));
            record.first_byte = Some(Duration::from_millis(20));
            (record.bytes_in, record.bytes_out) = (5, 6);
            record.upgraded = true;
        },
        &facts("[2001:db8::1]:5000", true),
        &get("/a?b=1&token=abc"),
    );
    assert!(line["total_ms"].as_f64().unwrap() >= 0.0);
    line.as_object_mut().unwrap().remove("total_ms");
    assert_eq!(
        line,
        json!({
            "time": "2024-02-29T12:34:56.089Z", "request_id": "r-1", "connection": 7, "client": "203.0.113.9",
            "peer": "[2001:db8::1]:5000", "listener": "https", "protocol": "HTTP/1.1", "tls": "TLSv1.3",
            "method": "GET", "host": "app.x:8443", "path": "/a?b=1&token=***", "service": "app",
            "action": "workers.unregister", "worker": "gpu\"1", "program": "clearml-2.1.12",
            "target": "127.0.0.1:8080", "status": 200, "fault": null, "bytes_in": 5, "bytes_out": 6,
            "queue_ms": 0.015, "connect_ms": 1.234, "first_byte_ms": 20.0, "user_agent": "curl/8", "upgraded": true
        })
    );
}

#[test]
fn keys_without_a_value_are_left_out() {
    let request = Request::builder().uri("/").version(Version::HTTP_2).body(()).unwrap();
    let line = one_json(
        |record| {
            record.status = Some(StatusCode::NOT_FOUND);
            record.fault = Some(Fault::new(FaultKind::UnknownHost, ""));
        },
        &facts("127.0.0.1:5000", false),
        &request,
    );
    let keys = line.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>();
    let expected = [
        "time",
        "request_id",
        "connection",
        "client",
        "peer",
        "listener",
        "protocol",
        "method",
        "path",
        "status",
        "fault",
        "fault_side",
        "bytes_in",
        "bytes_out",
        "total_ms",
        "upgraded",
    ];
    assert!(expected.iter().all(|key| keys.contains(key)) && keys.len() == expected.len(), "{keys:?}");
    assert_eq!(line["fault"], "unknown_host");
    assert_eq!(line["fault_side"], "client");
    assert_eq!(line["protocol"], "HTTP/2.0");
    assert_eq!(line["peer"], "127.0.0.1:5000");
}

#[test]
fn a_request_without_an_answer_is_logged_as_499() {
    let (facts, request) = (facts("127.0.0.1:1", true), get("/"));
    let line = one_json(|_| (), &facts, &request);
    assert_eq!((&line["status"], &line["fault"]), (&json!(499), &json!("client_gone")));
    let stopped = |record: &mut AccessRecord| record.fault = Some(Fault::new(FaultKind::Stopping, ""));
    let line = one_json(stopped, &facts, &request);
    assert_eq!((&line["status"], &line["fault"]), (&json!(499), &json!("stopping")));
    let text = logged(AccessFormat::Json, &Metrics::new(1), |log| {
        let record = record(log, &facts, &request);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _record = record;
            std::panic::resume_unwind(Box::new("on purpose"));
        }));
        assert!(panicked.is_err());
    });
    assert!(text.contains("\"fault\":\"internal\""), "{text}");
}

#[test]
fn the_host_comes_from_the_authority_where_no_field_names_it_and_without_user_information() {
    let facts = facts("127.0.0.1:1", true);
    let request = Request::builder().uri("https://api.x/a?b").body(()).unwrap();
    let line = one_json(|_| (), &facts, &request);
    assert_eq!((&line["host"], &line["path"]), (&json!("api.x"), &json!("/a?b")));
    let request = Request::builder().uri("/").header("host", "me:hunter2@app.x").body(()).unwrap();
    assert_eq!(one_json(|_| (), &facts, &request)["host"], "***@app.x");
    let request = Request::builder().method("CONNECT").uri("app.x:443").body(()).unwrap();
    let line = one_json(|_| (), &facts, &request);
    assert_eq!((&line["host"], &line["path"]), (&json!("app.x:443"), &json!("")));
}

#[test]
fn the_common_format_is_common() {
    let text = logged(AccessFormat::Common, &Metrics::new(1), |log| {
        let facts = facts("127.0.0.1:5000", true);
        let mut with_body = record(log, &facts, &get("/a?key=1"));
        with_body.status = Some(StatusCode::OK);
        with_body.bytes_out = 2326;
        drop(with_body);
        drop(record(log, &facts, &get("/%22\"x")));
    });
    assert_eq!(
        text,
        "127.0.0.1 - - [29/Feb/2024:12:34:56 +0000] \"GET /a?key=*** HTTP/1.1\" 200 2326\n\
         127.0.0.1 - - [29/Feb/2024:12:34:56 +0000] \"GET /%22\\x22x HTTP/1.1\" 499 -\n"
    );
}

#[test]
fn each_record_is_counted_and_written_once() {
    let metrics = Metrics::new(1);
    let text = logged(AccessFormat::Json, &metrics, |log| {
        let facts = facts("127.0.0.1:1", true);
        for index in 0..500 {
            let mut record = record(log, &facts, &get(&format!("/{index}")));
            record.status = Some(StatusCode::OK);
            record.service = Some(ServiceName::Files);
            (record.bytes_in, record.bytes_out) = (1, 2);
            if index % 100 == 0 {
                record.fault = Some(Fault::new(FaultKind::Truncated, ""));
                log.flush();
            }
        }
    });
    let paths = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["path"].clone());
    assert_eq!(paths.collect::<Vec<_>>(), (0..500).map(|index| json!(format!("/{index}"))).collect::<Vec<_>>());
    assert_eq!(
        metrics.to_string(),
        "clearway_request_body_bytes_total 500\nclearway_answer_body_bytes_total 1000\n\
         clearway_requests_total{service=\"files\",class=\"2xx\"} 500\n\
         clearway_faults_total{kind=\"truncated_answer\",side=\"target\"} 5\n"
    );
}

#[test]
fn a_record_counts_for_its_action_its_worker_and_its_program() {
    let metrics = Metrics::new(2);
    let folder = tempfile::tempdir().unwrap();
    let off = AccessLogSettings { enabled: false, ..settings(AccessFormat::Json, folder.path()) };
    let writer = AccessWriter::start(&off, wall).unwrap();
    let logs = [0, 1].map(|index| writer.for_worker(metrics.worker(index), Recent::default(), Instant::now));
    let facts = facts("127.0.0.1:1", true);
    let polls = Action::of(ServiceName::Api, &http::Method::GET, "/v2.23/queues.get_next_task");
    for (log, status, fault, took) in [
        (&logs[0], Some(200), None, 2),
        (&logs[0], Some(401), None, 2),
        (&logs[0], Some(502), Some(FaultKind::Broken), 2),
        (&logs[1], Some(200), Some(FaultKind::Truncated), 200),
        (&logs[1], Some(200), Some(FaultKind::ClientGone), 200),
        (&logs[1], None, None, 200),
    ] {
        let mut record = record(log, &facts, &get("/"));
        (record.action, record.program) = (Some(polls), Program::Agent);
        record.worker = Some(HeaderValue::from_static("gpu-1"));
        record.client_name = Some(HeaderValue::from_static("api-3.0.3"));
        record.status = status.map(|status| StatusCode::from_u16(status).unwrap());
        record.fault = fault.map(|kind| Fault::new(kind, ""));
        record.first_byte = Some(Duration::from_millis(took));
        (record.bytes_in, record.bytes_out) = (10, 20);
    }
    let traffic = metrics.traffic();
    let [action] = traffic.actions.as_slice() else { panic!("{traffic:?}") };
    assert_eq!((action.action, action.requests, action.refused, action.failed), ("queues.get_next_task", 6, 1, 2));
    assert_eq!((action.bytes_in, action.bytes_out), (60, 120));
    assert_eq!((action.queue.count(), action.connect.count(), action.total.count()), (0, 0, 6));
    assert_eq!((action.first_byte.count(), action.first_byte.sum_micros), (6, 606_000));
    assert_eq!(action.first_byte.percentile(50), Some(Duration::from_micros(2_500)));
    assert_eq!(traffic.programs, [0, 0, 6, 0]);
    for (heavies, name) in [(&traffic.workers, "gpu-1"), (&traffic.clients, "api-3.0.3")] {
        let [heavy] = heavies.as_slice() else { panic!("{heavies:?}") };
        assert_eq!((heavy.name.as_str(), heavy.requests, heavy.over, heavy.failed), (name, 6, 0, 2));
        assert_eq!((heavy.bytes_in, heavy.bytes_out), (60, 120));
    }
    assert!(metrics.to_string().contains("clearway_action_requests_total{action=\"queues.get_next_task\"} 6\n"));
    assert!(metrics.to_string().contains("clearway_program_requests_total{program=\"agent\"} 6\n"));
}

#[test]
fn a_full_buffer_is_handed_over_without_a_tick() {
    logged(AccessFormat::Json, &Metrics::new(1), |log| {
        let buffered = || log.lines().bytes.len();
        let (facts, request) = (facts("127.0.0.1:1", true), get("/"));
        let lengths = (0..1000).map(|_| {
            drop(record(log, &facts, &request));
            buffered()
        });
        let lengths = lengths.collect::<Vec<_>>();
        assert!(lengths.contains(&0) && lengths.iter().all(|length| *length < FLUSH_BYTES));
        drop(record(log, &facts, &request));
        log.flush();
        assert_eq!(buffered(), 0);
    });
}

#[test]
fn a_disabled_log_counts_but_opens_no_file() {
    let metrics = Metrics::new(1);
    let settings = AccessLogSettings { enabled: false, ..settings(AccessFormat::Json, Path::new("/nonexistent/log")) };
    let writer = AccessWriter::start(&settings, wall).unwrap();
    let log = writer.for_worker(metrics.worker(0), Recent::default(), || unreachable!("the clock is not read"));
    drop(log.start(&facts("127.0.0.1:1", true), &get("/"), HeaderValue::from_static("r"), Instant::now(), wall()));
    log.flush();
    writer.finish();
    assert_eq!(metrics.faults(FaultKind::ClientGone), 1);
}

#[test]
fn lines_after_the_end_are_counted_as_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = Metrics::new(1);
    let writer = AccessWriter::start(&settings(AccessFormat::Json, &folder.path().join("log")), wall).unwrap();
    let log = writer.for_worker(metrics.worker(0), Recent::default(), Instant::now);
    writer.finish();
    drop(record(&log, &facts("127.0.0.1:1", true), &get("/")));
    log.flush();
    assert_eq!(metrics.total(Counter::AccessLinesDropped), 1);
}

#[test]
fn long_values_are_cut_and_show_it() {
    let target = format!("/?a={}&token=abc", "x".repeat(escape::PATH_BYTES_MAX));
    let request = Request::builder().uri(target).header("user-agent", "u".repeat(5000)).body(()).unwrap();
    let line = one_json(|_| (), &facts("127.0.0.1:1", true), &request);
    assert_eq!(line["path"].as_str().unwrap().len(), escape::PATH_BYTES_MAX + 3);
    assert_eq!(line["user_agent"].as_str().unwrap().len(), escape::FIELD_BYTES_MAX + 3);
}

#[test]
fn printing_a_record_shows_no_target() {
    logged(AccessFormat::Json, &Metrics::new(1), |log| {
        let record = record(log, &facts("127.0.0.1:1", true), &get("/?token=abc"));
        assert!(!format!("{record:?}").contains("abc"));
    });
}

/// Any bytes that a field or a target can carry at all.
fn hostile() -> impl Strategy<Value = (Request<()>, HeaderValue)> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..64);
    let value = move || bytes().prop_filter_map("no field value", |bytes| HeaderValue::from_bytes(&bytes).ok());
    let target = bytes().prop_filter_map("no target", |bytes| {
        let target = [b"/".as_slice(), &bytes].concat();
        http::Uri::try_from(target).ok().filter(|target| target.path_and_query().is_some())
    });
    let target =
        prop_oneof![target, "/[ -~é\u{80}-\u{9f}]{0,40}".prop_filter_map("no target", |text| text.parse().ok())];
    (target, value(), value(), value()).prop_map(|(target, host, agent, id)| {
        let request = Request::builder().uri(target).header("host", host).header("user-agent", agent);
        (request.body(()).unwrap(), id)
    })
}

proptest! {
    #[test]
    fn json_lines_parse_whatever_a_client_sends((request, id) in hostile()) {
        let text = logged(AccessFormat::Json, &Metrics::new(1), |log| {
            drop(log.start(&facts("127.0.0.1:1", true), &request, id.clone(), Instant::now(), wall()));
        });
        prop_assert_eq!(text.matches('\n').count(), 1);
        prop_assert!(!text.trim_end_matches('\n').chars().any(char::is_control), "{:?}", text);
        let line: Value = serde_json::from_str(&text).unwrap();
        if let Ok(agent) = std::str::from_utf8(request.headers()["user-agent"].as_bytes()) {
            prop_assert_eq!(line["user_agent"].as_str(), Some(agent));
        }
    }

    #[test]
    fn common_lines_carry_only_printable_ascii((request, id) in hostile()) {
        let text = logged(AccessFormat::Common, &Metrics::new(1), |log| {
            drop(log.start(&facts("127.0.0.1:1", true), &request, id, Instant::now(), wall()));
        });
        let line = text.strip_suffix('\n').unwrap();
        prop_assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{:?}", line);
        prop_assert_eq!(line.matches('"').count(), 2);
    }
}

/// Not a test: `cargo test --profile release-dev --lib -- --ignored --nocapture cost_of_a_line`.
#[test]
#[ignore = "a measurement"]
fn cost_of_a_line() {
    let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
    let metrics = Metrics::new(1);
    for target in ["/v2.30/tasks.get_all_ex", "/v2.30/tasks.get_all_ex?page=3&page_size=15"] {
        let mut request = get(target);
        request.headers_mut().insert("user-agent", HeaderValue::from_static(agent));
        for format in [AccessFormat::Json, AccessFormat::Common] {
            for enabled in [true, false] {
                let settings = AccessLogSettings { enabled, ..settings(format, Path::new("/dev/null")) };
                let writer = AccessWriter::start(&settings, wall).unwrap();
                let log = writer.for_worker(metrics.worker(0), Recent::default(), Instant::now);
                // The least of many short runs: the machine has other work too.
                let cost = (0..200).map(|_| cost_of_records(&log, &request, 2_000)).min().unwrap();
                println!("{target} {format:?} enabled={enabled}: {cost:?} a record");
                writer.finish();
            }
        }
    }
    println!("{metrics}");
}

fn cost_of_records(log: &AccessLog, request: &Request<()>, count: u32) -> Duration {
    let facts = facts("203.0.113.9:51234", true);
    let address: Arc<str> = "127.0.0.1:8008".into();
    let begun = Instant::now();
    for _ in 0..count {
        let mut record = log.start(&facts, request, HeaderValue::from_static("0198f3c2a1b4"), begun, wall());
        record.status = Some(StatusCode::OK);
        record.service = Some(ServiceName::Api);
        record.address = Some(Arc::clone(&address));
        record.queue = Some(Duration::from_micros(12));
        record.connect = Some(Duration::from_micros(345));
        record.first_byte = Some(Duration::from_micros(6789));
        (record.bytes_in, record.bytes_out) = (120, 45_678);
    }
    begun.elapsed() / count
}

/// One answered request in `format`, without the time it took.
fn line_in(format: AccessFormat, change: impl FnOnce(&mut AccessRecord)) -> String {
    logged(format, &Metrics::new(1), |log| {
        let request = Request::builder()
            .uri("/a?b=1&token=abc")
            .header("host", "files.x")
            .header("user-agent", "py\"thon")
            .header("referer", "https://app.x/p?secret=1")
            .body(())
            .unwrap();
        let mut record = record(log, &facts("[2001:db8::1]:5000", true), &request);
        record.client = "203.0.113.9".parse().unwrap();
        record.service = Some(ServiceName::Files);
        record.status = Some(StatusCode::OK);
        (record.bytes_in, record.bytes_out) = (5, 6_000_000);
        change(&mut record);
    })
}

fn forwarded(record: &mut AccessRecord) {
    record.address = Some("127.0.0.1:8081".into());
    (record.queue, record.connect) = (Some(Duration::from_millis(1)), Some(Duration::from_millis(2)));
    record.first_byte = Some(Duration::from_millis(20));
}

#[test]
fn the_combined_format_adds_referrer_and_agent() {
    assert_eq!(
        line_in(AccessFormat::Combined, forwarded),
        "203.0.113.9 - - [29/Feb/2024:12:34:56 +0000] \"GET /a?b=1&token=*** HTTP/1.1\" 200 6000000 \
         \"https://app.x/p?secret=***\" \"py\\x22thon\"\n"
    );
}

#[test]
fn people_read_what_matters_first() {
    let line = line_in(AccessFormat::Pretty, |record| {
        forwarded(record);
        record.fault = Some(Fault::new(FaultKind::Truncated, ""));
    });
    let (start, rest) = line.split_once("ms ").unwrap();
    assert!(start.starts_with("12:34:56.089 200 GET files.x/a?b=1&token=*** "), "{start}");
    assert_eq!(rest, "in 5B out 5859KiB from 203.0.113.9 to 127.0.0.1:8081 fault target: truncated_answer\n");
}

#[test]
fn a_load_balancers_line_has_its_fields_in_their_order() {
    let line = line_in(AccessFormat::Alb, forwarded);
    let fields = line.trim_end().split(' ').collect::<Vec<_>>();
    assert_eq!(fields[0], "https");
    assert!(fields[1].starts_with("2024-02-29T12:34:56.") && fields[1].ends_with('Z'), "{line}");
    assert_eq!(&fields[3..7], ["203.0.113.9:5000", "127.0.0.1:8081", "0.003", "0.020"]);
    assert_eq!(&fields[8..12], ["200", "200", "5", "6000000"]);
    assert_eq!(&fields[12..16], ["\"GET", "https://files.x:8443/a?b=1&token=***", "HTTP/1.1\"", "\"py\\x22thon\""]);
    assert_eq!(&fields[16..20], ["TLS_AES_128_GCM_SHA256", "TLSv1.3", "files", "\"r-1\""]);
    assert_eq!(
        &fields[20..],
        [
            "\"-\"",
            "\"-\"",
            "3",
            "2024-02-29T12:34:56.089000Z",
            "\"forward\"",
            "\"-\"",
            "\"-\"",
            "\"127.0.0.1:8081\"",
            "\"200\"",
            "\"-\"",
            "\"-\"",
            "TID_7"
        ]
    );
}

#[test]
fn a_load_balancers_line_says_what_never_came_to_a_target() {
    let refused = line_in(AccessFormat::Alb, |record| {
        record.status = Some(StatusCode::BAD_REQUEST);
        record.fault = Some(Fault::new(FaultKind::BadLength, ""));
    });
    assert!(refused.contains(" - -1 -1 -1 400 - "), "{refused}");
    assert!(refused.contains("\"fixed-response\" \"-\" \"bad_length\" \"-\" \"-\" \"Severe\""), "{refused}");
    let redirected = line_in(AccessFormat::Alb, |record| {
        record.status = Some(StatusCode::PERMANENT_REDIRECT);
        record.redirect = Some(HeaderValue::from_static("https://app.x/a?token=SECRET&b=1"));
    });
    assert!(redirected.contains("\"redirect\" \"https://app.x/a?token=***&b=1\" \"-\""), "{redirected}");
}

#[test]
fn of_healthy_checks_one_in_so_many_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let settings =
        AccessLogSettings { health_checks: NonZeroUsize::new(10).unwrap(), ..settings(AccessFormat::Json, &file) };
    let writer = AccessWriter::start(&settings, wall).unwrap();
    let log = writer.for_worker(Metrics::new(1).worker(0), Recent::default(), Instant::now);
    for (path, status, count) in [("/debug.ping", 200, 25), ("/debug.ping", 503, 4), ("/tasks.create", 200, 2)] {
        for _ in 0..count {
            let mut record = record(&log, &facts("127.0.0.1:5000", true), &get(path));
            record.service = Some(ServiceName::Api);
            record.status = StatusCode::from_u16(status).ok();
        }
    }
    writer.finish();
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 3 + 4 + 2);
}

#[test]
fn a_change_of_file_and_form_loses_and_mixes_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let metrics = Metrics::new(1);
    let writer = AccessWriter::start(&settings(AccessFormat::Json, &first), wall).unwrap();
    let log = writer.for_worker(metrics.worker(0), Recent::default(), Instant::now);
    let facts = facts("127.0.0.1:1", true);
    let open = record(&log, &facts, &get("/open"));
    drop(record(&log, &facts, &get("/one")));
    writer.change(writer.open(&settings(AccessFormat::Common, &second)).unwrap());
    drop(open);
    let disabled = AccessLogSettings { enabled: false, ..settings(AccessFormat::Json, &first) };
    writer.change(writer.open(&disabled).unwrap());
    drop(record(&log, &facts, &get("/unseen")));
    // The usual rotation: the file is renamed, then opened anew under its name.
    std::fs::rename(&first, folder.path().join("rotated")).unwrap();
    writer.change(writer.open(&settings(AccessFormat::Json, &first)).unwrap());
    drop(record(&log, &facts, &get("/three")));
    writer.finish();
    let lines = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(lines("rotated").contains("/one") && lines("rotated").lines().count() == 1);
    assert!(lines("second").contains("\"GET /open ") && lines("second").lines().count() == 1);
    assert!(lines("first").contains("/three") && lines("first").lines().count() == 1);
}

#[test]
fn a_log_may_be_enabled_later() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let enabled = settings(AccessFormat::Json, &file);
    let writer = AccessWriter::start(&AccessLogSettings { enabled: false, ..enabled.clone() }, wall).unwrap();
    let log = writer.for_worker(Metrics::new(1).worker(0), Recent::default(), Instant::now);
    drop(record(&log, &facts("127.0.0.1:1", true), &get("/unseen")));
    assert!(writer.open(&settings(AccessFormat::Json, Path::new("/nonexistent/log"))).is_err());
    writer.change(writer.open(&enabled).unwrap());
    drop(record(&log, &facts("127.0.0.1:1", true), &get("/seen")));
    writer.finish();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("/seen") && text.lines().count() == 1, "{text}");
}
