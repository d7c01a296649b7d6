"""Instructions per request of the real binary, counted by valgrind: a number that does not depend on the machine's
speed or on who else uses it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from load import Load
from measure import command
from peers import Peer, Variant
from process import BenchError
from scenarios import SCENARIOS, Scenario
from tools import ROOT, find

BASELINE = ROOT / "benches" / "results" / "instructions.json"
COUNTED = ("h1_get", "h1_post", "h1_close", "get_with_body", "h2_get")
# Two lengths, so that start and end of the process are subtracted.
SHORT, LONG = 200, 1_200
# A difference in percent that is no chance: hash seeds and timers move the rest.
NOTABLE = 1.0

# Whose code, by the beginning of a function's name; the first that fits.
OWNERS = (
    ("clearway", ("clearway::", "<clearway::")),
    ("hyper, h2, http", ("hyper", "<hyper", "h2::", "<h2::", "http::", "<http::", "httparse", "<httparse")),
    ("tokio, mio", ("tokio::", "<tokio::", "mio::", "<mio::")),
    ("rustls", ("rustls", "<rustls", "tokio_rustls", "<tokio_rustls", "webpki")),
    ("AWS-LC", ("aws_lc", "_aesni", "aead_", "aes_", "gcm_", "EVP_", "CRYPTO_")),
    ("allocator", ("mi_", "_mi_", "malloc", "free", "realloc", "calloc")),
    ("copying", ("__mem", "bcmp")),
)
# The parts of a request that have a function of their own in the optimised binary.
PARTS = {
    "wire": "clearway::domain::framing::track::Tracker::clear",
    "guard": "clearway::request::guard::check",
    "route": "clearway::domain::entrance::Entrance::of",
    "outgoing": "clearway::request::outgoing::prepare",
    "answer head": "clearway::upstream::answer_head::take_head",
}
# A line of callgrind_annotate: the count, perhaps its share, file:function, the object.
ROW = re.compile(r"^\s*([\d,]+)\s+(?:\([^)]*\)\s+)?\S*?:(.+?)(?:'\d+)?\s+\[", re.M)


def count_all(load: Load, peer: Peer, folder: Path) -> dict[str, Any]:
    """Instructions per request by scenario: all, by owner of the code, and by part of the request."""
    counted = {}
    for scenario in (scenario for scenario in SCENARIOS if scenario.name in COUNTED):
        short, long = (run(load, peer, scenario, requests, folder) for requests in (SHORT, LONG))
        counted[scenario.name] = {kind: difference(short[kind], long[kind]) for kind in long}
    return counted


def difference(short: dict[str, int], long: dict[str, int]) -> dict[str, int]:
    return {name: round((long[name] - short.get(name, 0)) / (LONG - SHORT)) for name in long}


def run(load: Load, peer: Peer, scenario: Scenario, requests: int, folder: Path) -> dict[str, dict[str, int]]:
    """One process under valgrind that serves `requests`, one after the other."""
    profile = folder / f"callgrind.{requests}"
    under = (find("valgrind"), "--tool=callgrind", f"--callgrind-out-file={profile}")
    arguments = [*scenario.ask, "--requests", str(requests), "--connections", "1"]
    if "--streams" in arguments:
        arguments[arguments.index("--streams") + 1] = "1"
    with load.origin() as origin, peer.run(folder, origin, Variant(workers=1), under) as proxy:
        load.drive(command(load, proxy, scenario, arguments))
    if not profile.exists():
        raise BenchError(f"valgrind wrote no profile: {proxy.running.last_words()}")
    return summarise(annotate(profile, inclusive=False), annotate(profile, inclusive=True))


def annotate(profile: Path, inclusive: bool) -> list[tuple[str, int]]:
    how = ["--threshold=100", f"--inclusive={'yes' if inclusive else 'no'}"]
    done = subprocess.run([find("callgrind_annotate"), *how, str(profile)], capture_output=True, text=True, check=True)
    return [(name.strip(), int(count.replace(",", ""))) for count, name in ROW.findall(done.stdout)]


def summarise(own: list[tuple[str, int]], inclusive: list[tuple[str, int]]) -> dict[str, dict[str, int]]:
    if not any(owner_of(name) == "clearway" for name, _ in own):
        raise BenchError("the binary has no function names; link it without mold, which takes them away")
    owners = dict.fromkeys([*(owner for owner, _ in OWNERS), "other"], 0)
    for name, count in own:
        owners[owner_of(name)] += count
    parts = {part: sum(count for name, count in inclusive if name == start) for part, start in PARTS.items()}
    return {"all": {"all": sum(owners.values())}, "owners": owners, "parts": parts}


def owner_of(name: str) -> str:
    return next((owner for owner, starts in OWNERS if name.startswith(starts)), "other")


def compare(counted: dict[str, Any]) -> list[str]:
    """Lines about what differs from the committed baseline."""
    if not BASELINE.exists():
        return ["there is no baseline yet; --save makes one"]
    baseline = json.loads(BASELINE.read_text())
    return [
        f"{scenario}: {part} {old} -> {new} instructions ({100 * (new - old) / old:+.1f} %)"
        for scenario, kinds in counted.items()
        for kind, parts in kinds.items()
        for part, new in parts.items()
        # A part that the optimiser took into its caller shows as 0 and says nothing.
        if new and (old := baseline.get(scenario, {}).get(kind, {}).get(part)) and abs(new - old) * 100 > NOTABLE * old
    ]
