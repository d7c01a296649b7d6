"""Processes that were started here: waited for, measured from /proc, ended by their ids."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS = 60


class BenchError(Exception):
    """A measurement that could not be made, in words for the person who asked for it."""


class Running:
    """A process with the children it makes."""

    def __init__(self, command: list[str], folder: Path, name: str) -> None:
        self.name = name
        self.log = folder / f"{name}.out"
        with self.log.open("wb") as output:
            try:
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            except OSError as error:
                raise BenchError(f"{name} cannot be started: {command[0]}: {error.strerror}") from error

    def pids(self) -> list[int]:
        """The process and its children, if it lives."""
        if self.process.poll() is not None:
            raise BenchError(f"{self.name} has ended ({self.process.returncode}): {self.last_words()}")
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def cpu_seconds(self) -> float:
        """User and system time of all its processes."""
        return sum(cpu_ticks(pid) for pid in self.pids()) / TICKS_PER_SECOND

    def memory_kib(self) -> int:
        """Proportional set size of all its processes."""
        return sum(proportional_kib(pid) for pid in self.pids())

    def await_port(self, port: int) -> None:
        """Waits until something accepts on `port`."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            self.pids()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise BenchError(f"{self.name} does not listen on {port}: {self.last_words()}")

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:].strip()

    def stop(self) -> None:
        """Ends it, politely at first."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def cpu_ticks(pid: int) -> int:
    # The name, which may hold spaces, ends with the last parenthesis.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def proportional_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise BenchError(f"no PSS for process {pid}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
