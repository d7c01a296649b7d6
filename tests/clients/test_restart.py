"""ClearML's SDK while the API server restarts behind the proxy."""

import subprocess
import sys
import time

import pytest

from conftest import HERE
from forwarder import Forwarder
from proxy import ON_LOOPBACK, Proxy
from test_sdk import said


@pytest.fixture
def restarting(demo, tmp_path):
    """A proxy whose API server can be restarted, and the forwarder in front of it."""
    subprocess.run(["curl", "--silent", "--cacert", demo.authority, "--resolve",
                    f"api.clearml.localhost:{demo.ports['https']}:127.0.0.1", demo.url("api", "/debug.ping")], check=True)
    host, port = demo.records(service="api", path="/debug.ping")[0]["target"].split(":")
    forwarder = Forwarder((host, int(port)))
    config = f'domain: "clearml.localhost"\n{ON_LOOPBACK}services.api.targets: ["127.0.0.1:{forwarder.port}"]\n'
    with Proxy(tmp_path, config=config) as proxy:
        yield proxy, forwarder
    assert proxy.stop() == 0


def test_a_restart_of_the_api_server_fails_no_call(restarting, demo, tmp_path):
    proxy, forwarder = restarting
    conf = demo.client_conf.replace(str(demo.ports["https"]), str(proxy.ports["https"]))
    conf = conf.replace(demo.authority, proxy.authority)
    (tmp_path / "clearml.conf").write_text(conf)
    stop = tmp_path / "stop"
    environment = {
        "PATH": "/usr/bin:/bin", "PYTHONPATH": str(HERE / "names"), "NO_PROXY": "*", "HOME": str(tmp_path),
        "CLEARML_CONFIG_FILE": str(tmp_path / "clearml.conf"), "CLEARML_CACHE_DIR": str(tmp_path / "cache"),
    }
    command = [sys.executable, str(HERE / "sdk/calls.py"), str(stop)]
    callers = [subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
               for _ in range(3)]
    for caller in callers:
        assert caller.stdout.readline() == "ready\n", caller.communicate()
    proxy.records(count=60, service="api", status=200)
    forwarder.go_away()
    # As long as a container takes; there is no event to wait for.
    time.sleep(2)
    forwarder.come_back(serving=False)
    time.sleep(1)
    before = len(proxy.records(service="api", status=200))
    forwarder.come_back(serving=True)
    proxy.records(count=before + 60, service="api", status=200)
    stop.touch()
    for caller in callers:
        output, errors = caller.communicate(timeout=60)
        outcome = said(subprocess.CompletedProcess(command, caller.returncode, output, errors))
        assert outcome["failed"] == [] and outcome["calls"] > 20, outcome
    others = [line for line in proxy.records(service="api") if line["status"] != 200]
    assert len(others) <= len(callers), others
    assert {line["status"] for line in others} <= {502}, others
    for message in ("target is not well", "target is back"):
        proxy.wait_for(message)
