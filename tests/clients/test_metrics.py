"""/metrics, read by the parsers of others; and the board and alert rules in deploy/, which may use only what is there."""

import json
import os
import subprocess
from pathlib import Path

import promql_parser
import pytest
import requests
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from proxy import ON_LOOPBACK, Proxy

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy/alerts.yml"
BOARD = ROOT / "deploy/grafana.json"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

# Given to every series by whoever scrapes.
GIVEN = {"job", "instance"}
# Of names that Prometheus makes itself.
OTHERS = {"up"}


@pytest.fixture(scope="module")
def scrape(tmp_path_factory):
    """Scrapes a demo that has done something, in the format that is asked for."""
    folder = tmp_path_factory.mktemp("metrics")
    config = ON_LOOPBACK + 'admin.listen: "127.0.0.1:0"\n'
    with Proxy(folder, "--demo", config=config) as proxy, requests.Session() as session:
        session.verify, session.trust_env = proxy.authority, False
        session.post(proxy.url("api", "/v2.23/debug.ping"), data=b'{"a": 1}', timeout=30)
        session.get(proxy.url("files", "/nothing"), timeout=30)
        session.get(proxy.url("app"), headers={"Host": 'a"b\\c.example'}, timeout=30)
        # Counted when their lines are there.
        proxy.records(3)

        def get(accept):
            answer = session.get(f"http://127.0.0.1:{proxy.ports['admin']}/metrics", headers={"Accept": accept}, timeout=30)
            assert answer.status_code == 200
            return answer

        yield get


def series(families):
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


def test_both_formats_are_read_and_say_the_same(scrape):
    plain, opened = scrape("text/plain"), scrape(OPENMETRICS)
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert opened.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    plain_series, families = series(prometheus(plain.text)), list(openmetrics(opened.text))
    assert set(plain_series) == set(series(families))
    units = {family.name: family.unit for family in families if family.unit}
    assert units["clearway_request_duration_seconds"] == "seconds"
    assert units["clearway_request_body_bytes"] == "bytes"
    assert all(family.documentation for family in families)
    assert plain_series["clearway_action_requests_total", frozenset({("action", "debug.ping")})] == 1
    assert plain_series["clearway_action_request_bytes_total", frozenset({("action", "debug.ping")})] == 8


def promtool(*arguments, **options):
    done = subprocess.run([os.environ["PROMTOOL"], *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_nothing_to_say_about_the_names(scrape):
    promtool("check", "metrics", input=scrape("text/plain").text)


def test_alert_rules_fire_for_what_they_are_for(tmp_path):
    promtool("check", "rules", ALERTS)
    cases = (Path(__file__).parent / "alerts_test.yml").read_text()
    (tmp_path / "cases.yml").write_text(cases.replace("ALERTS", str(ALERTS)))
    promtool("test", "rules", tmp_path / "cases.yml")
    rules = {rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
    tested = {case["alertname"] for test in yaml.safe_load(cases)["tests"] for case in test["alert_rule_test"]}
    assert rules == tested


def expressions():
    """Every expression of the board and of the rules, with where it stands."""
    board = json.loads(BOARD.read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def selectors(node):
    """Every selector below a node of an expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("lhs", "rhs", "expr", "param", "vector_selector"):
        if (child := getattr(node, name, None)) is not None:
            yield from selectors(child)
    for child in getattr(node, "args", None) or []:
        yield from selectors(child)


def grouped(node):
    """The labels that aggregations and joins below a node name."""
    modifier = getattr(node, "modifier", None)
    for part in (modifier, getattr(modifier, "matching", None)):
        yield from getattr(part, "labels", None) or []
    for name in ("lhs", "rhs", "expr", "param"):
        if (child := getattr(node, name, None)) is not None:
            yield from grouped(child)
    for child in getattr(node, "args", None) or []:
        yield from grouped(child)


def test_board_and_rules_use_names_and_labels_that_are_there(scrape):
    values = {}
    for name, labels in series(prometheus(scrape("text/plain").text)):
        for label, value in labels:
            values.setdefault(name, {}).setdefault(label, set()).add(value)
        values.setdefault(name, {})
    used = set()
    for place, text in expressions():
        expression = promql_parser.parse(text)
        found = list(selectors(expression))
        assert found, place
        known = set(GIVEN)
        for selector in found:
            if selector.name in OTHERS:
                continue
            assert selector.name in values, f"{place}: {selector.name} is not exposed"
            used.add(selector.name)
            known |= set(values[selector.name])
            for matcher in selector.matchers.matchers:
                own = values[selector.name].get(matcher.name)
                assert own is not None or matcher.name in GIVEN, f"{place}: {selector.name} has no label {matcher.name}"
                # Only what is there always can be looked up: states come and go.
                if matcher.name in {"class", "side", "reason", "service"} and str(matcher.op) == "MatchOp.Equal":
                    assert matcher.value in own, f"{place}: {matcher.name} is never {matcher.value}"
        assert set(grouped(expression)) <= known, f"{place}: {set(grouped(expression)) - known}"
    # Enough to see that something was read.
    assert len(used) > 40


def test_the_reading_of_expressions_finds_labels():
    expression = promql_parser.parse('sum by (a) (rate(x{b="1"}[5m])) / on (c) group_left y unless on (d) z == 1')
    assert {selector.name for selector in selectors(expression)} == {"x", "y", "z"}
    assert set(grouped(expression)) == {"a", "c", "d"}
