"""From turns to figures: the ratio inside each round, its median, its spread."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

# What a result file may hold beside scenarios.
COUNTS = ("crosscheck", "idle_kib", "upload_kib", "system_calls", "instructions")

Turns = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Ratio:
    """One proxy's cost as a share of another's, over all rounds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio(turns: Turns, name: str, other: str) -> Ratio | None:
    """Compared inside each round, where both met the same disturbances."""
    if not turns.get(name) or not turns.get(other):
        return None
    pairs = zip(turns[name], turns[other], strict=True)
    values = sorted(mine["cpu_seconds"] / theirs["cpu_seconds"] for mine, theirs in pairs if theirs["cpu_seconds"])
    return Ratio(median(values), values[0], values[-1]) if values else None


def middle(turns: Turns, name: str, what: str) -> float | None:
    values = [turn[what] for turn in turns.get(name, []) if turn.get(what) is not None]
    return median(values) if values else None


def newest(folder: Path) -> dict[str, Any]:
    """All result files in one: of each scenario and each count the newest."""
    merged: dict[str, Any] = {kind: {} for kind in ("scenarios", *COUNTS)} | {"runs": []}
    runs = [json.loads(path.read_text()) for path in folder.glob("2*.json")]
    for run in sorted(runs, key=lambda run: run["date"]):
        for name, turns in run.get("scenarios", {}).items():
            merged["scenarios"][name] = turns
        for kind in COUNTS:
            merged[kind] |= run.get(kind, {})
        merged |= {"machine": run["machine"], "versions": run["versions"]}
        merged["runs"].append(run)
    return merged
