"""A certificate authority on loopback: pebble, and the resolver that it asks."""

import json
import os
import socket
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path

START_SEC = 20


def free_ports(count):
    """Ports that nobody has now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Authority:
    """pebble in `folder`. It looks at http challenges on `http_port` and at TLS ones on `tls_port`."""

    def __init__(self, folder, http_port, tls_port, **settings):
        self.folder = Path(folder)
        self.port, self._management, self._dns, self._resolver_port = free_ports(4)
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
        resolver = ["pebble-challtestsrv", "-management", f"127.0.0.1:{self._resolver_port}",
                    "-dns01", f"127.0.0.1:{self._dns}", "-http01", "", "-https01", "", "-tlsalpn01", "",
                    "-defaultIPv6", ""]
        pebble = ["pebble", "-config", self.folder / "pebble.json", "-dnsserver", f"127.0.0.1:{self._dns}"]
        # Challenges are looked at without a pause; 5 % of nonces are refused, as pebble does by itself.
        environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"}
        with self._log.open("a") as log:
            for command in (resolver, pebble):
                self._processes.append(subprocess.Popen(
                    command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        deadline = time.monotonic() + START_SEC
        while not (accepts(self.port) and accepts(self._resolver_port) and accepts(self._management)):
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
        urllib.request.urlopen(f"http://127.0.0.1:{self._resolver_port}/set-default-ipv4", data=body, timeout=10)

    def root(self):
        """The certificate that clients must trust, in PEM."""
        context = ssl.create_default_context(cafile=self.ca)
        url = f"https://127.0.0.1:{self._management}/roots/0"
        return urllib.request.urlopen(url, context=context, timeout=10).read().decode()

    def orders(self):
        """How many orders it took so far; those that came with a nonce it refused on purpose do not count."""
        return self._log.read_text().count("Added order ")
