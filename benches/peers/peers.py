"""The proxies that are compared, each with its configuration."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from load import Origin
from process import Running, free_port

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class Variant:
    """How the proxies are set up for a scenario."""

    bulk: bool = False
    log: bool = False
    workers: int = 2


@dataclass(frozen=True)
class Peer:
    """A proxy: its name, the kind of its configuration, its program."""

    name: str
    kind: str
    program: str

    @contextmanager
    def run(self, folder: Path, origin: Origin, variant: Variant, under: tuple[str, ...] = ()) -> Iterator["Proxy"]:
        """Starts it in front of `origin`, `under` another program such as valgrind, and stops it in the end."""
        folder = folder / self.name
        folder.mkdir(exist_ok=True)
        words = shared_words(folder, origin, variant)
        config = fill(folder, CONFIG / FILES[self.kind], words | SPECIFIC[self.kind](folder, variant))
        running = Running([*under, self.program, *arguments(self.kind, folder, config)], folder, self.name)
        try:
            for port in (words["HTTPS"], words["HTTP"]):
                running.await_port(int(port))
            yield Proxy(self, running, int(words["HTTPS"]), int(words["HTTP"]))
        finally:
            running.stop()


@dataclass(frozen=True)
class Proxy:
    """A peer that runs."""

    peer: Peer
    running: Running
    https: int
    http: int


FILES = {"clearway": "clearway.conf", "nginx": "nginx.conf", "haproxy": "haproxy.cfg"}


def shared_words(folder: Path, origin: Origin, variant: Variant) -> dict[str, str]:
    return {
        "FOLDER": str(folder),
        "HTTPS": str(free_port()),
        "HTTP": str(free_port()),
        "KEEPING": str(origin.keeping),
        "CLOSING": str(origin.closing),
        "CERTIFICATE": str(folder.parent / "certificate.pem"),
        "KEY": str(folder.parent / "key.pem"),
        "PAIR": str(folder.parent / "pair.pem"),
        "WORKERS": str(variant.workers),
    }


def clearway_words(folder: Path, variant: Variant) -> dict[str, str]:
    return {"LOG": f'file: "{folder}/access.log"' if variant.log else "enabled: false"}


def nginx_words(folder: Path, variant: Variant) -> dict[str, str]:
    return {
        "LOG": f"{folder}/access.log line buffer=64k flush=1s" if variant.log else "off",
        "BULK": (CONFIG / "nginx-bulk.conf").read_text() if variant.bulk else "",
        # Started as root, its workers would change to a user who may not enter the folder of this run.
        "USER": f"user {pwd.getpwuid(os.getuid()).pw_name};" if os.getuid() == 0 else "",
    }


def haproxy_words(_folder: Path, variant: Variant) -> dict[str, str]:
    return {
        "LOG": "log stdout format raw daemon" if variant.log else "",
        "LINES": (CONFIG / "haproxy-log.cfg").read_text() if variant.log else "",
        "BUFFER": "131072" if variant.bulk else "16384",
    }


SPECIFIC = {"clearway": clearway_words, "nginx": nginx_words, "haproxy": haproxy_words}


def fill(folder: Path, template: Path, words: dict[str, str]) -> Path:
    """The template with its @WORDS@ filled in."""
    text = template.read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    path = folder / template.name
    path.write_text(text)
    return path


def arguments(kind: str, folder: Path, config: Path) -> list[str]:
    if kind == "clearway":
        return ["run", "--config", str(config)]
    if kind == "nginx":
        return ["-p", str(folder), "-e", f"{folder}/error.log", "-c", str(config)]
    return ["-db", "-f", str(config)]
