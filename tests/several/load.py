"""Clients and the target of `run.sh`, in one namespace. load.py <moving address> <first proxy> <second proxy> <folder>

Clients try again as ClearML's SDK does: after a connection that broke, and after 502 and 503. The target notes every
upload; what was acknowledged must be there once.
"""

import hashlib
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ADDRESS, FIRST, SECOND, FOLDER = sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])
HOST = "files.clearml.test"
CLIENTS = 4
# Each client goes on until it had so many answers by the second proxy.
AFTER = 20
PATIENCE = 60

stored, lock = {}, threading.Lock()
problems, answered = [], [0] * CLIENTS


class Files(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            stored.setdefault(self.headers["X-Call"], []).append(hashlib.sha256(body).hexdigest())
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def context():
    ca = next(path for path in sorted((FOLDER / "certs").rglob("*.pem")) if "ca" in path.name)
    made = ssl.create_default_context(cafile=str(ca))
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    return made


def connect(address, tls, session=None):
    plain = socket.create_connection((address, 443), timeout=3)
    return tls.wrap_socket(plain, server_hostname=HOST, session=session)


def upload(connection, call, body):
    head = f"POST /file HTTP/1.1\r\nHost: {HOST}\r\nX-Call: {call}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError("closed before an answer")
        answer += piece
    return int(answer.split(b" ", 2)[1])


def client(number, tls):
    connection, count, after = None, 0, 0
    end = time.monotonic() + PATIENCE
    while after < AFTER:
        if time.monotonic() > end:
            problems.append(f"client {number}: no more answers; {answered[number]} in all, {after} since the move")
            return
        count += 1
        call, body = f"{number}-{count}", bytes([number]) * 50_000
        moved = (FOLDER / "moved").exists()
        try:
            connection = connection or connect(ADDRESS, tls)
            status = upload(connection, call, body)
        except OSError:
            connection = None
            continue
        if status == 200:
            answered[number] += 1
            after += moved
            with lock:
                if stored.get(call) != [hashlib.sha256(body).hexdigest()]:
                    problems.append(f"{call} was acknowledged, and the target has {stored.get(call)}")
        elif status not in (502, 503):
            problems.append(f"{call}: status {status}")
            return


def tickets_are_shared(tls):
    """A session that the first proxy began is resumed by the second."""
    with connect(FIRST, tls) as first:
        upload(first, "ticket-1", b"x")
        session = first.session
    with connect(SECOND, tls, session) as second:
        upload(second, "ticket-2", b"x")
        if not second.session_reused:
            problems.append("the second proxy did not take the first one's ticket")


def main():
    ThreadingHTTPServer.request_queue_size = 128
    server = ThreadingHTTPServer(("10.77.0.254", 8081), Files)
    # Connections of the proxy that is killed break; that is no news.
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tls = context()
    tickets_are_shared(tls)
    clients = [threading.Thread(target=client, args=(number, tls), daemon=True) for number in range(CLIENTS)]
    for one in clients:
        one.start()
    while min(answered) < 5 and any(one.is_alive() for one in clients):
        time.sleep(0.05)
    (FOLDER / "warm").touch()
    for one in clients:
        one.join(PATIENCE + 10)
    twice = [call for call, digests in stored.items() if len(digests) > 1]
    problems.extend(f"{call} reached the target twice" for call in twice)
    print(f"several proxies: {sum(answered)} uploads acknowledged, {len(stored)} seen; {len(problems)} problems")
    for problem in problems:
        print(f"  {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
