"""ClearML's own SDK, set up with the very lines that `clearway run --demo` prints."""

import hashlib
import json

import pytest

from conftest import run_python
from proxy import ACCESS_KEY, SECRET_KEY

MEMORY_GROWTH_MAX = 8 * 1024 * 1024


@pytest.fixture
def sdk(demo, tmp_path):
    """Runs one of the programs in `sdk/`; `change` edits clearml.conf first."""

    def run(program, *arguments, change=lambda conf: conf, secret=SECRET_KEY, timeout=120):
        conf = tmp_path / "clearml.conf"
        credentials = f'api.credentials {{ access_key: "{ACCESS_KEY}", secret_key: "{secret}" }}\n'
        conf.write_text(change(demo.client_conf) + "\n" + credentials)
        environment = {
            "HOME": str(tmp_path),
            "CLEARML_CONFIG_FILE": str(conf),
            "CLEARML_CACHE_DIR": str(tmp_path / "cache"),
        }
        return run_python(f"sdk/{program}.py", *arguments, environment=environment, timeout=timeout)

    return run


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
    process = sdk("login", secret="wrong")
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
    assert growth < MEMORY_GROWTH_MAX, f"{growth / 1e6:.1f} MB"


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
