"""Traces, as a collector gets them: OTLP over HTTP, decoded with OpenTelemetry's own messages.

Needs a binary with the feature `otlp`: CLEARWAY_OTLP_BIN. `.ci/run` builds it.
"""

import http.server
import os
import queue
import threading
import time

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from proxy import ON_LOOPBACK, Proxy, free_port

WAIT_SEC = 60
PARENT_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_SPAN = "00f067aa0ba902b7"

pytestmark = pytest.mark.skipif("CLEARWAY_OTLP_BIN" not in os.environ, reason="needs a binary with the feature otlp")


class Collector:
    """Takes spans; answers with the statuses it was given, then 200."""

    def __init__(self, *statuses, rejected=0):
        self.spans, self.requests, statuses = queue.Queue(), [], list(statuses)
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = statuses.pop(0) if statuses else 200
                collector.requests.append((self.path, self.headers["Content-Type"], status))
                answer = ExportTraceServiceResponse()
                answer.partial_success.rejected_spans = rejected
                told = answer.SerializeToString() if status == 200 else b""
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)
                if status == 200:
                    message = ExportTraceServiceRequest.FromString(body)
                    for resource_spans in message.resource_spans:
                        for scope_spans in resource_spans.scope_spans:
                            for span in scope_spans.spans:
                                collector.spans.put((resource_spans.resource, span))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/v1/traces"


@pytest.fixture(autouse=True)
def binary(monkeypatch):
    monkeypatch.setenv("CLEARWAY_BIN", os.environ["CLEARWAY_OTLP_BIN"])


def proxy_to(folder, url, more="traces.one_in: 1"):
    return Proxy(folder, "--demo", config=ON_LOOPBACK + f'admin.listen: "127.0.0.1:0"\ntraces.endpoint: "{url}"\n{more}\n')


def session_of(proxy):
    session = requests.Session()
    session.verify, session.trust_env = proxy.authority, False
    return session


def attributes(owner):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in owner.attributes}


def counted(proxy, name):
    scrape = requests.get(f"http://127.0.0.1:{proxy.ports['admin']}/metrics", timeout=30).text
    [value] = [line.split()[1] for line in scrape.splitlines() if line.startswith(name + " ")]
    return int(value)


def wait_counted(proxy, name, value):
    deadline = time.monotonic() + WAIT_SEC
    while counted(proxy, name) != value:
        assert time.monotonic() < deadline, f"{name}: {counted(proxy, name)}, not {value}"
        time.sleep(0.05)


def test_a_request_arrives_as_a_span(tmp_path):
    with Collector() as collector, proxy_to(tmp_path, collector.url) as proxy, session_of(proxy) as session:
        before = time.time_ns()
        answer = session.post(
            proxy.url("api", "/v2.23/debug.ping?token=secret&a=1"), data=b'{"a": 1}', timeout=30,
            headers={"X-ClearML-Worker": "gpu-1:0"},
        )
        resource, span = collector.spans.get(timeout=WAIT_SEC)
        about, said = attributes(resource), attributes(span)
        assert about["service.name"] == "clearway" and about["service.version"] and about["service.instance.id"]
        assert (span.name, span.kind, span.parent_span_id, span.flags & 1) == ("debug.ping", 2, b"", 1)
        assert span.trace_id.hex() == answer.headers["X-Request-Id"] == said["clearway.request_id"]
        assert len(span.span_id) == 8
        assert before - 10**9 < span.start_time_unix_nano < span.end_time_unix_nano < time.time_ns()
        assert said["http.request.method"] == "POST" and said["http.response.status_code"] == answer.status_code
        assert said["url.path"] == "/v2.23/debug.ping" and "secret" not in str(said) and "a=1" in said["url.query"]
        assert said["clearway.service"] == "api" and said["clearway.worker"] == "gpu-1:0"
        assert said["http.request.body.size"] == 8 and said["http.response.body.size"] == len(answer.content)
        assert said["clearway.first_byte_seconds"] > 0
        assert collector.requests[0][:2] == ("/v1/traces", "application/x-protobuf")


def test_the_parent_decides_and_is_named(tmp_path):
    config = "traces.one_in: 1000000"
    with Collector() as collector, proxy_to(tmp_path, collector.url, config) as proxy, session_of(proxy) as session:
        for flags in ("00", "01"):
            parent = f"00-{PARENT_TRACE}-{PARENT_SPAN}-{flags}"
            session.get(proxy.url("api", "/debug.ping"), headers={"traceparent": parent}, timeout=30)
        _, span = collector.spans.get(timeout=WAIT_SEC)
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == (PARENT_TRACE, PARENT_SPAN)
        assert span.span_id.hex() != PARENT_SPAN
        assert {record["trace_id"] for record in proxy.records(2, action="debug.ping")} == {PARENT_TRACE}
        wait_counted(proxy, "clearway_spans_sent_total", 1)
        assert collector.spans.empty(), "the first was not sampled"


def test_failures_are_marked_also_where_no_target_was_reached(tmp_path):
    closed = f'targets: ["127.0.0.1:{free_port()}"]'
    with Collector() as collector:
        config = (
            ON_LOOPBACK
            + f"services {{ app {{ {closed} }}, api {{ {closed} }}, files {{ {closed} }} }}\n"
            + f'health.enabled: false, timeouts.hold: 1s, traces {{ one_in: 1, endpoint: "{collector.url}" }}\n'
        )
        with Proxy(tmp_path, config=config) as proxy, session_of(proxy) as session:
            answer = session.get(proxy.url("api", "/debug.ping"), timeout=30)
            assert answer.status_code == 503
            _, span = collector.spans.get(timeout=WAIT_SEC)
            said = attributes(span)
            fault = answer.headers["X-Fault"].split("; ")[1]
            assert (span.name, span.status.code, span.status.message) == ("debug.ping", 2, fault)
            assert (said["error.type"], said["http.response.status_code"]) == (fault, 503)
            assert "clearway.first_byte_seconds" not in said


def test_a_collector_that_is_away_is_tried_again_and_what_is_lost_is_counted(tmp_path):
    with Collector(503, 429) as collector, proxy_to(tmp_path, collector.url) as proxy, session_of(proxy) as session:
        session.get(proxy.url("api", "/debug.ping"), timeout=30)
        collector.spans.get(timeout=WAIT_SEC)
        assert [status for *_, status in collector.requests] == [503, 429, 200]
        wait_counted(proxy, "clearway_spans_sent_total", 1)
    with Collector(400) as collector, proxy_to(tmp_path, collector.url) as proxy, session_of(proxy) as session:
        session.get(proxy.url("api", "/debug.ping"), timeout=30)
        wait_counted(proxy, "clearway_spans_lost_total", 1)
        proxy.wait_for("the collector did not take spans; they are lost")
    with Collector(rejected=1) as collector, proxy_to(tmp_path, collector.url) as proxy, session_of(proxy) as session:
        session.get(proxy.url("api", "/debug.ping"), timeout=30)
        wait_counted(proxy, "clearway_spans_lost_total", 1)


def test_the_queue_is_bounded_and_what_waits_is_sent_at_the_end(tmp_path):
    config = "traces { one_in: 1, queue: 1 }"
    with Collector() as collector, proxy_to(tmp_path, collector.url, config) as proxy, session_of(proxy) as session:
        for _ in range(50):
            session.get(proxy.url("api", "/debug.ping"), timeout=30)
        proxy.records(50, action="debug.ping")
        assert counted(proxy, "clearway_limit_spans_total") > 0
        assert proxy.stop() == 0
        assert collector.spans.qsize() >= 1
