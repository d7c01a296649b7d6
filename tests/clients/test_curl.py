"""curl: what a person types first."""

import json

import pytest

from proxy import ACCESS_KEY, SECRET_KEY


def token(curl, demo):
    login = curl("--user", f"{ACCESS_KEY}:{SECRET_KEY}", demo.url("api", "/auth.login"))
    return json.loads(login.stdout)["data"]["token"]


@pytest.mark.parametrize("version, shown", [("--http1.1", "1.1"), ("--http2", "2")])
@pytest.mark.parametrize("service, path", [("app", "/version.json"), ("api", "/debug.ping"), ("files", "/")])
def test_each_name_leads_to_its_service(curl, demo, version, shown, service, path):
    got = curl(version, "--write-out", "\n%{http_code} %{http_version}", demo.url(service, path))
    body, _, written = got.stdout.decode().rpartition("\n")
    assert written == f"200 {shown}"
    assert {"app": '"version"', "api": "ClearML server", "files": "OK"}[service] in body


def test_the_certificate_is_not_trusted_without_its_authority(curl, demo):
    got = curl("--capath", "/nonexistent", "--cacert", "/dev/null", demo.url("api", "/debug.ping"), check=False)
    assert got.returncode in (60, 77), got.stderr


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_a_get_brings_its_body(curl, demo, version):
    arguments = ["--request", "GET", "--json", '{"sent": "with GET"}', demo.url("api", "/v2.23/debug.ping")]
    assert json.loads(curl(version, *arguments).stdout)["data"]["sent"] == "with GET"


def test_doubled_and_hop_by_hop_lines_do_not_come_through(curl, demo):
    head = curl("--http1.1", "--head", demo.url("api", "/debug.ping")).stdout.decode().lower()
    for name, count in [("\nserver:", 1), ("\ndate:", 1), ("\nconnection:", 0), ("\nx-request-id:", 1)]:
        assert head.count(name) == count, head


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_an_upload_with_expect_comes_back_whole_and_in_part(curl, demo, tmp_path, version):
    content = bytes(range(256)) * 8192
    (tmp_path / "a.bin").write_bytes(content)
    login = ["--header", f"Authorization: Bearer {token(curl, demo)}"]
    name = f"curl/ü {version}.bin"
    form = ["--form", f"{name}=@{tmp_path / 'a.bin'}", "--header", "Expect: 100-continue"]
    assert json.loads(curl(version, *login, *form, demo.url("files")).stdout) == [name]
    url = demo.url("files", f"/curl/%C3%BC%20{version}.bin")
    assert curl(version, *login, url).stdout == content
    assert curl(version, *login, "--range", "1000-1999", url).stdout == content[1000:2000]
    got = curl(version, *login, "--head", "--header", "Range: bytes=0-9", url).stdout.decode().lower()
    assert "content-range: bytes 0-9/2097152" in got and got.count("\ndate:") == 1


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_an_upload_without_login_is_refused_before_its_body(curl, demo, large_file, version):
    path, _ = large_file
    got = curl(
        version, "--form", f"a=@{path};filename=a", "--write-out", "%{http_code} %{size_upload}", "--output", "/dev/null",
        demo.url("files"), check=False,
    )
    status, sent = got.stdout.decode().split()
    assert status == "401", got
    assert int(sent) < path.stat().st_size


def test_plain_http_leads_a_page_and_an_api_call_to_https(curl, demo):
    page = curl("--location", demo.url("app", "/?a=%20b", scheme="http"), "--write-out", "\n%{url_effective}")
    assert page.stdout.decode().endswith(demo.url("app", "/?a=%20b"))
    call = ["--location", "--request", "GET", "--data", '{"kept": 1}', demo.url("api", "/debug.ping", scheme="http")]
    assert json.loads(curl(*call).stdout)["data"]["kept"] == 1


def test_plain_http_refuses_an_upload_and_says_where_to_go(curl, demo):
    url = demo.url("files", scheme="http")
    got = curl("--location", "--form", "a=b", url, "--write-out", "\n%{http_code}").stdout.decode()
    assert got.endswith("\n403"), got
    assert demo.url("files", "") in got and "api.files_server" in got


def test_plain_http_on_the_tls_port_gets_the_https_url(curl, demo):
    url = demo.url("app").replace("https:", "http:")
    got = curl(url, "--write-out", "\n%{http_code}").stdout.decode()
    assert got.endswith("\n400") and demo.url("app", "") in got


def test_an_unknown_host_is_nobodys(curl, demo):
    got = curl("--header", "Host: www.clearml.localhost", demo.url("api", "/debug.ping"), "--write-out", "\n%{http_code}")
    assert got.stdout.decode().rpartition("\n")[2] in ("404", "421")
    assert "ClearML server" not in got.stdout.decode()
