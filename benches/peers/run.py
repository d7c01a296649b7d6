#!/usr/bin/env python3
"""Clearway beside nginx and HAProxy: the same work for each, judged by the CPU time it costs them.

    python3 benches/peers/run.py                                   everything; about half an hour
    python3 benches/peers/run.py --scenarios h1_get,h2_get --rounds 3 --scale 0.3
    python3 benches/peers/run.py --also before=/path/to/clearway   another build of Clearway as well
    python3 benches/peers/run.py crosscheck                        h1_get and h2_get driven by wrk and h2load
    python3 benches/peers/run.py memory                            of idle connections, and during uploads
    python3 benches/peers/run.py syscalls                          system calls per request
    python3 benches/peers/run.py instructions [--save]             instructions per request, beside the baseline
    python3 benches/peers/run.py report                            docs/performance.md from the results
    python3 benches/peers/run.py pgo                               a build that has seen this work: target/pgo/clearway

Needs a Rust toolchain and Debian's nginx, haproxy, openssl, strace, valgrind, wrk and nghttp2-client.
All traffic stays on loopback.
"""

import argparse
import datetime
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import crosscheck
import instructions
import memory
import pgo
import report
import syscalls
from load import Load
from measure import run_scenario
from peers import Peer
from process import BenchError
from scenarios import SCENARIOS
from tools import ROOT, build, find, machine, make_certificate, versions

RESULTS = ROOT / "benches" / "results"
NAMES = [scenario.name for scenario in SCENARIOS]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", default="measure", choices=[*COMMANDS, "report", "pgo"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="how much work; 1 is about a second of CPU a turn")
    parser.add_argument("--scenarios", default="all", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--peers", default="clearway,nginx,haproxy")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=PROGRAM", help="another build of Clearway")
    parser.add_argument("--clearway", help="the program; otherwise it is built")
    parser.add_argument("--load", help="the load program; otherwise it is built")
    parser.add_argument("--output", type=Path, help="where results go; a file beside the others otherwise")
    parser.add_argument("--save", action="store_true", help="instructions: make what was counted the baseline")
    return parser.parse_args()


def chosen_peers(options: argparse.Namespace) -> list[Peer]:
    peers = []
    for name in options.peers.split(","):
        program = (options.clearway or build("--bin", "clearway")) if name == "clearway" else find(name)
        peers.append(Peer(name, name, program))
    for also in options.also:
        name, _, program = also.partition("=")
        peers.append(Peer(name, "clearway", program))
    return peers


def chosen_scenarios(text: str) -> list[str]:
    names = NAMES if text == "all" else text.split(",")
    unknown = set(names) - set(NAMES)
    if unknown:
        raise BenchError(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return names


@contextmanager
def workshop(options: argparse.Namespace) -> Iterator[tuple[Load, Path]]:
    """The load program and a folder of this run, with the certificate in it."""
    program = options.load or build("--bench", "load")
    with tempfile.TemporaryDirectory(prefix="clearway-bench-") as name:
        folder = Path(name)
        yield Load(program, make_certificate(folder)), folder


def circumstances() -> dict[str, Any]:
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return {"date": date, "machine": machine(), "versions": versions()}


def measure_all(options: argparse.Namespace) -> dict[str, Any]:
    names, peers = chosen_scenarios(options.scenarios), chosen_peers(options)
    with workshop(options) as (load, folder):
        results = circumstances() | {"rounds": options.rounds, "scale": options.scale}
        results |= {"scenarios": {}, "failures": []}
        for scenario in (scenario for scenario in SCENARIOS if scenario.name in names):
            say(f"{scenario.name}: {scenario.about}")
            try:
                turns = run_scenario(load, peers, scenario, options.rounds, options.scale, folder, say)
                results["scenarios"][scenario.name] = turns
            except BenchError as error:
                results["failures"].append(f"{scenario.name}: {error}")
                say(f"  void: {error}")
    return results


def check_load(options: argparse.Namespace) -> dict[str, Any]:
    peers = chosen_peers(options)
    with workshop(options) as (load, folder):
        results = circumstances() | {"rounds": options.rounds, "scale": options.scale}
        return results | {"crosscheck": crosscheck.run(load, peers, options.rounds, options.scale, folder, say)}


def measure_memory(options: argparse.Namespace) -> dict[str, Any]:
    peers = chosen_peers(options)
    with workshop(options) as (load, folder):
        results = circumstances() | {"idle_kib": {}, "upload_kib": {}}
        for peer in peers:
            results["idle_kib"][peer.name] = memory.idle_kib(load, peer, folder)
            results["upload_kib"][peer.name] = memory.upload_kib(load, peer, folder)
            say(f"{peer.name}: {results['idle_kib'][peer.name]:.1f} KiB for an idle connection")
            say(f"{peer.name}: {results['upload_kib'][peer.name]} KiB for an upload")
    return results


def count_system_calls(options: argparse.Namespace) -> dict[str, Any]:
    peers = chosen_peers(options)
    with workshop(options) as (load, folder):
        return circumstances() | {"system_calls": syscalls.count_all(load, peers, folder)}


def count_instructions(options: argparse.Namespace) -> dict[str, Any]:
    options.peers = "clearway"
    peers = chosen_peers(options)
    with workshop(options) as (load, folder):
        counted = instructions.count_all(load, peers[0], folder)
    if options.save:
        instructions.BASELINE.write_text(json.dumps(counted, indent=1) + "\n")
    for line in instructions.compare(counted):
        say(line)
    return circumstances() | {"instructions": counted}


def store(results: dict[str, Any], options: argparse.Namespace) -> Path:
    kind = options.command if options.command != "measure" else options.scenarios.replace(",", "-")[:60]
    path = options.output or RESULTS / f"{results['date'][:10]}-{kind}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    return path


COMMANDS = {
    "measure": measure_all,
    "crosscheck": check_load,
    "memory": measure_memory,
    "syscalls": count_system_calls,
    "instructions": count_instructions,
}


def main() -> int:
    options = arguments()
    try:
        if options.command == "report":
            for path in report.write(RESULTS):
                say(f"written: {path}")
            return 0
        if options.command == "pgo":
            say(f"built: {pgo.make(options.load, say)}")
            return 0
        results = COMMANDS[options.command](options)
        say(f"results: {store(results, options)}")
        return 1 if results.get("failures") else 0
    except BenchError as error:
        say(f"error: {error}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
