"""Holds the documents to the code: links lead somewhere, files and keys that are named exist, the code map names every
file and no other, and every dependency has its reason."""

import os
import re
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = {"target", "node_modules", ".git"}
SECTIONS = "acme listeners services limits timeouts protection pool access_log log traces admin maintenance upgrade reload tls".split()
FENCED = re.compile(r"^ *```.*?^ *```", flags=re.M | re.S)


def documents():
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(set(folders) - SKIPPED)
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".md"))


def prose(path):
    """The text of a document without its fenced blocks."""
    return FENCED.sub("", path.read_text())


def anchors(path):
    """The anchors that a forge makes of the headings of a document."""
    headings = re.findall(r"^#+ +(.*)$", prose(path), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links():
    for path in documents():
        # Brackets inside code spans are no links.
        for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(path))):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            place = (path.parent / unquote(name)).resolve() if name else path
            if not place.exists():
                yield f"{path.relative_to(ROOT)}: the link {link} leads nowhere"
            elif anchor and place.suffix == ".md" and anchor not in anchors(place):
                yield f"{path.relative_to(ROOT)}: the link {link} names no heading"


def unknown_names():
    """Code spans that name a source file or a key of the configuration which is not there."""
    keys = set(re.findall(r"^\| `([a-z_.]+)` \|", (ROOT / "docs/reference/configuration.md").read_text(), flags=re.M))
    for path in documents():
        for span in re.findall(r"`([^`\n]+)`", prose(path)):
            # A bare name is a sibling of what the text is about; `name/tests.rs` is a pattern.
            if re.fullmatch(r"[\w./]+/\w+\.rs", span) and span != "name/tests.rs":
                if not (ROOT / span).exists() and not (ROOT / "src" / span).exists():
                    yield f"{path.relative_to(ROOT)}: there is no file {span}"
            # `services.` is also the name of a file of ClearML's.
            key = re.fullmatch(r"([a-z_]+)(\.[a-z_]+)+", span)
            ours = key and key[1] in SECTIONS and not re.search(r"^services\.(?!app|api|files)|\.rs$", span)
            if ours and not any(known == span or known.startswith(f"{span}.") for known in keys):
                yield f"{path.relative_to(ROOT)}: there is no key {span}"


def mapped_files():
    """The files below src/ that ARCHITECTURE.md lists, by their indentation below their folders."""
    block = re.search(r"^```text\nsrc/\n(.*?)^```", (ROOT / "ARCHITECTURE.md").read_text(), flags=re.M | re.S)
    if not block:
        sys.exit("ARCHITECTURE.md: there is no code map (a ```text block that begins with src/)")
    folders = []
    for line in block[1].splitlines():
        entry = re.match(r"((?:  )+)(\S+)", line)
        if not entry:
            continue
        depth = len(entry[1]) // 2 - 1
        if entry[2].endswith("/"):
            folders[depth:] = [entry[2]]
        elif entry[2].endswith(".rs") and depth <= len(folders):
            yield "".join(folders[:depth]) + entry[2]


def map_differences():
    named = list(mapped_files())
    listed = set(named)
    # The tests of a file that has outgrown itself stand in `name/tests.rs`; they need no line of their own.
    real = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*.rs") if path.name != "tests.rs"}
    for name in sorted(real - listed):
        yield f"ARCHITECTURE.md: the code map lacks src/{name}"
    for name in sorted(listed - real):
        yield f"ARCHITECTURE.md: the code map names src/{name}, which is not there"
    for name in sorted(name for name in listed if named.count(name) > 1):
        yield f"ARCHITECTURE.md: the code map names src/{name} more than once"


def unexplained_dependencies():
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    reasons = (ROOT / "docs/design/dependencies.md").read_text()
    explained = set(re.findall(r"^\| `([^`]+)`", reasons, flags=re.M))
    used = set(manifest["dependencies"]) | set(manifest.get("dev-dependencies", {}))
    for name in sorted(used - explained):
        yield f"docs/design/dependencies.md: no reason is given for {name}"
    for name in sorted(explained - used):
        yield f"docs/design/dependencies.md: {name} is not in Cargo.toml"


problems = [*broken_links(), *unknown_names(), *map_differences(), *unexplained_dependencies()]
for problem in problems:
    print(problem, file=sys.stderr)
print(f"documents: {len(problems)} problems")
sys.exit(bool(problems))
