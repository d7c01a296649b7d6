"""docs/performance.md and its figure, from the result files."""

from pathlib import Path
from typing import Any

from figures import COUNTS, Ratio, middle, newest, ratio
from plot import chart
from scenarios import IDLE_CONNECTIONS, IDLE_TARGET_KIB, SCENARIOS, Scenario
from tools import ROOT

TEMPLATE = Path(__file__).parent / "config" / "performance.template"
PEERS = ("clearway", "nginx", "haproxy")
TITLES = {"clearway": "Clearway", "nginx": "nginx", "haproxy": "HAProxy"}
# Clearway as `cargo build --release` makes it, beside the build with a profile.
PLAIN = "plain"
# What a unit's CPU time is shown in.
SHOWN = {"request": (1e6, "µs"), "connection": (1e6, "µs"), "page": (1e3, "ms"), "GiB": (1, "s")}


def write(results: Path) -> list[Path]:
    """Writes both and returns where they are."""
    data = newest(results)
    words = {
        "COMPARISON": comparison(data),
        "CROSSCHECK": crosschecked(data),
        "LATENCY": latency(data),
        "IDLE": idle(data),
        "UPLOADS": uploads(data),
        "CALLS": calls(data),
        "INSTRUCTIONS": instructions(data),
        "SCENARIOS": "\n".join(f"- `{scenario.name}`: {scenario.about}." for scenario in SCENARIOS),
        "RUNS": runs(data),
    }
    text = TEMPLATE.read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    page, figure = ROOT / "docs" / "performance.md", ROOT / "docs" / "performance.svg"
    page.write_text(text)
    figure.write_text(chart(figure_rows(data)))
    return [page, figure]


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def measured(data: dict[str, Any]) -> list[tuple[Scenario, Any]]:
    turns = data["scenarios"]
    return [(scenario, turns[scenario.name]) for scenario in SCENARIOS if scenario.name in turns]


def figure_rows(data: dict[str, Any]) -> list[tuple[str, dict[str, Ratio], float | None]]:
    rows = []
    for scenario, turns in measured(data):
        ratios = {peer: ratio(turns, peer, "nginx") for peer in ("clearway", "haproxy")}
        rows.append((scenario.name, {peer: value for peer, value in ratios.items() if value}, scenario.target))
    return rows


def comparison(data: dict[str, Any]) -> str:
    ratios = ["of nginx's", "of HAProxy's", "without a profile"]
    head = ["scenario", "target", *ratios, *(f"{TITLES[peer]}" for peer in PEERS), "per"]
    rows = []
    for scenario, turns in measured(data):
        of_nginx = ratio(turns, "clearway", "nginx")
        target = "-" if scenario.target is None else f"{scenario.target:.2f}"
        if of_nginx and scenario.target is not None:
            target += " reached" if of_nginx.median <= scenario.target else " missed"
        factor, unit = SHOWN[scenario.unit]
        costs = [shown(middle(turns, peer, "cpu_seconds"), factor, unit) for peer in PEERS]
        of_haproxy = ratio(turns, "clearway", "haproxy")
        shares = [str(share or "-") for share in (of_nginx, of_haproxy, ratio(turns, PLAIN, "nginx"))]
        rows.append([f"`{scenario.name}`", target, *shares, *costs, scenario.unit])
    return table(head, rows)


def shown(value: float | None, factor: float, unit: str) -> str:
    if value is None:
        return "-"
    scaled = value * factor
    return f"{scaled:,.0f} {unit}" if scaled >= 100 else f"{scaled:.3g} {unit}"


def crosschecked(data: dict[str, Any]) -> str:
    rows = [
        [f"`{name}`", str(ratio(turns, "clearway", "nginx") or "-"), str(ratio(turns, "clearway", "haproxy") or "-")]
        for name, turns in data["crosscheck"].items()
    ]
    return table(["driven by another program", "of nginx's", "of HAProxy's"], rows) if rows else "Not checked yet."


def latency(data: dict[str, Any]) -> str:
    rows = [
        [f"`{name}` {label}", *(shown(middle(data["scenarios"][name], peer, what), 1, "µs") for peer in PEERS)]
        for name in ("fixed_rate", "beside_bulk")
        if name in data["scenarios"]
        for label, what in (("p50", "p50_us"), ("p99", "p99_us"))
    ]
    return table(["waiting for an answer", *(TITLES[peer] for peer in PEERS)], rows) if rows else "Not measured yet."


def idle(data: dict[str, Any]) -> str:
    memory = data["idle_kib"]
    if not memory:
        return "Not measured yet."
    row = [[f"{memory[peer]:.1f}" if peer in memory else "-" for peer in PEERS]]
    unit = f"KiB of proportional set size per connection, {IDLE_CONNECTIONS:,} of them"
    return f"{table([TITLES[peer] for peer in PEERS], row)}\n\n{unit}. The target is {IDLE_TARGET_KIB:.0f}."


def uploads(data: dict[str, Any]) -> str:
    memory = data["upload_kib"]
    sizes = list(next(iter(memory.values()), {}))
    rows = [[size, *(f"{memory[peer][size]:,.0f}" if peer in memory else "-" for peer in PEERS)] for size in sizes]
    return (
        table(["KiB more during an upload of", *(TITLES[peer] for peer in PEERS)], rows)
        if rows
        else "Not measured yet."
    )


def calls(data: dict[str, Any]) -> str:
    head = ["scenario", *(TITLES[peer] for peer in PEERS)]
    rows = [
        [f"`{scenario}`", *(described(counts.get(peer)) for peer in PEERS)]
        for scenario, counts in data["system_calls"].items()
    ]
    return table(head, rows) if rows else "Not counted yet."


def described(counts: dict[str, float] | None) -> str:
    if not counts:
        return "-"
    names = sorted((name for name in counts if name != "total"), key=lambda name: -counts[name])
    listed = ", ".join(f"{name} {counts[name]:.2f}" for name in names if counts[name] >= 0.03)
    return f"**{counts['total']:.2f}** ({listed})"


def instructions(data: dict[str, Any]) -> str:
    counted = data["instructions"]
    if not counted:
        return "Not counted yet."
    first = next(iter(counted.values()))
    head = ["scenario", "all", *first["owners"], *(f"*{part}*" for part in first["parts"])]
    rows = [
        [f"`{name}`", *(f"{kinds[kind][part]:,}" for kind in ("all", "owners", "parts") for part in kinds[kind])]
        for name, kinds in counted.items()
    ]
    return table(head, rows)


def runs(data: dict[str, Any]) -> str:
    machine, versions = data["machine"], data["versions"]
    lines = [
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory']}, Linux {machine['kernel']}.",
        f"- Programs: nginx {versions['nginx'].removeprefix('nginx/')} and HAProxy {versions['haproxy']} (Debian's), "
        f"{versions['openssl']}; Clearway built with {versions['rustc']}.",
    ]
    for run in data["runs"]:
        names = [*run.get("scenarios", {}), *(kind for kind in COUNTS if run.get(kind))]
        size = f"{run['rounds']} rounds, scale {run['scale']}, " if run.get("rounds") else ""
        lines.append(
            f"- {run['date']}, Clearway {run['versions']['clearway']}: {', '.join(names)} ({size}"
            f"load average at the start {run['machine']['load_at_start']})."
        )
    return "\n".join(lines)
