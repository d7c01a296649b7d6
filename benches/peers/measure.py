"""Rounds: each proxy does the same work in turn, and its CPU time is read before and after."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from load import Load
from peers import Peer, Proxy
from process import BenchError
from scenarios import FILES, Scenario

# Work that a proxy does after the last answer: closing, and the log of its last second.
SETTLE_SECONDS = 0.3
WARM_UP = 0.1

Say = Callable[[str], None]


def command(load: Load, proxy: Proxy, scenario: Scenario, amount: list[str]) -> list[str]:
    port = proxy.http if scenario.plain else proxy.https
    return load.command(scenario.kind, port, scenario.host, amount, scenario.plain)


def measure(load: Load, proxy: Proxy, scenario: Scenario, scale: float) -> dict[str, Any]:
    """One proxy's turn in one round."""
    arguments, units = scenario.amount(scale)
    before = proxy.running.cpu_seconds()
    with meanwhile(load, proxy, scenario):
        result = load.drive(command(load, proxy, scenario, arguments))
    time.sleep(SETTLE_SECONDS)
    spent = proxy.running.cpu_seconds() - before
    # The first connection of each lane has nothing to resume.
    resumable = result["handshakes"] - scenario.connections
    if "--resume" in scenario.ask and result["resumed"] < 0.95 * resumable:
        raise BenchError(f"{proxy.peer.name}: only {result['resumed']} of {result['handshakes']} sessions were resumed")
    return {"cpu_seconds": spent / units, **result}


@contextmanager
def meanwhile(load: Load, proxy: Proxy, scenario: Scenario) -> Iterator[None]:
    """Keeps the scenario's other load running; it must last longer than what is measured."""
    if not scenario.beside:
        yield
        return
    words = load.command(scenario.kind, proxy.https, FILES, list(scenario.beside))
    other = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        time.sleep(SETTLE_SECONDS)
        yield
        if other.poll() is not None:
            raise BenchError(f"{proxy.peer.name}: what should run meanwhile had ended before")
    finally:
        other.kill()
        other.wait()


def run_scenario(
    load: Load, peers: list[Peer], scenario: Scenario, rounds: int, scale: float, folder: Path, say: Say
) -> dict[str, list[dict[str, Any]]]:
    """All rounds of a scenario: A B C A B C, so that what disturbs the machine disturbs all alike."""
    turns: dict[str, list[dict[str, Any]]] = {peer.name: [] for peer in peers}
    with ExitStack() as stack:
        origin = stack.enter_context(load.origin())
        proxies = [stack.enter_context(peer.run(folder, origin, scenario.variant)) for peer in peers]
        for proxy in proxies:
            measure(load, proxy, scenario, scale * WARM_UP)
        for number in range(rounds):
            for proxy in proxies:
                turns[proxy.peer.name].append(measure(load, proxy, scenario, scale))
            last = " ".join(f"{name} {of[-1]['cpu_seconds']:.3g}" for name, of in turns.items())
            say(f"  round {number + 1}: {last} CPU s per {scenario.unit}")
    return turns
