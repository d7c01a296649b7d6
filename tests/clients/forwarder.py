"""A port forwarder in front of a service, as a container engine has one: it can be taken away and come back."""

import socket
import struct
import threading


class Forwarder:
    """Passes connections to `address` (host, port) on; `port` is its own."""

    def __init__(self, address):
        self.address = address
        self.accepted = 0
        self._listener, self._pairs = None, []
        self._serve = self._pass_on
        self.listen(0)
        self.port = self._listener.getsockname()[1]

    def listen(self, port):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def go_away(self):
        """Nobody listens any more, and what was open is reset: the container stops."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in [end for pair in self._pairs for end in pair]:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Wakes the thread that reads from it; until that is gone, closing would end nothing.
                end.shutdown(socket.SHUT_RDWR)
                end.close()
            except OSError:
                pass
        self._pairs = []

    def come_back(self, serving):
        """Listens again; while not `serving`, every connection is closed at once: the container starts."""
        self._serve = self._pass_on if serving else socket.socket.close
        if self._listener.fileno() < 0:
            self.listen(self.port)

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._serve(client)

    def _pass_on(self, client):
        server = socket.create_connection(self.address)
        self._pairs.append((client, server))
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source, sink):
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
