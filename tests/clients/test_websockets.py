"""A WebSocket library through the proxy, to a server of its own: ClearML has none, other tools behind app. may."""

import os
import ssl
import threading

import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect
from websockets.sync.server import serve

from proxy import ON_LOOPBACK, Proxy


def echo(socket):
    assert socket.request.headers["X-Forwarded-Proto"] == "https"
    for message in socket:
        socket.send(message)


@pytest.fixture
def proxy(tmp_path):
    with serve(echo, "127.0.0.1", 0, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        config = f'domain: "clearml.localhost"\n{ON_LOOPBACK}services.app.targets: ["127.0.0.1:{port}"]\n'
        with Proxy(tmp_path, config=config) as proxy:
            yield proxy
        server.shutdown()
        thread.join()


def open_socket(proxy, **options):
    trust = ssl.create_default_context(cafile=proxy.authority)
    return connect(proxy.url("app", "/ws?a=b").replace("https:", "wss:"), ssl=trust, max_size=None, **options)


def test_messages_of_all_sizes_come_back(proxy):
    with open_socket(proxy) as socket:
        for message in ["", "ü", "x" * 70_000, os.urandom(5_000_000)]:
            socket.send(message)
            assert socket.recv(timeout=30) == message
    [record] = proxy.records(path="/ws?a=b")
    assert (record["status"], record["upgraded"], record["fault"]) == (101, True, None)


def test_the_servers_goodbye_arrives(proxy):
    with open_socket(proxy) as socket:
        socket.close(1000, "done")
        with pytest.raises(ConnectionClosedOK):
            socket.recv(timeout=30)
        assert (socket.close_code, socket.close_reason) == (1000, "done")
