"""A build that has seen its work: the compiler is told which branches the scenarios take (profile-guided optimisation).

Three steps: an instrumented build, the scenarios with little work each, and the build that uses what they showed.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from load import Load
from measure import Say, measure
from peers import Peer
from process import BenchError
from scenarios import SCENARIOS
from tools import ROOT, build, find, first_line, make_certificate

# Much of what a longer training would show is shown by then.
SCALE = 0.15
PROFILE = ROOT / "target" / "pgo" / "clearway.profdata"
MADE = ROOT / "target" / "pgo" / "clearway"


def make(program: str | None, say: Say) -> Path:
    """Builds it; `program` is the load program, which is built where it is not given."""
    merger = find_merger()
    PROFILE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="clearway-pgo-") as name:
        folder = Path(name)
        say("the instrumented build")
        instrumented = compiled(f"-Cprofile-generate={folder}")
        load = Load(program or build("--bench", "load"), make_certificate(folder))
        train(load, Peer("clearway", "clearway", instrumented), folder, say)
        seen = [str(path) for path in folder.glob("*.profraw")]
        subprocess.run([merger, "merge", "-o", str(PROFILE), *seen], check=True)
    say("the build that uses the profile")
    shutil.copy2(compiled(f"-Cprofile-use={PROFILE}"), MADE)
    return MADE


def train(load: Load, peer: Peer, folder: Path, say: Say) -> None:
    for scenario in SCENARIOS:
        say(f"training: {scenario.name}")
        with load.origin() as origin, peer.run(folder, origin, scenario.variant) as proxy:
            measure(load, proxy, scenario, SCALE)


def compiled(flag: str) -> str:
    """The release build with one more flag, which build scripts do not get."""
    target = re.search(r"^host: (.+)$", said_by_rustc(), re.M)
    assert target
    flags = f"{os.environ.get('RUSTFLAGS', '')} {flag}".strip()
    return build("--bin", "clearway", "--target", target[1], flags=flags)


def find_merger() -> str:
    """`llvm-profdata` of the LLVM that the compiler has: others do not read its profiles."""
    version = re.search(r"^LLVM version: (\d+)", said_by_rustc(), re.M)
    assert version
    tools = Path(first_line([find("rustc"), "--print", "sysroot"])).glob("lib/rustlib/*/bin/llvm-profdata")
    found = next(map(str, tools), None) or shutil.which(f"llvm-profdata-{version[1]}")
    if found is None:
        raise BenchError(
            f"llvm-profdata of LLVM {version[1]} is missing; "
            f"rustup component add llvm-tools, or on Debian: apt install llvm-{version[1]}"
        )
    return found


def said_by_rustc() -> str:
    return subprocess.run([find("rustc"), "-vV"], capture_output=True, text=True, check=True).stdout
