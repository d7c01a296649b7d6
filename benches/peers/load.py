"""The project's own load program: the origin behind the proxies, and the clients in front of them."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from process import BenchError


@dataclass(frozen=True)
class Origin:
    """The ports of a running origin: one keeps connections, one closes after every answer."""

    keeping: int
    closing: int


@dataclass(frozen=True)
class Load:
    """The load program, with the certificate its clients trust."""

    program: str
    certificate: Path

    @contextmanager
    def origin(self) -> Iterator[Origin]:
        process = subprocess.Popen([self.program, "origin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdin and process.stdout
            ports = json.loads(process.stdout.readline())
            yield Origin(ports["keeping"], ports["closing"])
            process.stdin.close()
            process.wait(timeout=10)
        finally:
            process.kill()
            process.wait()

    def command(self, kind: str, port: int, host: str, arguments: list[str], plain: bool = False) -> list[str]:
        trust = [] if plain else ["--trust", str(self.certificate)]
        return [self.program, kind, "--address", f"127.0.0.1:{port}", "--host", host, *trust, *arguments]

    def drive(self, command: list[str]) -> dict[str, Any]:
        """Runs it to its end and returns what it counted."""
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return read_result(done.stdout, done.stderr)


def read_result(output: str, errors: str) -> dict[str, Any]:
    lines = output.strip().splitlines()
    result = json.loads(lines[-1]) if lines else {"failure": errors.strip() or "no output"}
    if "failure" in result:
        raise BenchError(result["failure"])
    return result
