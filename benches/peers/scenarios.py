"""What is measured, and what is to be reached."""

from dataclasses import dataclass, field

from peers import Variant

GIB = 1 << 30
MIB = 1 << 20

BULK = Variant(bulk=True)
# What ClearML's SDK sends with each call.
SDK = (
    "Authorization: Bearer " + "eyJhbGciOiJIUzI1NiJ9." + "x" * 180,
    "Content-Type: application/json",
    "User-Agent: clearml/2.0.2 python-requests/2.32.3",
    "Accept-Encoding: gzip, deflate",
    "Accept: */*",
    "X-ClearML-Client: clearml-2.0.2",
    "X-Trains-Client: clearml-2.0.2",
    "X-ClearML-Worker: host:gpu0",
    "X-Trains-Worker: host:gpu0",
    "Connection: keep-alive",
)


@dataclass(frozen=True)
class Scenario:
    """One kind of work, the same for each proxy."""

    name: str
    about: str
    kind: str
    host: str
    unit: str
    # Requests, connections or pages at scale 1.
    count: int
    connections: int = 1
    ask: tuple[str, ...] = ()
    # Bytes of one transfer at scale 1, where the unit is GiB; then the count is of transfers and stays.
    transfer: int = 0
    variant: Variant = field(default_factory=Variant)
    plain: bool = False
    # Arguments of a load on `files.` that runs meanwhile; what that costs the proxy is in the CPU time too.
    beside: tuple[str, ...] = ()
    # The CPU time that nginx's is multiplied with.
    target: float | None = None

    def amount(self, scale: float) -> tuple[list[str], float]:
        """The arguments for the load at this scale, and the number of units that it is."""
        if self.transfer:
            size = max(MIB, int(self.transfer * scale))
            sized = [argument.replace("SIZE", str(size)) for argument in self.ask]
            return [*sized, *self.lanes(self.count)], size * self.count / GIB
        count = max(1, int(self.count * scale))
        return [*self.ask, *self.lanes(count)], count

    def lanes(self, count: int) -> list[str]:
        return ["--requests", str(count), "--connections", str(self.connections)]


def sent(*texts: str) -> tuple[str, ...]:
    return tuple(word for text in texts for word in ("--field", text))


APP, API, FILES = "app.bench.test", "api.bench.test", "files.bench.test"
SMALL = ("--path", "/bytes/1024")
BODY = ("--body", "2048")

# fmt: off
SCENARIOS = (
    Scenario("h1_get", "GET of 1 KiB over HTTP/1.1, 64 connections, origin keeps connections",
             "http1", APP, "request", 60_000, 64, SMALL, target=0.85),
    Scenario("h1_post", "POST of 2 KiB over HTTP/1.1, 64 connections, origin keeps connections",
             "http1", APP, "request", 60_000, 64, ("--method", "POST", *BODY), target=0.88),
    Scenario("h1_close", "GET of 1 KiB over HTTP/1.1, 64 connections, origin closes after each answer",
             "http1", API, "request", 20_000, 64, SMALL, target=0.95),
    Scenario("get_with_body", "GET with 2 KiB of JSON and the SDK's fields, origin closes after each answer",
             "http1", API, "request", 20_000, 64, ("--path", "/v2.30/tasks.get_all", *BODY, *sent(*SDK)),
             target=0.95),
    Scenario("h1_get_log", "as h1_get, with an access log",
             "http1", APP, "request", 60_000, 64, SMALL, variant=Variant(log=True), target=0.85),
    Scenario("h2_get", "GET of 1 KiB over HTTP/2, 32 connections of 4 streams, origin keeps connections",
             "http2", APP, "request", 60_000, 32, (*SMALL, "--streams", "4"), target=0.85),
    Scenario("h2_ui", "pages of 190 files over a new HTTP/2 connection each, 100 streams, 4 browsers",
             "pages", APP, "page", 300, 4),
    Scenario("fixed_rate", "as h1_get, at 2,000 requests per second",
             "http1", APP, "request", 20_000, 64, (*SMALL, "--rate", "2000"), target=0.80),
    Scenario("beside_bulk", "500 requests per second while two downloads run at 100 MiB per second each",
             "http1", APP, "request", 2_000, 16, (*SMALL, "--rate", "500"), variant=BULK,
             beside=("--path", f"/bytes/{4 * GIB}", "--requests", "2", "--connections", "2", "--read-rate", "100")),
    Scenario("tls_full", "connections with a full handshake, one GET each",
             "http1", APP, "connection", 3_000, 8, (*SMALL, "--fresh"), target=0.55),
    Scenario("tls_resume", "connections with a resumed handshake, one GET each",
             "http1", APP, "connection", 3_000, 8, (*SMALL, "--fresh", "--resume"), target=0.60),
    Scenario("download_h1", "one answer of 1 GiB over HTTP/1.1",
             "http1", APP, "GiB", 1, 1, ("--path", "/bytes/SIZE"), GIB, BULK, target=0.62),
    Scenario("download_h2", "one answer of 1 GiB over HTTP/2",
             "http2", APP, "GiB", 1, 1, ("--path", "/bytes/SIZE"), GIB, BULK, target=0.75),
    Scenario("upload_h1", "one body of 1 GiB over HTTP/1.1",
             "http1", FILES, "GiB", 1, 1, ("--method", "PUT", "--body", "SIZE"), GIB, BULK, target=0.80),
    Scenario("upload_h2", "one body of 1 GiB over HTTP/2",
             "http2", FILES, "GiB", 1, 1, ("--method", "PUT", "--body", "SIZE"), GIB, BULK, target=0.80),
    Scenario("multipart", "files of 64 MiB as the SDK uploads them: 4 connections, multipart, pieces of 8 KiB",
             "http1", FILES, "GiB", 16, 4,
             ("--method", "POST", "--body", "SIZE", "--multipart", "--piece", "8192", "--fresh"), 64 * MIB, BULK),
    Scenario("redirect", "plain HTTP led to https, 64 connections",
             "http1", APP, "request", 200_000, 64, ("--path", "/projects", "--status", "308"), plain=True, target=1.0),
)
# fmt: on

IDLE_CONNECTIONS = 5_000
IDLE_TARGET_KIB = 9.0
