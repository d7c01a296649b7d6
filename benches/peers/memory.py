"""Memory of processes that have just been started: for idle connections, and while a large upload passes."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import Load, read_result
from peers import Peer, Proxy, Variant
from process import BenchError
from scenarios import APP, BULK, FILES, GIB, IDLE_CONNECTIONS, SMALL

# By then a proxy that gives memory back has done so.
IDLE_SECONDS = 30
SETTLE_SECONDS = 0.5
LOOK_SECONDS = 0.05
UPLOADS_GIB = (0.2, 10)


def idle_kib(load: Load, peer: Peer, folder: Path) -> float:
    """KiB that one idle connection costs."""
    with started(load, peer, folder, Variant()) as proxy:
        before = proxy.running.memory_kib()
        ask = [*SMALL, "--connections", str(IDLE_CONNECTIONS)]
        holding = subprocess.Popen(
            load.command("idle", proxy.https, APP, ask), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert holding.stdin and holding.stdout
            opened = json.loads(holding.stdout.readline() or '{"failure": "no connections"}')
            if opened.get("open") != IDLE_CONNECTIONS:
                raise BenchError(f"{peer.name}: {opened}")
            time.sleep(IDLE_SECONDS)
            grown = proxy.running.memory_kib() - before
            # Each connection is asked once more: one that did not survive is not idle.
            output, _ = holding.communicate("\n", timeout=100)
            read_result(output, "")
        finally:
            holding.kill()
            holding.wait()
    return grown / IDLE_CONNECTIONS


def upload_kib(load: Load, peer: Peer, folder: Path) -> dict[str, float]:
    """The most that an upload of each size adds, in KiB."""
    grown = {}
    for size in UPLOADS_GIB:
        with started(load, peer, folder, BULK) as proxy:
            before = proxy.running.memory_kib()
            ask = ["--method", "PUT", "--body", str(int(size * GIB)), "--requests", "1"]
            command = load.command("http1", proxy.https, FILES, ask)
            grown[f"{size} GiB"] = float(highest_kib(proxy, command) - before)
    return grown


def highest_kib(proxy: Proxy, command: list[str]) -> int:
    """The most memory that is seen while `command` runs."""
    uploading = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert uploading.stdout
        highest = 0
        while uploading.poll() is None:
            highest = max(highest, proxy.running.memory_kib())
            time.sleep(LOOK_SECONDS)
        read_result(uploading.stdout.read(), "")
    finally:
        uploading.kill()
        uploading.wait()
    return highest


@contextmanager
def started(load: Load, peer: Peer, folder: Path, variant: Variant) -> Iterator[Proxy]:
    """A proxy that has answered a few requests, so that what it makes once is not counted."""
    with load.origin() as origin, peer.run(folder, origin, variant) as proxy:
        load.drive(load.command("http1", proxy.https, APP, [*SMALL, "--requests", "64", "--connections", "64"]))
        time.sleep(SETTLE_SECONDS)
        yield proxy
