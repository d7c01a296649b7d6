"""Holds the documents to the code: links lead somewhere, the code map names every file and no other, and every
dependency has its reason."""

import re
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = {"target", "node_modules", ".git"}


def documents():
    for path in sorted(ROOT.rglob("*.md")):
        if not SKIPPED.intersection(path.relative_to(ROOT).parts):
            yield path


def without_code(text):
    """The text without fenced blocks and code spans, where brackets are no links."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def anchors(path):
    """The anchors that a forge makes of the headings of a document."""
    headings = re.findall(r"^#+ +(.*)$", re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links():
    for path in documents():
        for link in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text())):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            place = (path.parent / unquote(name)).resolve() if name else path
            if not place.exists():
                yield f"{path.relative_to(ROOT)}: the link {link} leads nowhere"
            elif anchor and place.suffix == ".md" and anchor not in anchors(place):
                yield f"{path.relative_to(ROOT)}: the link {link} names no heading"


def mapped_files():
    """The files below src/ that ARCHITECTURE.md lists: `name.rs` lines, indented below their `folder/`."""
    block = re.search(r"^```text\nsrc/\n(.*?)^```", (ROOT / "ARCHITECTURE.md").read_text(), flags=re.M | re.S)
    if not block:
        sys.exit("ARCHITECTURE.md: there is no code map (a ```text block that begins with src/)")
    folder = ""
    for line in block[1].splitlines():
        entry = re.match(r"( +)(\S+)", line)
        if not entry:
            continue
        depth, name = len(entry[1]), entry[2]
        if name.endswith("/"):
            folder = name
        elif name.endswith(".rs") and depth in (2, 4):
            yield name if depth == 2 else folder + name


def map_differences():
    listed = set(mapped_files())
    # The tests of a file that has outgrown itself stand in `name/tests.rs`; they need no line of their own.
    real = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*.rs") if path.name != "tests.rs"}
    for name in sorted(real - listed):
        yield f"ARCHITECTURE.md: the code map lacks src/{name}"
    for name in sorted(listed - real):
        yield f"ARCHITECTURE.md: the code map names src/{name}, which is not there"


def unexplained_dependencies():
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    reasons = (ROOT / "docs/design/dependencies.md").read_text()
    explained = set(re.findall(r"^\| `([^`]+)`", reasons, flags=re.M))
    used = set(manifest["dependencies"]) | set(manifest.get("dev-dependencies", {}))
    for name in sorted(used - explained):
        yield f"docs/design/dependencies.md: no reason is given for {name}"
    for name in sorted(explained - used):
        yield f"docs/design/dependencies.md: {name} is not in Cargo.toml"


problems = [*broken_links(), *map_differences(), *unexplained_dependencies()]
for problem in problems:
    print(problem, file=sys.stderr)
print(f"documents: {len(problems)} problems")
sys.exit(bool(problems))
