"""Fair share, measured: how long a web UI's calls take while one agent floods the API and somebody uploads slowly.

    run.py BINARY [--seconds 10] [--cpu-ms 2] [--wait-ms 3] [--rate 1000] [--connections 100] [--logins 1]
           CONCURRENCY/PER_CLIENT...

For each pair of limits (0: none) a proxy is started before a target that has Python's limits (origin.py), and the
calls of a web UI are timed twice: alone, and beside one agent that asks for RATE calls a second on CONNECTIONS
connections and an upload at 10 kB/s. An agent has one login; with several it is one that makes up its tokens. All of
it runs on this machine, so read the ratios, not the times.
"""

import argparse
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).parent
DOMAIN = "clearml.localhost"
UI = "X-Allegro-Client: Webapp-2.3.0\r\nUser-Agent: Mozilla/5.0\r\n"
AGENT = "X-ClearML-Agent: api-3.0.3\r\nX-ClearML-Worker: runaway:0\r\n"
TOKEN = "Authorization: Bearer " + "h" * 36 + "." + "p" * 600 + ".{:s>43}\r\n"


def context():
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


class Client:
    """One kept connection."""

    def __init__(self, port, name):
        self.port, self.name, self.socket = port, name, None

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context().wrap_socket(plain, server_hostname=f"{self.name}.{DOMAIN}")

    def call(self, path, fields, body=b"{}"):
        if self.socket is None:
            self.connect()
        head = f"POST {path} HTTP/1.1\r\nHost: {self.name}.{DOMAIN}\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode() + body)
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.socket.recv(65536)
            if not piece:
                raise OSError("closed")
            data += piece
        head, rest = data.split(b"\r\n\r\n", 1)
        lines = head.lower().split(b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length"))
        while len(rest) < length:
            rest += self.socket.recv(65536)
        return int(head.split(b" ")[1])


def flood(port, rate, connections, logins, stop, counts):
    """One agent: asks as fast as `rate` allows, on so many connections."""
    start, lock, sent = time.monotonic(), threading.Lock(), [0]

    def one(number):
        client, fields = Client(port, "api"), AGENT + TOKEN.format(str(number % logins))
        while not stop.is_set():
            with lock:
                due = start + sent[0] / rate
                sent[0] += 1
            time.sleep(max(0, due - time.monotonic()))
            try:
                status = client.call("/v2.23/queues.get_next_task", fields)
            except OSError:
                client.socket, status = None, 0
            with lock:
                counts[status] = counts.get(status, 0) + 1

    threads = [threading.Thread(target=one, args=(number,), daemon=True) for number in range(connections)]
    for thread in threads:
        thread.start()
    return threads


def trickle(port, stop):
    """An upload at 10 kB/s."""
    client = Client(port, "api")
    client.connect()
    client.socket.sendall(
        f"POST /v2.23/events.add_batch HTTP/1.1\r\nHost: api.{DOMAIN}\r\n{AGENT}Content-Length: 10000000\r\n\r\n".encode()
    )
    while not stop.is_set():
        try:
            client.socket.sendall(b"x" * 1000)
        except OSError:
            return
        time.sleep(0.1)


def ui(port, seconds):
    """A person's calls, ten a second on three connections; their times in milliseconds, and how many failed."""
    times, failed, lock = [], [0], threading.Lock()
    end = time.monotonic() + seconds

    def one():
        client = Client(port, "api")
        client.connect()
        while time.monotonic() < end:
            begun = time.monotonic()
            status = client.call("/v999.0/tasks.get_all_ex", UI)
            took = (time.monotonic() - begun) * 1000
            with lock:
                times.append(took)
                failed[0] += status != 200
            time.sleep(max(0, 0.3 - took / 1000))

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    return times[len(times) // 2], times[int(len(times) * 0.99)], failed[0]


def start_proxy(binary, folder, origin, limits):
    conf = pathlib.Path(folder) / "proxy.conf"
    conf.write_text(
        f'domain: "{DOMAIN}"\nlisteners {{ https {{ bind: ["127.0.0.1:0"] }}, http {{ enabled: false }} }}\n'
        f'services {{ api {{ targets: ["127.0.0.1:{origin}"], {limits} }} }}\n'
        'access_log { enabled: false }\nlog { format: "json" }\n'
    )
    proxy = subprocess.Popen([binary, "run", "--config", conf], cwd=folder, stderr=subprocess.PIPE, text=True)
    for line in proxy.stderr:
        if "listening" in line:
            event = json.loads(line)
            if event.get("listener") == "https":
                threading.Thread(target=lambda: [None for _ in proxy.stderr], daemon=True).start()
                return proxy, int(event["address"].rsplit(":", 1)[1])
    sys.exit("the proxy did not start")


def measure(arguments, limits):
    origin = subprocess.Popen(
        [sys.executable, HERE / "origin.py", str(arguments.cpu_ms), str(arguments.wait_ms)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        proxy, port = start_proxy(arguments.binary, folder, int(origin.stdout.readline()), limits)
        try:
            idle = ui(port, arguments.seconds)
            load = subprocess.Popen(
                [sys.executable, __file__, "--flood", str(port)]
                + [str(number) for number in (arguments.rate, arguments.connections, arguments.logins)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            load.stdout.readline()
            time.sleep(4)
            busy = ui(port, arguments.seconds)
            said, _ = load.communicate("stop\n", timeout=30)
            return idle, busy, said.strip()
        finally:
            proxy.terminate()
            origin.kill()
            proxy.wait()
            origin.wait()


def flood_main(port, rate, connections, logins):
    stop, counts = threading.Event(), {}
    begun = time.monotonic()
    flood(port, rate, connections, logins, stop, counts)
    threading.Thread(target=trickle, args=(port, stop), daemon=True).start()
    print("flooding", flush=True)
    sys.stdin.readline()
    stop.set()
    seconds = time.monotonic() - begun
    print(", ".join(f"{count / seconds:.0f}/s {status or 'cut'}" for status, count in sorted(counts.items())))


def main():
    if sys.argv[1:2] == ["--flood"]:
        return flood_main(*map(int, sys.argv[2:6]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("limits", nargs="+", help="concurrency/per_client, as 128/8")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--cpu-ms", type=float, default=2)
    parser.add_argument("--wait-ms", type=float, default=3)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--logins", type=int, default=1)
    arguments = parser.parse_args()
    print("| concurrency | per_client | idle p50 | idle p99 | busy p50 | busy p99 | ratio p99 | failed | the agent got |")
    print("|---|---|---|---|---|---|---|---|---|")
    for limits in arguments.limits:
        concurrency, per_client = limits.split("/")
        idle, busy, agent = measure(arguments, f"concurrency: {concurrency}, per_client: {per_client}")
        print(
            f"| {concurrency} | {per_client} | {idle[0]:.1f} | {idle[1]:.1f} | {busy[0]:.1f} | {busy[1]:.1f} "
            f"| {busy[1] / idle[1]:.1f} | {idle[2] + busy[2]} | {agent} |",
            flush=True,
        )


main()
