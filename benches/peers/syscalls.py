"""System calls per request, counted by strace while the proxy is saturated."""

import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from load import Load
from measure import command, measure
from peers import Peer, Proxy
from process import BenchError
from scenarios import GIB, MIB, SCENARIOS, Scenario
from tools import find

COUNTED = ("h1_get", "h1_close", "h2_get", "download_h1", "download_h2", "upload_h1", "upload_h2")
REQUESTS = 12_000
# Of a transfer; its calls are counted per MiB.
TRANSFER = 256 * MIB
# A line of strace's table: share, seconds, microseconds a call, calls, errors if there were any, name.
ROW = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.M)
# Below this many calls per request a name is not worth a line.
RARE = 0.005


def count_all(load: Load, peers: list[Peer], folder: Path) -> dict[str, dict[str, Any]]:
    """Calls per request by scenario, proxy and name."""
    counts: dict[str, dict[str, Any]] = {}
    for scenario in (scenario for scenario in SCENARIOS if scenario.name in COUNTED):
        transfer = scenario.transfer > 0
        fixed = replace(scenario, transfer=TRANSFER) if transfer else replace(scenario, count=REQUESTS)
        counts[scenario.name] = {}
        for peer in peers:
            with load.origin() as origin, peer.run(folder, origin, scenario.variant) as proxy:
                measure(load, proxy, fixed, 0.2)
                counts[scenario.name][peer.name] = count(load, proxy, fixed, folder / "strace.txt")
    return counts


def count(load: Load, proxy: Proxy, scenario: Scenario, table: Path) -> dict[str, float]:
    attached = [word for pid in proxy.running.pids() for word in ("-p", str(pid))]
    strace = subprocess.Popen(
        [find("strace"), "-f", "-c", "-o", str(table), *attached], stderr=subprocess.PIPE, text=True
    )
    try:
        assert strace.stderr
        # It says so for each process once it follows it.
        for _ in proxy.running.pids():
            if "attached" not in strace.stderr.readline():
                raise BenchError("strace could not attach; it needs root or kernel.yama.ptrace_scope=0")
        arguments, units = scenario.amount(1)
        load.drive(command(load, proxy, scenario, arguments))
        strace.send_signal(signal.SIGINT)
        strace.wait(timeout=20)
    finally:
        strace.kill()
        strace.wait()
    if scenario.transfer:
        units *= GIB / MIB
    calls = {name: int(calls) / units for calls, name in ROW.findall(table.read_text()) if name != "total"}
    return {"total": sum(calls.values())} | {name: value for name, value in calls.items() if value >= RARE}
