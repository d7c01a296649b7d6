"""A certificate authority on loopback: pebble, and the resolver that it asks."""

import json
import os
import random
import socket
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path

START_SEC = 20


# Below what the system gives to those who do not ask for a port; each test process has a range of its own.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = list(range(10_000 + _WORKER % 10 * 2_000, 12_000 + _WORKER % 10 * 2_000))
random.shuffle(_PORTS)


def free_ports(count):
    """Ports that nobody has now, and nobody gets by chance."""
    found = []
    while len(found) < count:
        port = _PORTS.pop()
        with socket.socket() as probe:
            # What was closed a moment ago may still be waited on.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    return found


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Authority:
    """pebble in `folder`. It looks at http challenges on `http_port` and at TLS ones on `tls_port`."""

    def __init__(self, folder, http_port, tls_port, dns=None, refused_nonces=5, **settings):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self._management, self.dns, self.resolver_port = free_ports(4)
        # In a hundred; 5 is what pebble does by itself.
        self._refused_nonces = refused_nonces
        # Another server of the DNS than the one that comes with pebble.
        self._asks = dns or self.dns
        self.ca = self.folder / "directory-ca.pem"
        self._log = self.folder / "pebble.log"
        self._processes = []
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=directory", "-addext", "subjectAltName=IP:127.0.0.1",
             "-addext", "basicConstraints=critical,CA:FALSE",
             "-keyout", self.folder / "directory.key", "-out", self.ca],
            check=True, capture_output=True,
        )
        pebble = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(self.ca),
            "privateKey": str(self.folder / "directory.key"),
            "httpPort": http_port,
            "tlsPort": tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            **settings,
        }
        (self.folder / "pebble.json").write_text(json.dumps({"pebble": pebble}))

    @property
    def directory(self):
        return f"https://127.0.0.1:{self.port}/dir"

    def __enter__(self):
        resolver = ["pebble-challtestsrv", "-management", f"127.0.0.1:{self.resolver_port}",
                    "-dns01", f"127.0.0.1:{self.dns}", "-http01", "", "-https01", "", "-tlsalpn01", "",
                    "-defaultIPv6", ""]
        pebble = ["pebble", "-config", self.folder / "pebble.json", "-dnsserver", f"127.0.0.1:{self._asks}"]
        # Challenges are looked at without a pause.
        environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0",
                       "PEBBLE_WFE_NONCEREJECT": str(self._refused_nonces)}
        with self._log.open("a") as log:
            for command in (resolver, pebble):
                self._processes.append(subprocess.Popen(
                    command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        deadline = time.monotonic() + START_SEC
        while not (accepts(self.port) and accepts(self.resolver_port) and accepts(self._management)):
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes.clear()

    def point_names_at(self, address):
        """What every name resolves to from now on, for the authority."""
        body = json.dumps({"ip": address}).encode()
        urllib.request.urlopen(f"http://127.0.0.1:{self.resolver_port}/set-default-ipv4", data=body, timeout=10)

    @property
    def key(self):
        """The key of the directory's own certificate."""
        return self.folder / "directory.key"

    def root(self):
        """The certificate that clients must trust, in PEM."""
        context = ssl.create_default_context(cafile=self.ca)
        url = f"https://127.0.0.1:{self._management}/roots/0"
        return urllib.request.urlopen(url, context=context, timeout=10).read().decode()

    def orders(self):
        """How many orders it took so far; those that came with a nonce it refused on purpose do not count."""
        return self._log.read_text().count("Added order ")

    def log(self):
        return self._log.read_text()
