"""A real server of the DNS on loopback that takes signed updates: BIND's named."""

import base64
import secrets
import subprocess
import time
from pathlib import Path

from authority import accepts, free_ports

START_SEC = 20


class NameServer:
    """named in `folder`, the primary of `zones`; every name below them is this machine."""

    def __init__(self, folder, *zones, algorithm="hmac-sha256"):
        self.folder = Path(folder)
        self.folder.mkdir()
        (self.port,) = free_ports(1)
        self.key = self.folder / "update.key"
        self._write_key(self.key, algorithm, secrets.token_bytes(32))
        for zone in zones:
            (self.folder / f"{zone}.zone").write_text(
                f"$TTL 5\n@ SOA ns hostmaster 1 60 60 60 5\n  NS ns\n  A 127.0.0.1\nns A 127.0.0.1\n* A 127.0.0.1\n")
        blocks = "".join(
            f'zone "{zone}" {{ type primary; file "{zone}.zone"; allow-update {{ key "acme"; }}; }};\n' for zone in zones)
        (self.folder / "named.conf").write_text(
            f'include "{self.key}";\n'
            f'options {{ directory "{self.folder}"; pid-file none; session-keyfile none; notify no; recursion yes;\n'
            # It follows aliases from zone to zone, and never asks anybody else.
            "  allow-recursion { 127.0.0.1; }; forward only; forwarders { 127.0.0.1 port 9; };\n"
            "  listen-on-v6 { none; }; dnssec-validation no; allow-transfer { none; };\n"
            f"  listen-on port {self.port} {{ 127.0.0.1; }}; }};\ncontrols {{ }};\n{blocks}")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def other_key(self, algorithm="hmac-sha256"):
        """A key of the same name that the server does not have."""
        path = self.folder / "other.key"
        self._write_key(path, algorithm, secrets.token_bytes(32))
        return path

    def _write_key(self, path, algorithm, secret):
        text = base64.b64encode(secret).decode()
        path.write_text(f'key "acme" {{\n\talgorithm {algorithm};\n\tsecret "{text}";\n}};\n')

    def __enter__(self):
        with (self.folder / "named.log").open("a") as log:
            self._process = subprocess.Popen(["named", "-g", "-c", self.folder / "named.conf"], cwd=self.folder,
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SEC
        while not accepts(self.port):
            assert time.monotonic() < deadline and self._process.poll() is None, self.log()
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def log(self):
        return (self.folder / "named.log").read_text()
