#!/usr/bin/env python3
"""A randomised soak: clients upload and ask while reloads, upgrades, maintenance, drains and restarts of targets happen.

Both ends are compared at the end:
- every acknowledged upload is on the target, with the right hash;
- no request reached targets twice;
- every call that failed got a status that ClearML's SDK tries again (429, 502, 503), and no connection to the proxy broke.

    tests/soak/soak.py [--seconds 60] [--seed N] [--clients 6]

Needs the binary named by CLEARWAY_BIN (default: target/debug/clearway) and nothing but Python. Exit code 1 when a rule
was broken; the seed is printed, and the same seed does the same things in the same order.
"""

import argparse
import hashlib
import http.client
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("CLEARWAY_BIN", ROOT / "target/debug/clearway")).resolve()
DOMAIN = "clearml.test"
RETRIED = {429, 502, 503}
UPLOAD_MAX = 2_000_000


class Target:
    """A file server that can be stopped, started again on its port, and killed in the middle of everything."""

    def __init__(self):
        self.lock = threading.Lock()
        self.heads = {}
        self.stored = {}
        self.socket = None
        self.connections = set()
        self.address = ("127.0.0.1", 0)
        self.start()

    def start(self):
        self.socket = socket.create_server(self.address, backlog=128)
        self.address = self.socket.getsockname()
        threading.Thread(target=self.accept, args=(self.socket,), daemon=True).start()

    def stop(self, kill):
        """Listens no more. Killed, it resets whatever is under way."""
        listening, self.socket = self.socket, None
        # Close alone leaves a blocked accept in place.
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        if kill:
            with self.lock:
                connections = list(self.connections)
            for connection in connections:
                try:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def accept(self, listening):
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with self.lock:
                self.connections.add(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            reader = connection.makefile("rb")
            while self.one(connection, reader):
                pass
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.connections.discard(connection)
            connection.close()

    def one(self, connection, reader):
        line = reader.readline()
        if not line:
            return False
        fields = {}
        while (field := reader.readline().strip()):
            name, _, value = field.decode().partition(":")
            fields[name.lower()] = value.strip()
        call = fields.get("x-soak")
        if call:
            with self.lock:
                self.heads[call] = self.heads.get(call, 0) + 1
        body = reader.read(int(fields.get("content-length", 0)))
        if len(body) < int(fields.get("content-length", 0)):
            return False
        digest = hashlib.sha256(body).hexdigest()
        if line.startswith(b"POST") and call:
            with self.lock:
                self.stored[call] = digest
        answer = json.dumps({"hash": digest}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
        connection.sendall(head.encode() + answer)
        return True


class Proxy:
    """The real binary, in a folder of its own."""

    def __init__(self, targets, folder):
        self.folder = folder
        self.targets = targets
        self.turn = 0
        self.port = free_port()
        self.write()
        environment = {"XDG_RUNTIME_DIR": str(folder), "PATH": os.environ.get("PATH", "")}
        self.environment = environment
        self.log = open(folder / "events.log", "wb")
        self.child = subprocess.Popen(
            [BINARY, "run", "--config", folder / "proxy.conf"],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
        )
        wait_until(lambda: b'"ready"' in (folder / "events.log").read_bytes(), 30)

    def write(self):
        self.turn += 1
        api, files = self.targets
        text = f"""
domain: {DOMAIN}
workers: 2
listeners {{ https {{ bind: ["127.0.0.1:{self.port}"] }}, http {{ enabled: false }} }}
certificate_folder: certs
log.format: json
access_log.enabled: false
reload {{ interval: 200ms }}
timeouts {{ hold: 2s, leave: 5s, keep_alive: {200 + self.turn % 7}s }}
services {{
  app {{ targets: ["{api.address[0]}:{api.address[1]}"] }}
  api {{ targets: ["{api.address[0]}:{api.address[1]}"] }}
  files {{ targets: ["{files.address[0]}:{files.address[1]}"] }}
}}
"""
        fresh = self.folder / "proxy.conf.new"
        fresh.write_text(text)
        fresh.rename(self.folder / "proxy.conf")

    def run(self, *arguments):
        done = subprocess.run(
            [BINARY, *arguments, "--json"], cwd=self.folder, env=self.environment, capture_output=True, timeout=120
        )
        return done.returncode, done.stdout.decode() + done.stderr.decode()

    def context(self):
        ca = next(self.folder.glob("certs/**/*ca*.pem"), None) or next(self.folder.glob("certs/**/*.crt"))
        return ssl.create_default_context(cafile=str(ca))


class Client(threading.Thread):
    """Uploads and asks, one call after the other, on connections that it keeps."""

    def __init__(self, number, proxy, soak):
        super().__init__(daemon=True)
        self.number, self.proxy, self.soak = number, proxy, soak
        self.random = random.Random(soak.seed * 1_000 + number)
        self.connection = None
        self.count = 0

    def run(self):
        context = self.proxy.context()
        while not self.soak.over.is_set():
            self.count += 1
            call = f"{self.number}-{self.count}"
            try:
                self.one(context, call)
            except Exception as error:  # any of them is what must not happen
                self.soak.broken(f"call {call}: {type(error).__name__}: {error}")
                self.connection = None

    def one(self, context, call):
        host = "files" if self.random.random() < 0.6 else "api"
        if self.connection is None or self.random.random() < 0.05:
            self.connection = Connection(self.proxy.port, context, f"{host}.{DOMAIN}")
        body = self.random.randbytes(self.random.choice([0, 100, 20_000, UPLOAD_MAX])) if host == "files" else b"{}"
        method = "POST" if host == "files" else "GET"
        fields = {"Host": f"{host}.{DOMAIN}", "X-Soak": call, "Content-Length": str(len(body))}
        self.connection.request(method, "/", body, fields)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status == 200:
            digest = hashlib.sha256(body).hexdigest()
            if json.loads(text)["hash"] != digest:
                self.soak.broken(f"call {call}: the target has seen another body")
            if method == "POST":
                self.soak.acknowledged[call] = digest
            self.soak.good += 1
        elif answer.status in RETRIED:
            self.soak.retried += 1
            time.sleep(0.05)
        else:
            self.soak.broken(f"call {call}: status {answer.status}: {text[:200]!r}")
        if answer.will_close:
            self.connection = None


class Connection(http.client.HTTPSConnection):
    """To one address, by another name."""

    def __init__(self, port, context, name):
        super().__init__("127.0.0.1", port, context=context, timeout=60)
        self.name = name

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.name)


class Soak:
    def __init__(self, seed):
        self.seed = seed
        self.random = random.Random(seed)
        self.over = threading.Event()
        self.acknowledged = {}
        self.problems = []
        self.good = self.retried = 0
        self.events = {}

    def broken(self, what):
        self.problems.append(what)
        print(f"BROKEN at {time.strftime('%H:%M:%S')}: {what}", flush=True)

    def disturb(self, proxy, targets, seconds):
        """Does one thing after the other for a while."""
        end = time.monotonic() + seconds
        kinds = ["reload", "signal", "files", "restart", "kill", "upgrade", "maintenance", "drain"]
        while time.monotonic() < end:
            time.sleep(self.random.uniform(0.1, 1.2))
            kind = self.random.choice(kinds)
            self.events[kind] = self.events.get(kind, 0) + 1
            getattr(self, kind)(proxy, targets)

    def must(self, result, what):
        code, text = result
        if code != 0:
            self.broken(f"{what}: exit code {code}: {text[:500]}")

    def reload(self, proxy, _targets):
        self.must(proxy.run("reload"), "reload")

    def signal(self, proxy, _targets):
        code, text = proxy.run("status")
        self.must((code, text), "status")
        os.kill(json.loads(text)["pid"], signal.SIGHUP)

    def files(self, proxy, _targets):
        proxy.write()

    def restart(self, _proxy, targets, kill=False):
        target = self.random.choice(targets)
        target.stop(kill)
        time.sleep(self.random.uniform(0, 1.5))
        target.start()

    def kill(self, proxy, targets):
        self.restart(proxy, targets, kill=True)

    def upgrade(self, proxy, _targets):
        self.must(proxy.run("upgrade"), "upgrade")

    def maintenance(self, proxy, _targets):
        service = self.random.choice(["api", "files"])
        self.must(proxy.run("maintenance", "on", service, "--for", "30s"), "maintenance on")
        time.sleep(self.random.uniform(0, 1))
        self.must(proxy.run("maintenance", "off"), "maintenance off")

    def drain(self, proxy, _targets):
        service = self.random.choice(["api", "files"])
        self.must(proxy.run("drain", service), "drain")
        time.sleep(self.random.uniform(0, 1))
        self.must(proxy.run("undrain", service), "undrain")

    def compare(self, targets):
        for target in targets:
            with target.lock:
                twice = [call for call, count in target.heads.items() if count > 1]
                stored = dict(target.stored)
            for call in twice:
                self.broken(f"call {call} reached its target more than once")
            if target is targets[1]:
                for call, digest in self.acknowledged.items():
                    if stored.get(call) != digest:
                        self.broken(f"upload {call} was acknowledged and is not there as it was sent")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def wait_until(true, seconds):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("the proxy did not start")
        time.sleep(0.02)


def last_pid(proxy):
    code, text = proxy.run("status")
    return json.loads(text)["pid"] if code == 0 else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--clients", type=int, default=6)
    arguments = parser.parse_args()
    print(f"soak: seed {arguments.seed}, {arguments.seconds:.0f} s, {arguments.clients} clients", flush=True)
    with tempfile.TemporaryDirectory(prefix="clearway-soak-") as folder:
        targets = [Target(), Target()]
        proxy = Proxy(targets, Path(folder))
        soak = Soak(arguments.seed)
        clients = [Client(number, proxy, soak) for number in range(arguments.clients)]
        for client in clients:
            client.start()
        try:
            soak.disturb(proxy, targets, arguments.seconds)
        finally:
            soak.over.set()
            for client in clients:
                client.join(90)
                if client.is_alive():
                    soak.broken(f"client {client.number} hangs")
            pid = last_pid(proxy)
            if pid:
                os.kill(pid, signal.SIGTERM)
            else:
                soak.broken("no proxy is left")
                proxy.child.kill()
        soak.compare(targets)
        if soak.problems:
            print(Path(folder, "events.log").read_text()[-20_000:])
    done = ", ".join(f"{count} {kind}" for kind, count in sorted(soak.events.items()))
    print(f"soak: {soak.good} calls answered, {soak.retried} to be tried again, {len(soak.acknowledged)} uploads; {done}")
    if soak.good < 10:
        soak.broken("hardly anything was answered")
    print(f"soak: {len(soak.problems)} problems (seed {arguments.seed})")
    return 1 if soak.problems else 0


if __name__ == "__main__":
    sys.exit(main())
