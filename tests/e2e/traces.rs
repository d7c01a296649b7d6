//! Trace context: passed when it is valid, made when there is none, and found again in the log.
//!
//! What is sent to a collector is decoded in `tests/clients/test_traces.py`.

use crate::support::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What the target was told of a request with these fields, and what the log says.
fn told(proxy: &Proxy, origin: &Origin, fields: &str) -> (Vec<String>, Vec<String>, serde_json::Value) {
    let request = format!("GET /v2.23/tasks.get_all HTTP/1.1\r\nHost: {API}\r\n{fields}\r\n");
    let answer = Client::https(proxy).send(request).answer();
    assert_eq!(answer.status, 200);
    let head = origin.last().head;
    (head.fields.all("traceparent"), head.fields.all("tracestate"), proxy.record(&answer))
}

#[test]
fn a_valid_context_passes_as_it_came() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let fields = format!("TraceParent: {PARENT}\r\nTracestate: a=1\r\ntracestate: b=2\r\n");
    let (parent, state, record) = told(&proxy, &origin, &fields);
    assert_eq!(parent, [PARENT]);
    assert_eq!(state, ["a=1", "b=2"]);
    assert_eq!(record["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    let unsampled = PARENT.replace("-01", "-00");
    let (parent, _, _) = told(&proxy, &origin, &format!("traceparent: {unsampled}\r\n"));
    assert_eq!(parent, [unsampled]);
}

#[test]
fn without_a_valid_one_a_context_is_made_of_the_requests_id() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let invalid = format!("{PARENT}-more");
    let twice = format!("traceparent: {PARENT}\r\ntraceparent: {PARENT}\r\n");
    for fields in [
        String::new(),
        format!("traceparent: {invalid}\r\ntracestate: a=1\r\n"),
        String::from("tracestate: a=1\r\n"),
        twice,
        String::from("traceparent: 00-00000000000000000000000000000000-0000000000000000-01\r\n"),
    ] {
        let (parent, state, record) = told(&proxy, &origin, &fields);
        let id = record["request_id"].as_str().unwrap();
        assert_eq!(parent.len(), 1, "{fields}");
        assert!(parent[0].starts_with(&format!("00-{id}-")) && parent[0].ends_with("-00"), "{fields}: {}", parent[0]);
        assert_eq!(parent[0].len(), PARENT.len());
        assert_eq!(state, Vec::<String>::new(), "it belongs to a context that is not there: {fields}");
        assert!(record["trace_id"].is_null(), "the request's id is the trace's: {record}");
    }
    let (parent, _, record) = told(&proxy, &origin, "X-Request-Id: of-a-client\r\n");
    assert_eq!(record["request_id"], "of-a-client");
    assert_eq!(record["trace_id"].as_str().unwrap(), &parent[0][3..35], "an id of another form is no trace's");
    let (first, second) = (told(&proxy, &origin, "").0, told(&proxy, &origin, "").0);
    assert_ne!(first[0][36..52], second[0][36..52], "each request is an operation of its own");
}

#[test]
fn a_program_that_cannot_send_traces_says_so() {
    let origin = Origin::ok();
    let run = Run::to(&origin).conf("traces.endpoint: \"http://127.0.0.1:4318/v1/traces\"");
    if cfg!(feature = "otlp") {
        drop(run.start());
    } else {
        let said = String::from_utf8(run.fail().stderr).unwrap();
        assert!(said.contains("built without the feature `otlp`"), "{said}");
    }
}
