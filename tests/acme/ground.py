"""What every test stands on: a proxy and its authority, on ports that both know."""

import json
import socket
import ssl
import time

from authority import Authority, free_ports
from proxy import Proxy

DOMAIN = "site.test"
NAMES = [f"{label}.{DOMAIN}" for label in ("app", "api", "files")]
OBTAINED = "certificate obtained"
SERVED = "the new certificate is served"
FAILED = "no certificate obtained; what is served stays"
NEW_ACCOUNT = "account made at the authority"


class Site:
    """`acme` are further lines of its configuration, `authority` further settings of pebble's."""

    def __init__(self, folder, challenge="auto", acme="", directory=None, more="", pause="1s", **authority):
        self.folder = folder
        self.https, self.http = free_ports(2)
        (folder / "proxy").mkdir()
        self.authority = Authority(folder / "ca", self.http, self.https, **authority)
        self.config = (
            f'domain: "{DOMAIN}", workers: 1, health.enabled: false, protection.default_keys.check: false\n'
            f'admin.socket: "{folder}/proxy/admin.sock"\n'
            'listeners { https.bind: ["127.0.0.1:0"], http.bind: ["127.0.0.1:0"] }\n'
            f'acme {{ enabled: true, directory: "{directory or self.authority.directory}", ca: "{self.authority.ca}", '
            f'challenge: "{challenge}", email: "ops@{DOMAIN}", first_pause: {pause}\n{acme} }}\n{more}\n'
        )

    def proxy(self):
        return Proxy(self.folder / "proxy", config=self.config, ports=(self.https, self.http))

    def states(self):
        """The folders of the authorities."""
        return {folder.name: folder for folder in (self.folder / "proxy" / "certs" / "acme").iterdir()}

    def state(self):
        (folder,) = self.states().values()
        return folder

    def ledger(self):
        return json.loads((self.states()[_folder_name(self.config)] / "ledger.json").read_text())

    def certificate(self, name=NAMES[0], trust=None):
        """What a client gets for `name`, checked where `trust` is given."""
        with self.connect(name, trust) as stream:
            return stream.getpeercert(binary_form=True)

    def connect(self, name=NAMES[0], trust=None):
        context = ssl.create_default_context(cadata=trust)
        if trust is None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(socket.create_connection(("127.0.0.1", self.https), 10), server_hostname=name)

    def issued_locally(self):
        return b"Clearway local CA" in self.certificate()


def _folder_name(config):
    url = config.split('directory: "https://')[1].split('"')[0]
    return "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "_" for c in url)


def count(proxy, message):
    return sum(event.get("message") == message for event in list(proxy.events))


def wait_for(proxy, message, times=1, seconds=60):
    """Waits until `proxy` said it so often; the last of these events."""
    deadline = time.monotonic() + seconds
    while count(proxy, message) < times:
        assert time.monotonic() < deadline, "\n".join(json.dumps(event) for event in list(proxy.events))
        time.sleep(0.05)
    return [event for event in list(proxy.events) if event.get("message") == message][times - 1]
