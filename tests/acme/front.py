"""Something in front of pebble: what newer authorities have, and what broken ones do."""

import base64
import datetime
import http.client
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from authority import free_ports


class Front:
    """Passes everything to `authority` but for what its rules say.

    `before(method, path, payload)` may give an answer of its own: status, fields, body; or a function that writes to
    the connection. `after(path, payload, status, body)` may give another body. Its clock is `ahead` by so many seconds."""

    ahead = 0

    def __init__(self, authority, before=None, after=None):
        self._authority = authority
        self.before, self.after = before, after
        self.seen = []
        (self.port,) = free_ports(1)

    @property
    def directory(self):
        return f"https://127.0.0.1:{self.port}/dir"

    def payloads(self, path):
        """What was posted there, decoded."""
        return [payload for _, where, payload in list(self.seen) if where == path and payload is not None]

    def __enter__(self):
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def date_time_string(self, timestamp=None):
                return super().date_time_string((timestamp or time.time()) + front.ahead)

            def _answer(self):
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                payload = _payload(body)
                front.seen.append((self.command, self.path, payload))
                own = front.before and front.before(self.command, self.path, payload)
                if callable(own):
                    own(self.wfile)
                    self.close_connection = True
                    return
                status, fields, content = own or front._pass_on(self, body, payload)
                self.send_response(status)
                for name, value in fields:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_HEAD = _answer

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._authority.ca, self._authority.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def _pass_on(self, request, body, payload):
        context = ssl.create_default_context(cafile=self._authority.ca)
        upstream = http.client.HTTPSConnection("127.0.0.1", self._authority.port, timeout=30, context=context)
        # pebble makes its URLs of the host that was asked, so they lead through here as well.
        fields = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        upstream.request(request.command, request.path, body=body or None, headers=fields)
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        hop = ("content-length", "transfer-encoding", "connection", "date", "server")
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in hop]
        other = self.after and self.after(request.path, payload, answer.status, content)
        return answer.status, kept, other if other is not None else content


def _payload(body):
    try:
        payload = json.loads(body)["payload"]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, KeyError, TypeError):
        return None


def problem(status, kind, detail, *fields):
    """An answer of an authority that refuses."""
    body = json.dumps({"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail, "status": status}).encode()
    return status, [("Content-Type", "application/problem+json"), *fields], body


class Newer:
    """What pebble 2.4 lacks: a window for the renewal (ARI, RFC 9773), and profiles. `window` is a pair of offsets in
    seconds from now; the authority tells whoever asks."""

    def __init__(self, window=None, profiles=None, again=3600):
        self.window, self.profiles, self.again = window, profiles, again
        self.asked = []

    def before(self, method, path, payload):
        if path.startswith("/renewal-info/") and self.window:
            self.asked.append(path.removeprefix("/renewal-info/"))
            now = datetime.datetime.now(datetime.timezone.utc)
            start, end = ((now + datetime.timedelta(seconds=offset)).strftime("%Y-%m-%dT%H:%M:%SZ") for offset in self.window)
            body = json.dumps({"suggestedWindow": {"start": start, "end": end}, "explanationURL": "https://ca.test/why"})
            return 200, [("Content-Type", "application/json"), ("Retry-After", str(self.again))], body.encode()
        return None

    def after(self, path, payload, status, body):
        if path == "/dir":
            directory = json.loads(body)
            if self.window:
                directory["renewalInfo"] = directory["newOrder"].replace("/order-plz", "/renewal-info")
            if self.profiles:
                directory.setdefault("meta", {})["profiles"] = self.profiles
            return json.dumps(directory).encode()
        if path == "/order-plz" and status == 201:
            order = json.loads(body)
            order.update({key: payload[key] for key in ("replaces", "profile") if key in payload})
            return json.dumps(order).encode()
        return None
