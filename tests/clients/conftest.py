"""Fixtures: one demo for all tests that only read it, and what else several tests need."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sitecustomize  # noqa: F401  (names/sitecustomize.py: the demo's names resolve here too)

from proxy import DOMAIN, Proxy

HERE = Path(__file__).parent
LARGE_BYTES = 200 * 1024 * 1024


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A running demo, shared."""
    with Proxy(tmp_path_factory.mktemp("demo"), "--demo") as proxy:
        yield proxy
    assert proxy.stop() == 0
    assert proxy.events[-1]["message"] == "stopped"


@pytest.fixture(scope="session")
def large_file(tmp_path_factory):
    """200 MiB that do not compress, and their SHA-256."""
    path = tmp_path_factory.mktemp("large") / "model 1 ü.bin"
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(LARGE_BYTES // (1 << 20)):
            block = os.urandom(1 << 20)
            digest.update(block)
            file.write(block)
    yield path, digest.hexdigest()
    path.unlink()


@pytest.fixture
def curl(demo):
    """Runs curl against the demo; returns the finished process."""

    def run(*arguments, check=True, **options):
        resolve = [
            part
            for scheme in ("https", "http")
            for service in ("app", "api", "files")
            for part in ("--resolve", f"{service}.{DOMAIN}:{demo.ports[scheme]}:127.0.0.1")
        ]
        command = ["curl", "--silent", "--show-error", "--max-time", "60", "--noproxy", "*"]
        return subprocess.run(
            [*command, *resolve, "--cacert", demo.authority, *arguments], check=check, capture_output=True, **options
        )

    return run


def run_python(script, *arguments, environment, timeout):
    """Runs a program from this folder in a process of its own, with the demo's names resolving."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE / "names"), "NO_PROXY": "*", **environment}
    return subprocess.run(
        [sys.executable, str(HERE / script), *map(str, arguments)],
        env=environment, timeout=timeout, capture_output=True, text=True,
    )
