"""Names, paths and old ports with ClearML's own SDK, set up by `clearway client-config`."""

import os
import re
import subprocess

import pytest
import requests

from proxy import ACCESS_KEY, ON_LOOPBACK, SECRET_KEY, Proxy
from test_sdk import digest_of, run_sdk, said

CONFIG = ON_LOOPBACK + """
domain: "clearml.localhost"
single_domain: "localhost"
listeners.legacy { app: ["127.0.0.1:0"], api: ["127.0.0.1:0"], files: ["127.0.0.1:0"] }
"""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    with Proxy(tmp_path_factory.mktemp("layouts"), "--demo", config=CONFIG) as proxy:
        yield proxy


def client_config(proxy, *arguments):
    command = [os.environ["CLEARWAY_BIN"], "client-config", "--config", str(proxy.folder / "proxy.conf"),
               "--https-port", str(proxy.ports["https"]), *arguments]
    return subprocess.run(command, cwd=proxy.folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def sdk(proxy, tmp_path):
    """Runs one of the programs in `sdk/` against the entrance called `name`; `change` edits clearml.conf first."""

    def run(program, *arguments, name="localhost", change=lambda conf: conf):
        conf = client_config(proxy, "--name", name)
        conf += f'api.credentials {{ access_key: "{ACCESS_KEY}", secret_key: "{SECRET_KEY}" }}\n'
        return run_sdk(program, *arguments, conf=change(conf), home=tmp_path)

    return run


def url(proxy, service):
    """The service's URL on the one host."""
    path = {"app": "", "api": "/api", "files": "/files"}[service]
    return f"https://localhost:{proxy.ports['https']}{path}"


def setting(key, value):
    """An edit of clearml.conf."""
    return lambda conf: re.sub(rf'{key}: "[^"]*"', f'{key}: "{value}"', conf)


def test_one_host_with_paths_takes_logins_uploads_and_downloads(sdk, proxy, tmp_path):
    assert said(sdk("login"))["host"] == url(proxy, "api")
    source = tmp_path / "model 1 ü.bin"
    source.write_bytes(os.urandom(3_000_000))
    stored = said(sdk("upload", source, f"{url(proxy, 'files')}/paths/{source.name}"))["url"]
    assert digest_of(proxy.uploads / "paths" / source.name) == digest_of(source)
    assert digest_of(said(sdk("download", stored))["path"]) == digest_of(source)


@pytest.mark.parametrize("wrong", ["app", "files"])
@pytest.mark.parametrize("name", ["localhost", "clearml.localhost"])
def test_a_login_at_the_wrong_service_says_which_url_to_set(sdk, proxy, name, wrong):
    urls = {"localhost": lambda service: url(proxy, service), "clearml.localhost": lambda service: proxy.url(service, "")}
    process = sdk("login", name=name, change=setting("api_server", urls[name](wrong)))
    assert process.returncode != 0
    assert f'api.api_server: "{urls[name]("api")}"' in process.stderr, process.stderr


@pytest.mark.parametrize("wrong", ["app", "api"])
def test_an_upload_to_the_wrong_service_says_which_url_to_set(sdk, proxy, tmp_path, wrong):
    source = tmp_path / "a.bin"
    source.write_bytes(b"x" * 100_000)
    there = proxy.url(wrong, "")
    process = sdk("upload", source, f"{there}/lost.bin", name="clearml.localhost", change=setting("files_server", there))
    told = process.stdout + process.stderr
    assert process.returncode != 0, told
    assert f'api.files_server: "{proxy.url("files", "")}"' in told and "nothing was stored" in told, told


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_old_port_takes_uploads_and_downloads_by_either_scheme(sdk, proxy, tmp_path, scheme):
    old = f"{scheme}://localhost:{proxy.ports['legacy_files']}"
    source = tmp_path / f"{scheme}.bin"
    source.write_bytes(os.urandom(1_000_000))
    stored = said(sdk("upload", source, f"{old}/old/{source.name}", change=setting("files_server", old)))["url"]
    assert digest_of(proxy.uploads / "old" / source.name) == digest_of(source)
    local = said(sdk("download", stored, change=setting("files_server", old)))["path"]
    assert digest_of(local) == digest_of(source)


def test_the_login_s_cookie_is_good_for_the_file_server(proxy):
    with requests.Session() as session:
        session.trust_env, session.verify = False, proxy.authority
        answer = session.post(proxy.url("api", "/auth.login"), auth=(ACCESS_KEY, SECRET_KEY), json={})
        assert answer.status_code == 200
        assert session.get(proxy.url("files", "/nothing-there")).status_code == 404, "not 401"


def test_variables_do_as_well_as_the_file(proxy):
    lines = client_config(proxy, "--format", "env", "--name", "localhost")
    shell = f'{lines}curl --silent --fail "$CLEARML_API_HOST/debug.ping"'
    answer = subprocess.run(["sh", "-c", shell], env={"PATH": os.environ["PATH"]}, check=True, capture_output=True)
    assert b"ClearML server" in answer.stdout
