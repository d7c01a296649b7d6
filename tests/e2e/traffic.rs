//! Traffic: what the log and the counters say of ClearML's calls, programs and workers.

use crate::support::*;
use serde_json::Value;

fn from_agent(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {API}\r\nX-ClearML-Worker: gpu-1:0\r\nX-Trains-Worker: gpu-1:0\r\n\
         X-ClearML-Agent: api-3.0.3\r\nContent-Length: 2\r\n\r\n{{}}"
    )
}

fn assert_counted(proxy: &Proxy, expected: &[(&str, &str, u64)]) {
    for (name, label, value) in expected {
        assert_eq!(proxy.counted_with(name, label), *value, "{name} {label}");
    }
}

#[test]
fn lines_name_the_action_the_worker_and_the_program() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let answer = client.send(from_agent("/v2.23/queues.get_next_task")).answer();
    let record = proxy.record(&answer);
    assert_eq!(
        (&record["action"], &record["worker"], &record["program"]),
        (&"queues.get_next_task".into(), &"gpu-1:0".into(), &"api-3.0.3".into()),
        "{record}"
    );
    assert_eq!(record["client"], "127.0.0.1", "the client is an address");
    for (request, action) in [
        (get(API, "/v2.23/tasks.invented"), "other"),
        (get(API, "/v999.0/projects.get_all_ex"), "projects.get_all_ex"),
        (get(APP, "/projects"), "app.page"),
        (post(FILES, "/", "x"), "files.upload"),
        (get(FILES, "/p/t.1/m.bin"), "files.download"),
        (format!("DELETE /p/t.1/m.bin HTTP/1.1\r\nHost: {FILES}\r\n\r\n"), "files.delete"),
        (format!("OPTIONS /tasks.create HTTP/1.1\r\nHost: {API}\r\n\r\n"), "api.preflight"),
    ] {
        let answer = client.send(request).answer();
        let record = proxy.record(&answer);
        assert_eq!((&record["action"], &record["worker"]), (&action.into(), &Value::Null), "{record}");
    }
    let refused = proxy.record(&client.get("www.example.com", "/v2.23/tasks.create"));
    assert!(refused["action"].is_null(), "what belongs to no service has no action: {refused}");
}

#[test]
fn a_worker_cannot_write_lines_of_its_own() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let mut client = Client::https(&proxy);
    let long = "w".repeat(5_000);
    for (worker, logged) in
        [("a\",\"status\":\"999", "a\",\"status\":\"999".to_owned()), (&long, "w".repeat(1024) + "...")]
    {
        let request = format!(
            "GET /tasks.ping HTTP/1.1\r\nHost: {API}\r\nX-ClearML-Worker: {worker}\r\nX-ClearML-Client: c\"{worker}\r\n\r\n"
        );
        let answer = client.send(request).answer();
        let record = proxy.record(&answer);
        assert_eq!((&record["worker"], &record["status"]), (&logged.into(), &200.into()));
    }
}

#[test]
fn requests_are_counted_by_action_program_and_worker() {
    let origin = Origin::script(|visit| {
        loop {
            let request = visit.request()?;
            let failing = request.head.line.contains("events.add_batch");
            visit.write(if failing { "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_owned() } else { ok("ok") })?;
        }
    });
    let mut proxy = Run::to(&origin).conf("log { filter: \"debug\" }\nworkers: 2").start();
    for _ in 0..4 {
        let mut client = Client::https(&proxy);
        client.send(from_agent("/v2.23/queues.get_next_task")).answer();
        client.send(from_agent("/v2.23/events.add_batch")).answer();
        client.get(APP, "/");
        client.get(API, "/invented");
    }
    Client::https(&proxy).send(post(FILES, "/", "12345")).answer();
    proxy.stop();
    assert_counted(
        &proxy,
        &[
            ("clearway_action_requests_total", "\"queues.get_next_task\"", 4),
            ("clearway_action_failed_total", "\"queues.get_next_task\"", 0),
            ("clearway_action_request_bytes_total", "\"queues.get_next_task\"", 8),
            ("clearway_action_answer_bytes_total", "\"queues.get_next_task\"", 8),
            ("clearway_action_requests_total", "\"events.add_batch\"", 4),
            ("clearway_action_failed_total", "\"events.add_batch\"", 4),
            ("clearway_action_requests_total", "\"app.page\"", 4),
            ("clearway_action_requests_total", "\"other\"", 4),
            ("clearway_action_request_bytes_total", "\"files.upload\"", 5),
            ("clearway_program_requests_total", "\"agent\"", 8),
            ("clearway_program_requests_total", "\"other\"", 9),
        ],
    );
    let workers = proxy.events().json().into_iter().filter(|event| event["message"] == "a worker's requests");
    let workers = workers
        .map(|event| {
            (event["worker"].as_str().unwrap().to_owned(), event["requests"].as_u64(), event["failed"].as_u64())
        })
        .collect::<Vec<_>>();
    assert_eq!(workers, [("gpu-1:0".to_owned(), Some(8), Some(4))]);
}
