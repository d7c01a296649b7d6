"""Access logs in formats of others, read by the programs that read those."""

import json
import re
import shutil
import subprocess

import pytest
import requests

from proxy import ON_LOOPBACK, Proxy

# The expression of AWS's own table for Amazon Athena: one group for each field.
ATHENA = re.compile(
    r'([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*):([0-9]*) ([^ ]*)[:-]([0-9]*) ([-.0-9]*) ([-.0-9]*) ([-.0-9]*) (|[-0-9]*) '
    r'(-|[-0-9]*) ([-0-9]*) ([-0-9]*) "([^ ]*) (.*) (- |[^ ]*)" "([^"]*)" ([A-Z0-9-_]+) ([A-Za-z0-9.-]*) ([^ ]*) '
    r'"([^"]*)" "([^"]*)" "([^"]*)" ([-.0-9]*) ([^ ]*) "([^"]*)" "([^"]*)" "([^ ]*)" "([^\s]+?)" "([^\s]+)" '
    r'"([^ ]*)" "([^ ]*)" ?([^ ]*)?( .*)?'
)


def written(folder, log_format):
    """The access log of a few requests: four forwarded, one redirected, one refused."""
    log = folder / "access.log"
    config = ON_LOOPBACK + f'access_log {{ format: "{log_format}", file: "{log}" }}\n'
    with Proxy(folder, "--demo", config=config) as proxy, requests.Session() as session:
        session.verify, session.trust_env = proxy.authority, False
        for path in ("/", "/version.json", "/nothing-here", "/configuration.json"):
            session.get(proxy.url("app", path), timeout=30)
        session.get(proxy.url("app", "/login", "http"), allow_redirects=False, timeout=30)
        session.get(proxy.url("app"), headers={"Host": "www.clearml.localhost"}, timeout=30)
        assert proxy.stop() == 0
    return log


def test_an_alb_log_fits_the_table_that_athena_uses(tmp_path):
    lines = [ATHENA.fullmatch(line) for line in written(tmp_path, "alb").read_text().splitlines()]
    assert len(lines) == 6 and all(lines)
    # Each worker writes its lines in its turn, so their order says nothing.
    by_action = {}
    for line in lines:
        by_action.setdefault(line.group(27), []).append(line)
    assert {action: len(found) for action, found in by_action.items()} == {
        "forward": 4, "redirect": 1, "fixed-response": 1,
    }
    assert all(line.group(11) == line.group(12) for line in by_action["forward"])
    assert by_action["redirect"][0].group(28).startswith("https://app.clearml.localhost:")
    assert by_action["fixed-response"][0].group(12) == "-"


@pytest.mark.parametrize(("log_format", "name"), [("alb", "AWSALB"), ("combined", "COMBINED"), ("common", "COMMON")])
def test_goaccess_reads_every_line(tmp_path, log_format, name):
    if not shutil.which("goaccess"):
        pytest.fail("goaccess is not installed: apt-get install goaccess")
    log, report = written(tmp_path, log_format), tmp_path / "report.json"
    done = subprocess.run(
        ["goaccess", str(log), f"--log-format={name}", "--no-global-config", "-o", str(report)],
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    general = json.loads(report.read_text())["general"]
    assert (general["total_requests"], general["failed_requests"]) == (6, 0)


def test_a_rotated_log_loses_no_line(tmp_path):
    log = tmp_path / "access.log"
    config = ON_LOOPBACK + f'access_log {{ file: "{log}", rotation {{ size: "64KiB", keep: 20 }} }}\n'
    with Proxy(tmp_path, "--demo", config=config) as proxy, requests.Session() as session:
        session.verify, session.trust_env = proxy.authority, False
        for number in range(600):
            session.get(proxy.url("app", f"/{number}"), timeout=30)
        assert proxy.stop() == 0
    files = list(tmp_path.glob("access.log*"))
    assert len(files) > 2, files
    paths = [json.loads(line)["path"] for file in files for line in file.read_text().splitlines()]
    assert sorted(paths) == sorted(f"/{number}" for number in range(600))
    assert all(file.stat().st_mode & 0o007 == 0 for file in files)
