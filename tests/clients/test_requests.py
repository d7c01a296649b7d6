"""Python's requests, on which ClearML's SDK stands."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from proxy import ACCESS_KEY, ON_LOOPBACK, SECRET_KEY, Proxy, free_port


@pytest.fixture
def client(demo):
    with requests.Session() as client:
        client.trust_env = False
        client.verify = demo.authority
        yield client


def test_a_login_sets_a_cookie_that_files_takes(client, demo):
    login = client.get(demo.url("api", "/auth.login"), auth=(ACCESS_KEY, SECRET_KEY))
    assert login.json()["meta"]["result_code"] == 200
    [cookie] = client.cookies
    assert (cookie.name, cookie.domain, cookie.secure) == ("clearml_token_basic", ".clearml.localhost", True)
    assert client.get(demo.url("files", "/nothing")).status_code == 404
    client.cookies.clear()
    assert client.get(demo.url("files", "/nothing")).status_code == 401


def test_connections_are_kept_although_the_api_closes_its_own(client, demo):
    ids = {client.get(demo.url("api", "/debug.ping")).headers["X-Request-Id"] for _ in range(20)}
    records = demo.records(20, request_id=ids)
    assert len({record["connection"] for record in records}) == 1


def test_many_at_once(demo):
    def call(number):
        with requests.Session() as client:
            client.trust_env = False
            url = demo.url("api", "/v2.23/debug.ping")
            return client.get(url, json={"number": number}, verify=demo.authority).json()["data"]["number"]

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(call, range(200))) == list(range(200))


def test_a_broken_off_download_disturbs_nobody(client, demo, large_file):
    path, _ = large_file
    client.get(demo.url("api", "/auth.login"), auth=(ACCESS_KEY, SECRET_KEY))
    with path.open("rb") as file:
        assert client.post(demo.url("files"), files={"requests/large.bin": file}).status_code == 200
    url = demo.url("files", "/requests/large.bin")
    with client.get(url, stream=True) as answer:
        assert answer.headers["Content-Length"] == str(path.stat().st_size)
    [left] = demo.records(path="/requests/large.bin", fault="client_gone")
    assert left["bytes_out"] < path.stat().st_size
    assert client.head(url).status_code == 200


def test_missing_services_say_so_in_the_form_of_each_caller(tmp_path):
    targets = "".join(f'services.{name}.targets: ["127.0.0.1:{free_port()}"]\n' for name in ("app", "api", "files"))
    config = f'domain: "clearml.localhost"\n{ON_LOOPBACK}{targets}timeouts.hold: "100ms"\n'
    with Proxy(tmp_path, config=config) as proxy:
        for service, kind in [("app", "text/html"), ("api", "application/json"), ("files", "text/plain")]:
            headers = {"Origin": proxy.url("app", "")}
            answer = requests.get(proxy.url(service, "/x"), verify=proxy.authority, headers=headers, timeout=10)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), service
            assert answer.headers["X-Fault"] == "target; target_unreachable"
            assert answer.headers["Content-Type"].startswith(kind)
            assert answer.headers["X-Request-Id"] in answer.text
            if service != "app":
                assert answer.headers["Access-Control-Allow-Origin"] == proxy.url("app", "")
        envelope = requests.get(proxy.url("api", "/debug.ping"), verify=proxy.authority, timeout=10).json()
        assert envelope["meta"]["result_code"] == 503
        assert "port 8008" in envelope["meta"]["result_msg"]


def test_an_upload_that_runs_when_it_is_told_to_stop_is_stored(tmp_path):
    with Proxy(tmp_path, "--demo") as proxy, requests.Session() as client:
        client.trust_env = False
        client.verify = proxy.authority
        client.get(proxy.url("api", "/auth.login"), auth=(ACCESS_KEY, SECRET_KEY))
        uploads = proxy.uploads

        def body():
            yield b'--b\r\nContent-Disposition: form-data; name="late.bin"; filename="late.bin"\r\n\r\n'
            yield b"x" * 1_000_000
            while not list((uploads / ".incoming").glob("*")):
                time.sleep(0.02)
            proxy.tell_to_stop()
            yield b"x" * 1_000_000 + b"\r\n--b--\r\n"

        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        answer = client.post(proxy.url("files"), data=body(), headers=headers, timeout=30)
        assert (answer.status_code, answer.json()) == (200, ["late.bin"])
        assert proxy.stop() == 0
        assert not uploads.exists()
        assert (proxy.events[-1]["message"], proxy.events[-1]["cut"]) == ("stopped", 0)
