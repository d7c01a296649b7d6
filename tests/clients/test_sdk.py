"""ClearML's own SDK, set up with the very lines that `clearway run --demo` prints."""

import base64
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from conftest import run_python
from proxy import ON_LOOPBACK, Proxy, free_port



@pytest.fixture
def sdk(demo, tmp_path):
    """Runs one of the programs in `sdk/`; `change` edits clearml.conf first."""

    def run(program, *arguments, change=lambda conf: conf):
        return run_sdk(program, *arguments, conf=change(demo.client_conf), home=tmp_path)

    return run


def run_sdk(program, *arguments, conf, home):
    (home / "clearml.conf").write_text(conf)
    environment = {
        "HOME": str(home),
        "CLEARML_CONFIG_FILE": str(home / "clearml.conf"),
        "CLEARML_CACHE_DIR": str(home / "cache"),
    }
    return run_python(f"sdk/{program}.py", *arguments, environment=environment, timeout=120)


def said(process):
    assert process.returncode == 0, process.stdout + process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def over_http(demo, *names):
    """clearml.conf with the URLs of `names` on the plain listener."""

    def change(conf):
        for name in names:
            conf = conf.replace(demo.url(name, ""), demo.url(name, "", scheme="http"))
        return conf

    return change


def test_logs_in(sdk, demo):
    assert said(sdk("login")) == {"host": demo.url("api", ""), "api": "2.34", "server": "2.3.0"}


def test_does_not_log_in_with_a_wrong_secret(sdk):
    process = sdk("login", change=lambda conf: conf + '\napi.credentials.secret_key: "wrong"\n')
    assert process.returncode != 0
    assert "invalid credentials" in process.stderr, process.stderr


def test_a_large_file_goes_up_and_down_in_little_memory(sdk, demo, large_file, tmp_path):
    path, digest = large_file
    small = tmp_path / "small.bin"
    small.write_bytes(b"x" * 1_000_000)
    # The first transfer warms up what stays: code, buffers of the allocator, tickets.
    said(sdk("download", said(sdk("upload", small, demo.url("files", "/sdk/small.bin")))["url"]))
    before = demo.forget_memory_peak()
    url = said(sdk("upload", path, demo.url("files", f"/sdk/task.1/models/{path.name}")))["url"]
    local = said(sdk("download", url))["path"]
    growth = demo.memory_peak() - before
    assert digest_of(local) == digest
    assert digest_of(demo.uploads / "sdk/task.1/models" / path.name) == digest


@pytest.mark.parametrize("configured", [True, False])
def test_an_upload_to_the_plain_listener_fails_loudly(sdk, demo, tmp_path, configured):
    source = tmp_path / "a.bin"
    source.write_bytes(b"x" * 100_000)
    url = demo.url("files", "/sdk/lost.bin", scheme="http")
    process = sdk("upload", source, url, change=over_http(demo, *(["files"] if configured else [])))
    told = process.stdout + process.stderr
    assert "https_required" in told and f'api.files_server: "{demo.url("files", "")}"' in told, told
    assert process.returncode != 0, told
    assert not (demo.uploads / "sdk/lost.bin").exists()


def test_a_login_through_the_plain_listener_ends_in_an_error_or_works(sdk, demo):
    process = sdk("login", change=over_http(demo, "api"))
    if process.returncode == 0:
        assert said(process)["api"] == "2.34"
    else:
        assert "LoginError" in process.stderr or "401" in process.stderr, process.stderr


class LateApi(BaseHTTPRequestHandler):
    """An API server that knows one call: logging in."""

    def do_GET(self):
        claims = json.dumps({"exp": 4_000_000_000, "api_version": "2.23", "server_version": "1.0"}).encode()
        token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"HS256"}', claims, b"x"))
        body = json.dumps({"meta": {"result_code": 200}, "data": {"token": token}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_waits_for_a_server_that_is_still_starting(tmp_path):
    port = free_port()
    config = f'domain: "clearml.localhost"\n{ON_LOOPBACK}services.api.targets: ["127.0.0.1:{port}"]\ntimeouts.hold: "100ms"\n'
    with Proxy(tmp_path, config=config) as proxy, ThreadPoolExecutor(2) as pool:
        urls = "\n".join(f'{name}_server: "{proxy.url(host, "")}"' for name, host in
                         [("web", "app"), ("api", "api"), ("files", "files")])
        conf = f"api {{\n{urls}\nverify_certificate: \"{proxy.authority}\"\n}}\n"
        conf += 'api.credentials { access_key: "a", secret_key: "b" }\n'
        login = pool.submit(run_sdk, "login", conf=conf, home=tmp_path)
        proxy.records(status=503, fault="target_unreachable")
        with HTTPServer(("127.0.0.1", port), LateApi) as server:
            # The proxy's probes are answered too.
            serving = pool.submit(server.serve_forever)
            try:
                assert said(login.result())["api"] == "2.23"
            finally:
                server.shutdown()
                serving.result()
