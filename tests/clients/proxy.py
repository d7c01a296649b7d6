"""One running `clearway`: started on free ports, stopped by SIGTERM, with what it said."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

READY_SEC = 30
STOP_SEC = 30
DOMAIN = "clearml.localhost"

# The demo's key pair, src/standin/token.rs.
ACCESS_KEY = "CLEARWAYDEMO0000ACCESSKEY"
SECRET_KEY = "clearway-demo-secret-key"

# For a configuration of a test's own; without questions of the proxy's own to the API.
ON_LOOPBACK = 'listeners { https.bind: ["127.0.0.1:0"], http.bind: ["127.0.0.1:0"] }\nprotection.default_keys.check: false\n'


class Proxy:
    """`clearway run` with `arguments`, in `folder`; a context manager."""

    def __init__(self, folder, *arguments, config=None, ports=(0, 0)):
        self.folder = Path(folder)
        self.stdout, self.events, self.ports = [], [], {}
        self._ready = threading.Event()
        self._arguments = ["--https-port", str(ports[0]), "--http-port", str(ports[1]), *arguments]
        if config is not None:
            path = self.folder / "proxy.conf"
            path.write_text(config)
            self._arguments += ["--config", str(path)]

    def __enter__(self):
        for name in ("config", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(self.folder / "tmp"),
            "CLEARML_CONFIG_DIR": str(self.folder / "config"),
            "CLEARML__PROXY__LOG__FORMAT": "json",
        }
        command = [os.environ["CLEARWAY_BIN"], "run", *self._arguments]
        self._child = subprocess.Popen(
            command, cwd=self.folder, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self._readers = [
            threading.Thread(target=self._read_stdout, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        if not self._ready.wait(READY_SEC) or self._child.poll() is not None:
            self._child.kill()
            raise AssertionError("clearway did not become ready:\n" + "\n".join(map(str, self.events)))
        return self

    def __exit__(self, *_):
        self.stop()

    def _read_stdout(self):
        for line in self._child.stdout:
            self.stdout.append(line.rstrip("\n"))

    def _read_stderr(self):
        for line in self._child.stderr:
            event = json.loads(line) if _is_json(line) else {"message": line.rstrip("\n")}
            self.events.append(event)
            if event.get("message") == "listening":
                self.ports.setdefault(event["listener"], int(event["address"].rsplit(":", 1)[1]))
            if event.get("message") == "ready":
                self._ready.set()
        self._ready.set()

    def wait_for(self, message):
        """Waits until it has said this."""
        deadline = time.monotonic() + STOP_SEC
        while all(event.get("message") != message for event in list(self.events)):
            assert time.monotonic() < deadline, f"clearway never said {message!r}: {self.events[-5:]}"
            time.sleep(0.02)

    def tell_to_stop(self):
        """Asks it to stop once what runs is done, and waits until it says that it will."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SEC
        while all(event.get("message") != "stopping" for event in list(self.events)):
            assert time.monotonic() < deadline, "clearway did not hear SIGTERM"
            time.sleep(0.02)

    def stop(self):
        """Stops it and returns its exit code; a second call only returns it."""
        if self._child.poll() is None:
            if all(event.get("message") != "stopping" for event in self.events):
                self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(STOP_SEC)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
                raise AssertionError("clearway did not stop")
        for reader in self._readers:
            reader.join(STOP_SEC)
        return self._child.returncode

    def url(self, service, path="/", scheme="https"):
        """The URL of `path` on one of the three names."""
        return f"{scheme}://{service}.{DOMAIN}:{self.ports[scheme]}{path}"

    @property
    def authority(self):
        """The local CA's certificate, as a file."""
        [found] = (self.folder / "certs").rglob("ca.pem")
        return str(found)

    @property
    def uploads(self):
        """Where the demo's file server keeps what it was sent."""
        [found] = (self.folder / "tmp").glob("clearway-demo-*")
        return found

    @property
    def client_conf(self):
        """The lines for clearml.conf, as printed at the start."""
        # Printed before it is ready, but on the other stream.
        deadline = time.monotonic() + READY_SEC
        while not (found := re.search(r"^For clearml\.conf:\n\n(.*?\n)\n", "\n".join(self.stdout), re.S | re.M)):
            assert time.monotonic() < deadline, self.stdout
            time.sleep(0.02)
        return found.group(1)

    def records(self, count=1, **wanted):
        """The access-log lines whose fields are as `wanted` (a value, or a set of them), once there are `count`."""

        def fits(line):
            return all(line.get(key) in value if isinstance(value, set) else line.get(key) == value
                       for key, value in wanted.items())

        # Reached only when the test fails: the SDK alone may take long to start on a busy machine.
        deadline = time.monotonic() + READY_SEC * 2
        while True:
            found = [line for line in map(json.loads, filter(_is_json, list(self.stdout))) if fits(line)]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, f"{len(found)} of {count} access-log lines with {wanted}: {found[-3:]}"
            time.sleep(0.02)

    def memory_peak(self):
        """The most memory it held since `forget_memory_peak`, in bytes."""
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024

    def forget_memory_peak(self):
        """Starts a new measurement; returns what it holds now."""
        Path(f"/proc/{self._child.pid}/clear_refs").write_text("5")
        return self.memory_peak()


def _is_json(line):
    return line.startswith("{")


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
