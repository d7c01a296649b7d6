"""A target that behaves like ClearML's API server on Werkzeug: a thread for each connection, one interpreter lock for
all of them, `Connection: close` after every answer. Each call computes for CPU_MS and waits for a database for WAIT_MS.

    origin.py [CPU_MS] [WAIT_MS]        prints its port
"""

import socket
import sys
import threading
import time

CPU = float(sys.argv[1] if len(sys.argv) > 1 else 2) / 1000
WAIT = float(sys.argv[2] if len(sys.argv) > 2 else 3) / 1000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def compute(seconds):
    """Holds the interpreter for `seconds` of this thread's own CPU time, as Python code does."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(200))


def serve(connection):
    with connection:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return
            data += piece
        head, body = data.split(b"\r\n\r\n", 1)
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, value = line.split(b":", 1)
            if name.lower() == b"content-length":
                length = int(value)
        received = len(body)
        while received < length:
            piece = connection.recv(65536)
            if not piece:
                return
            received += len(piece)
        compute(CPU)
        time.sleep(WAIT)
        connection.sendall(ANSWER)


def main():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
