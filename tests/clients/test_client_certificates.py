"""Client certificates, issued and used with the very lines of docs/guide/tls.md."""

import json
import re
import subprocess
import textwrap

import pytest
import requests

from conftest import HERE, run_python
from proxy import DOMAIN, ON_LOOPBACK, Proxy

GUIDE = (HERE.parent.parent / "docs/guide/tls.md").read_text()


def block(language, word):
    """The only block of the guide in this language that has this word."""
    [found] = [text for text in re.findall(rf"```{language}\n(.*?)```", GUIDE, re.S) if word in text]
    return textwrap.dedent(found)


@pytest.fixture(scope="module")
def agents(tmp_path_factory):
    """A folder with an authority for agents, a certificate of one, and a revocation list."""
    folder = tmp_path_factory.mktemp("agents")
    lines = block("sh", "agents-ca.crl").split("# later")[0]
    subprocess.run(["sh", "-ec", lines], cwd=folder, check=True, capture_output=True, text=True)
    return folder


@pytest.fixture(scope="module")
def proxy(agents, tmp_path_factory):
    """A demo whose API is for agents with a certificate."""
    rule = f'{{ hosts: ["api.{DOMAIN}"], mode: "required", roots: "{agents}/agents-ca.pem", crls: "{agents}/agents-ca.crl" }}'
    config = ON_LOOPBACK + f"tls.client_certificates: [ {rule} ]\n"
    with Proxy(tmp_path_factory.mktemp("proxy"), "--demo", config=config) as proxy:
        yield proxy


def curl(proxy, *arguments):
    url = proxy.url("api", "/debug.ping")
    resolve = f"api.{DOMAIN}:{proxy.ports['https']}:127.0.0.1"
    command = ["curl", "-sS", "--max-time", "60", "--noproxy", "*", "--resolve", resolve, "--cacert", proxy.authority]
    return subprocess.run([*command, *arguments, url], capture_output=True, text=True)


def test_curl_gets_in_with_a_certificate_alone(proxy, agents):
    served = curl(proxy, "--cert", f"{agents}/agent-1.pem", "--key", f"{agents}/agent-1.key")
    assert served.returncode == 0 and json.loads(served.stdout)["meta"]["result_code"] == 200, served
    assert curl(proxy).returncode != 0
    [record] = proxy.records(client_subject="CN=agent-1,O=Lab")
    assert record["status"] == 200


def test_requests_gets_in_with_a_certificate_alone(proxy, agents):
    with requests.Session() as session:
        session.verify, session.trust_env = proxy.authority, False
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(proxy.url("api", "/debug.ping"), timeout=30)
        assert session.get(proxy.url("app"), timeout=30).status_code == 200, "another host asks for nothing"
        session.cert = (f"{agents}/agent-1.pem", f"{agents}/agent-1.key")
        assert session.get(proxy.url("api", "/debug.ping"), timeout=30).status_code == 200


def test_the_sdk_gets_in_with_the_guides_lines(proxy, agents, tmp_path):
    names = (HERE / "names/sitecustomize.py").read_text()
    (tmp_path / "sitecustomize.py").write_text(names + block("python", "_with_certificate"))
    (tmp_path / "clearml.conf").write_text(proxy.client_conf)
    environment = {
        "HOME": str(tmp_path),
        "PYTHONPATH": str(tmp_path),
        "CLEARML_CONFIG_FILE": str(tmp_path / "clearml.conf"),
        "CLIENT_CERT": f"{agents}/agent-1.pem",
        "CLIENT_KEY": f"{agents}/agent-1.key",
    }
    process = run_python("sdk/login.py", environment=environment, timeout=120)
    assert process.returncode == 0, process.stdout + process.stderr
    assert json.loads(process.stdout.splitlines()[-1])["host"] == proxy.url("api", "")
