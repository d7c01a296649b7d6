"""The same two scenarios driven by wrk and h2load, programs of other people: a check on our own load program."""

import re
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from load import Load
from measure import SETTLE_SECONDS, Say
from peers import Peer, Proxy, Variant
from process import BenchError
from scenarios import APP
from tools import find

SECONDS = 3
REQUESTS = 60_000


def wrk(proxy: Proxy, scale: float) -> tuple[list[str], str]:
    """wrk runs for a time and says how many answers it got."""
    length = ["-d", f"{max(1, round(SECONDS * scale))}s"]
    url = f"https://127.0.0.1:{proxy.https}/bytes/1024"
    return [find("wrk"), "-t1", "-c64", *length, "-H", f"Host: {APP}", url], r"(\d+) requests in"


def h2load(proxy: Proxy, scale: float) -> tuple[list[str], str]:
    names = ["-H", f":authority: {APP}", f"--connect-to=127.0.0.1:{proxy.https}"]
    count = ["-n", str(int(REQUESTS * scale)), "-c32", "-m4"]
    return [find("h2load"), *count, *names, f"https://{APP}:{proxy.https}/bytes/1024"], r"(\d+) succeeded"


TOOLS: dict[str, Callable[[Proxy, float], tuple[list[str], str]]] = {"h1_get_wrk": wrk, "h2_get_h2load": h2load}


def run(load: Load, peers: list[Peer], rounds: int, scale: float, folder: Path, say: Say) -> dict[str, Any]:
    """Turns of each, in the form of a scenario's."""
    checked: dict[str, Any] = {}
    for name, tool in TOOLS.items():
        checked[name] = {peer.name: [] for peer in peers}
        with ExitStack() as stack:
            origin = stack.enter_context(load.origin())
            proxies = [stack.enter_context(peer.run(folder, origin, Variant())) for peer in peers]
            for number in range(rounds):
                for proxy in proxies:
                    checked[name][proxy.peer.name].append(turn(proxy, *tool(proxy, scale)))
                last = " ".join(f"{peer} {of[-1]['cpu_seconds']:.3g}" for peer, of in checked[name].items())
                say(f"{name} round {number + 1}: {last} CPU s per request")
    return checked


def turn(proxy: Proxy, command: list[str], answers: str) -> dict[str, Any]:
    before = proxy.running.cpu_seconds()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    time.sleep(SETTLE_SECONDS)
    spent = proxy.running.cpu_seconds() - before
    counted = re.search(answers, done.stdout)
    if not counted or int(counted[1]) == 0 or "Non-2xx" in done.stdout:
        raise BenchError(f"{proxy.peer.name}: {done.stdout}{done.stderr}")
    return {"cpu_seconds": spent / int(counted[1]), "answers": int(counted[1])}
