"""Lets the demo's names resolve, without root and without /etc/hosts.

Python imports this file by itself where its folder is on PYTHONPATH, so it also works for programs that the tests
start (the SDK). Browsers resolve names below `.localhost` by themselves; the C library often does not.
"""

import socket

_SUFFIX = ".clearml.localhost"
_system = socket.getaddrinfo


def _getaddrinfo(host, *args, **kwargs):
    text = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else host
    if isinstance(text, str) and text.lower().rstrip(".").endswith(_SUFFIX):
        host = "127.0.0.1"
    return _system(host, *args, **kwargs)


socket.getaddrinfo = _getaddrinfo
