"""What the SDK and requests make of refusals: 401, 429 and 503 of the proxy's own."""

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from proxy import ACCESS_KEY, ON_LOOPBACK, SECRET_KEY, Proxy
from test_sdk import run_sdk, said

GATE = "protection.token_gate.enabled: true\n"


@contextmanager
def guarded_demo(folder, config):
    """A demo with protection of the test's own."""
    (folder / "guard").mkdir()
    with Proxy(folder / "guard", "--demo", config=f'domain: "clearml.localhost"\n{ON_LOOPBACK}{config}') as proxy:
        yield proxy


def login(proxy, secret=SECRET_KEY):
    return requests.get(proxy.url("api", "/auth.login"), auth=(ACCESS_KEY, secret), verify=proxy.authority, timeout=30)


def test_the_gate_lets_the_sdk_store_and_fetch(tmp_path):
    with guarded_demo(tmp_path, GATE) as proxy:
        source = tmp_path / "model.bin"
        source.write_bytes(b"x" * 3_000_000)
        url = said(run_sdk("upload", source, proxy.url("files", "/sdk/model.bin"), conf=proxy.client_conf, home=tmp_path))["url"]
        path = said(run_sdk("download", url, conf=proxy.client_conf, home=tmp_path))["path"]
        with open(path, "rb") as file:
            assert file.read() == source.read_bytes()


def test_the_gate_s_refusal_reaches_whoever_uploads_a_large_file(tmp_path, large_file):
    path, _ = large_file
    with guarded_demo(tmp_path, GATE) as proxy:
        for headers in [{}, {"Authorization": "Bearer made.up.token"}]:
            with path.open("rb") as file:
                answer = requests.post(proxy.url("files"), files={"a.bin": file}, headers=headers,
                                       verify=proxy.authority, timeout=60)
            assert answer.status_code == 401, answer.text
            assert answer.headers["X-Fault"] == "client; token_required"
        assert not (proxy.uploads / "a.bin").exists()
        records = proxy.records(2, fault="token_required")
        assert all(record.get("target") is None for record in records), records


def test_the_sdk_says_why_an_upload_without_its_token_is_refused(tmp_path):
    with guarded_demo(tmp_path, GATE) as proxy:
        source = tmp_path / "a.bin"
        source.write_bytes(b"x" * 100_000)
        # The SDK sends its token only to the files_server that is configured.
        conf = proxy.client_conf.replace(proxy.url("files", ""), "https://files.elsewhere.example")
        process = run_sdk("upload", source, proxy.url("files", "/a.bin"), conf=conf, home=tmp_path)
        told = process.stdout + process.stderr
        assert process.returncode != 0 and "token_required" in told and "api.files_server" in told, told


class Api(BaseHTTPRequestHandler):
    """An API server that gives logins, and is not ready the first time it is asked about a token."""

    asked = 0

    def do_GET(self):
        if "get_current_user" in self.path:
            type(self).asked += 1
            ready = self.asked > 1
            self.answer(200 if ready else 503, {"meta": {"result_code": 200}, "data": {"user": {"id": "u"}}} if ready else {})
            return
        claims = json.dumps({"exp": 4_000_000_000, "api_version": "2.23", "server_version": "1.0"}).encode()
        parts = (b'{"alg":"HS256"}', claims, b"x")
        token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        self.answer(200, {"meta": {"result_code": 200}, "data": {"token": token}})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, ["stored"])

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def late_api():
    Api.asked = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("timeout, refused", [("20s", 0), ("200ms", 1)])
def test_an_upload_outlives_an_api_server_that_cannot_check_its_token_yet(tmp_path, late_api, timeout, refused):
    targets = "".join(f'services.{name}.targets: ["127.0.0.1:{late_api}"]\n' for name in ("app", "api", "files"))
    config = f'domain: "clearml.localhost"\n{ON_LOOPBACK}{targets}{GATE}protection.token_gate.timeout: "{timeout}"\n'
    with Proxy(tmp_path, config=config) as proxy:
        urls = "\n".join(f'{name}_server: "{proxy.url(host, "")}"' for name, host in
                         [("web", "app"), ("api", "api"), ("files", "files")])
        conf = f'api {{\n{urls}\nverify_certificate: "{proxy.authority}"\n}}\n'
        conf += f'sdk.api.verify_certificate: "{proxy.authority}"\n'
        conf += 'api.credentials { access_key: "a", secret_key: "b" }\n'
        source = tmp_path / "a.bin"
        source.write_bytes(b"x" * 100_000)
        said(run_sdk("upload", source, proxy.url("files", "/a.bin"), conf=conf, home=tmp_path))
        assert proxy.records(service="files", status=200)
        assert len(proxy.records(0, fault="token_unchecked", status=503)) == refused


def test_the_sdk_waits_out_a_login_that_is_refused_for_now(tmp_path):
    few = 'protection.logins { user_failures: 2, user_pause: "3s", delay: "0s" }\n'
    with guarded_demo(tmp_path, few) as proxy:
        assert [login(proxy, f"wrong{guess}").status_code for guess in range(3)] == [401, 401, 429]
        refused = login(proxy)
        assert refused.status_code == 429 and int(refused.headers["Retry-After"]) in range(1, 4)
        assert refused.json()["meta"]["result_code"] == 429
        assert said(run_sdk("login", conf=proxy.client_conf, home=tmp_path))["api"] == "2.34"
        assert proxy.records(fault="too_many_logins", status=429)


def test_agents_log_in_while_somebody_guesses_beside_them(tmp_path):
    few = 'protection.logins { user_failures: 3, address_failures: 5, delay: "0s" }\n'
    with guarded_demo(tmp_path, few) as proxy:
        assert login(proxy).status_code == 200
        statuses = [
            requests.get(proxy.url("api", "/auth.login"), auth=(f"user{guess}", "x"), verify=proxy.authority, timeout=30).status_code
            for guess in range(20)
        ]
        assert statuses.count(401) == 5 and statuses.count(429) == 15
        assert said(run_sdk("login", conf=proxy.client_conf, home=tmp_path))["api"] == "2.34"
