"""What authorities do: say when to renew, offer profiles, fail, and have a stand-in."""

import http.client
import json
import os
import socket
import ssl
import subprocess
import time

import pytest
from authority import Authority
from front import Front, Newer, problem
from ground import DOMAIN, FAILED, NAMES, NEW_ACCOUNT, OBTAINED, SERVED, Site, count, wait_for

HOUR = 3600


def fronted(folder, newer=None, before=None, **settings):
    """A site that meets its authority through a front, which sees each request once."""
    site = Site(folder, "http", directory="@directory@", refused_nonces=0, **settings)
    front = Front(site.authority, before=before or (newer and newer.before), after=newer and newer.after)
    site.config = site.config.replace("@directory@", front.directory)
    return site, front


def status(site):
    connection = http.client.HTTPConnection("proxy", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(site.folder / "proxy" / "admin.sock"))
    connection.request("GET", "/status")
    return json.loads(connection.getresponse().read())


def test_the_authority_s_window_is_followed_and_the_order_says_what_it_replaces(tmp_path):
    newer = Newer(window=(10 * HOUR, 20 * HOUR))
    site, front = fronted(tmp_path, newer)
    with site.authority as authority, front:
        with site.proxy() as proxy:
            wait_for(proxy, SERVED)
            event = wait_for(proxy, "the authority names a window for the renewal")
            assert event["explanation"] == "https://ca.test/why", event
            first = site.certificate()
            acme = status(site)["acme"]
            assert "the authority wants it renewed then" in acme["reason"] and acme["failures"] == 0, acme
            until = time.mktime(time.strptime(acme["next"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone - time.time()
            assert 10 * HOUR - 60 <= until <= 20 * HOUR, "within the window, wherever in it"
            assert acme["last"]["error"] is None and acme["last"]["authority"] == front.directory
        # The certificate is revoked: the window is over already, and nobody waits for two thirds of a life.
        newer.window = (-2 * HOUR, -HOUR)
        with site.proxy() as proxy:
            wait_for(proxy, SERVED)
            newer.window = (10 * HOUR, 20 * HOUR)
            assert site.certificate(NAMES[0], authority.root()) != first
        orders = front.payloads("/order-plz")
        assert "replaces" not in orders[0] and newer.asked[0] == orders[1]["replaces"], orders
        key, serial = newer.asked[0].split(".")
        assert key and serial
        # Revocations in a row cannot empty the account's limits.
        assert len(orders) == 2, orders


def test_a_profile_is_asked_for_and_one_that_is_not_offered_is_told(tmp_path):
    newer = Newer(profiles={"shortlived": "six days", "default": "ninety"})
    site, front = fronted(tmp_path, newer, acme='profile: "shortlived"')
    with site.authority, front:
        with site.proxy() as proxy:
            wait_for(proxy, SERVED)
        assert [order.get("profile") for order in front.payloads("/order-plz")] == ["shortlived"]
        site.states().popitem()[1].joinpath("certificate.pem").unlink()
        site.config = site.config.replace('"shortlived"', '"eternal"')
        with site.proxy() as proxy:
            event = wait_for(proxy, FAILED)
            assert "no profile eternal" in event["error"] and "shortlived" in event["error"], event
            assert "acme.profile" in event["hint"]
    assert len(front.payloads("/order-plz")) == 1, "the authority was not bothered"


def test_the_second_authority_stands_in_and_the_first_one_gets_its_turn_again(tmp_path):
    site = Site(tmp_path, "http", acme="@fallback@", certificateValidityPeriod=15)
    second = Authority(tmp_path / "second", site.http, site.https, certificateValidityPeriod=15)
    site.config = site.config.replace(
        "@fallback@", f'fallback {{ directory: "{second.directory}", ca: "{second.ca}", after: 1 }}')
    with second, site.proxy() as proxy:
        failed = wait_for(proxy, FAILED)
        assert failed["authority"] == site.authority.directory, failed
        obtained = wait_for(proxy, OBTAINED)
        assert obtained["authority"] == second.directory, obtained
        wait_for(proxy, SERVED)
        assert site.certificate(NAMES[0], second.root())
        ledger = site.ledger()
        assert [entry["authority"] for entry in ledger[:2]] == [site.authority.directory, second.directory]
        assert ledger[0]["error"] and not ledger[1]["error"] and ledger[1]["certificate"]
        # Each has an account of its own.
        assert all((folder / "account.json").exists() == (str(second.port) in name)
                   for name, folder in site.states().items())
        with site.authority as first:
            deadline = time.monotonic() + 60
            while not any(event.get("message") == OBTAINED and event["authority"] == first.directory
                          for event in list(proxy.events)):
                assert time.monotonic() < deadline, site.ledger()
                time.sleep(0.1)
            deadline = time.monotonic() + 30
            while True:
                try:
                    site.certificate(NAMES[0], first.root())
                    break
                except ssl.SSLCertVerificationError:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)


def test_a_rate_limit_is_honoured_shown_and_goes_round_by_the_second_authority(tmp_path):
    def before(method, path, _payload):
        if path == "/order-plz":
            return problem(429, "rateLimited", "too many certificates", ("Retry-After", "5400"))
        return None

    site, front = fronted(tmp_path, before=before, acme="@fallback@")
    second = Authority(tmp_path / "second", site.http, site.https)
    config = site.config
    site.config = config.replace("@fallback@", "")
    with site.authority, front:
        with site.proxy() as proxy:
            began = time.time()
            event = wait_for(proxy, FAILED)
            assert "too many certificates" in event["error"] and "fallback" in event["hint"], event
            assert "asked to wait" in event["reason"], event
            view = status(site)
            assert "asked to wait" in view["acme"]["reason"] and view["acme"]["failures"] == 1, view["acme"]
            until = time.mktime(time.strptime(view["acme"]["next"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone - began
            assert 5300 < until < 5500
            assert any("too many certificates" in alarm for alarm in view["alarms"]), view["alarms"]
        asked = len(front.payloads("/order-plz"))
        with site.proxy() as proxy:
            assert "asked to wait" in status(site)["acme"]["reason"], "a restart does not forget it"
        assert len(front.payloads("/order-plz")) == asked
        # Where there is another authority, nobody waits.
        site.config = config.replace(
            "@fallback@", f'fallback {{ directory: "{second.directory}", ca: "{second.ca}", after: 5 }}')
        with second, site.proxy() as proxy:
            assert wait_for(proxy, OBTAINED)["authority"] == second.directory
        assert len(front.payloads("/order-plz")) == asked


def test_clocks_that_are_apart_are_told_with_the_failure_and_only_then(tmp_path):
    def before(method, path, _payload):
        return problem(400, "malformed", "no") if path == "/order-plz" else None

    for ahead, told in [
        (0, None),
        (30, None),
        (3 * HOUR + 60, "this machine's clock is 3 h behind the authority's"),
        (-10 * 60 - 30, "this machine's clock is 10 min ahead of the authority's"),
    ]:
        folder = tmp_path / str(ahead)
        folder.mkdir()
        site, front = fronted(folder, before=before)
        front.ahead = ahead
        with site.authority, front, site.proxy() as proxy:
            event = wait_for(proxy, FAILED)
            assert "no" in event["error"] and event["hint"], event
            assert told in event["error"] if told else "clock" not in event["error"], event
            if told:
                assert told in site.ledger()[-1]["error"]
                alarms = status(site)["alarms"]
                assert any(told in alarm for alarm in alarms), alarms
    # Where nothing fails, nothing is made of it.
    folder = tmp_path / "good"
    folder.mkdir()
    site, front = fronted(folder)
    front.ahead = 600
    with site.authority, front, site.proxy() as proxy:
        wait_for(proxy, SERVED)
        assert site.ledger()[-1]["error"] is None


def trickle(wfile):
    wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    try:
        for _ in range(600):
            wfile.write(b" ")
            wfile.flush()
            time.sleep(0.1)
    except OSError:
        pass


BROKEN = {
    "html": ((502, [("Content-Type", "text/html")], b"<html>\n<h1>Bad Gateway</h1>"), "502 Bad Gateway and"),
    "other json": ((200, [], b'{"hello": []}'), "not ACME"),
    "no json": ((200, [], b"hello"), "not ACME"),
    "huge": ((200, [], b" " * 2_000_000), "length limit exceeded"),
    "a redirection": ((301, [("Location", "https://elsewhere.test/")], b""), "not ACME"),
    "a trickle": (trickle, "did not answer in time"),
    "no answer": (lambda wfile: None, "connection"),
    "no HTTP": (lambda wfile: wfile.write(b"220 mail.test ESMTP\r\n"), "invalid HTTP"),
    "a refusal with nothing": ((503, [("Retry-After", "7200")], b""), "503"),
}


def test_an_authority_that_talks_nonsense_takes_nothing_away(tmp_path):
    how = {"now": None}

    def before(_method, path, _payload):
        return how["now"] if path == "/dir" else None

    site, front = fronted(tmp_path, before=before, acme="timeout: 2s, attempts_per_day: 48")
    with site.authority, front:
        with site.proxy() as proxy:
            wait_for(proxy, SERVED)
            good = site.certificate()
        (state,) = site.states().values()
        kept = (state / "certificate.pem").read_text()
        for name, (answer, words) in BROKEN.items():
            how["now"] = answer
            # One that is not for all names any more, so that another one is asked for at once.
            other = site.config.replace(f'domain: "{DOMAIN}"', f'domain: ["{DOMAIN}", "more.test"]')
            (state / "attempts.json").unlink()
            site.config, ours = other, site.config
            with site.proxy() as proxy:
                event = wait_for(proxy, FAILED)
                assert words in event["error"], (name, event)
                assert event["hint"] and event["next"], (name, event)
                assert site.certificate() == good, name
            site.config = ours
        assert (state / "certificate.pem").read_text() == kept


def test_an_order_that_becomes_invalid_is_told(tmp_path):
    def after(path, _payload, status, body):
        if path.startswith("/my-order/") and status == 200:
            order = json.loads(body)
            order["status"] = "invalid"
            order["error"] = {"type": "urn:ietf:params:acme:error:caa", "detail": "CAA record prevents issuance"}
            return json.dumps(order).encode()
        return None

    site, front = fronted(tmp_path)
    front.after = after
    with site.authority, front, site.proxy() as proxy:
        event = wait_for(proxy, FAILED)
        assert "CAA record prevents issuance" in event["error"] and "CAA" in event["hint"], event
        assert site.issued_locally()


@pytest.mark.parametrize("status_word", ["deactivated", "revoked"])
def test_an_account_that_was_closed_is_replaced_once(tmp_path, status_word):
    closed = set()

    def before(_method, path, payload):
        if path == "/order-plz" and not closed and payload is not None:
            closed.add(path)
            return problem(401, "unauthorized", f'Account is not valid, has status "{status_word}"')
        return None

    site, front = fronted(tmp_path, before=before)
    with site.authority as authority, front, site.proxy() as proxy:
        wait_for(proxy, SERVED)
        assert count(proxy, NEW_ACCOUNT) == 2 and count(proxy, FAILED) == 0
        event = wait_for(proxy, "the account at the authority is of no use any more; a new one is made")
        assert status_word in event["why"], event
        assert site.certificate(NAMES[0], authority.root())
        assert (site.state() / "account-refused.json").exists()


def test_a_refusal_of_names_makes_no_new_account(tmp_path):
    def before(_method, path, _payload):
        return problem(403, "unauthorized", "this account may not have these names") if path == "/order-plz" else None

    site, front = fronted(tmp_path, before=before)
    with site.authority, front, site.proxy() as proxy:
        wait_for(proxy, FAILED)
        assert count(proxy, NEW_ACCOUNT) == 1


def test_a_certificate_for_another_key_is_not_taken_in(tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", f"/CN={NAMES[0]}", "-addext", f"subjectAltName=DNS:{NAMES[0]}",
         "-keyout", folder / "key.pem", "-out", folder / "chain.pem"], check=True, capture_output=True)
    other = (folder / "chain.pem").read_bytes()

    def before(method, path, _payload):
        return (200, [("Content-Type", "application/pem-certificate-chain")], other) if path.startswith("/certZ/") else None

    site, front = fronted(tmp_path, before=before)
    with site.authority, front, site.proxy() as proxy:
        event = wait_for(proxy, FAILED)
        assert "the new certificate cannot be served" in event["error"], event
        assert site.issued_locally()
        assert not (site.state() / "certificate.pem").exists()


def rehearse(site):
    path = site.folder / "rehearse.conf"
    path.write_text(site.config)
    command = [os.environ["CLEARWAY_BIN"], "certs", "rehearse", "--config", str(path), "--json",
               "--https-port", str(site.https), "--http-port", str(site.http)]
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(site.folder)}
    ended = subprocess.run(command, cwd=site.folder, env=environment, capture_output=True, text=True, timeout=120)
    return ended.returncode, json.loads(ended.stdout) if ended.stdout else ended.stderr


def test_a_rehearsal_goes_all_the_way_and_touches_nothing(tmp_path):
    site = Site(tmp_path, "auto", directory="https://127.0.0.1:1/dir", acme="@staging@")
    staging = site.authority
    site.config = site.config.replace(
        "@staging@", f'staging_directory: "{staging.directory}", staging_ca: "{staging.ca}"')
    with staging:
        # Without a proxy.
        code, view = rehearse(site)
        assert (code, view["ok"], view["names"]) == (0, True, NAMES), view
        assert [each["way"] for each in view["ways"]] == ["http"]
        assert not (tmp_path / "certs").exists() and not list(tmp_path.glob("tmp*"))
        # Inside one that has the ports, also with acme disabled.
        site.config = site.config.replace("enabled: true, directory", "enabled: false, directory")
        with site.proxy():
            before = site.certificate()
            code, view = rehearse(site)
            assert (code, view["ok"]) == (0, True), view
            assert site.certificate() == before
        assert not (tmp_path / "proxy" / "certs" / "acme").exists()
        # What would fail is told, for each way.
        staging.point_names_at("127.0.0.9")
        code, view = rehearse(site)
        assert (code, view["ok"], [each["way"] for each in view["ways"]]) == (1, False, ["http", "tls_alpn"]), view
        # An order ends with the first name that fails, whichever that is.
        for each in view["ways"]:
            assert any(name in each["error"] for name in NAMES) and each["hint"], view
    code, view = rehearse(site)
    assert code == 1 and "refused" in view["ways"][0]["error"].lower(), view
    # Somebody else has the port, and is no proxy.
    with socket.create_server(("127.0.0.1", site.http)):
        code, words = rehearse(site)
        assert code == 1 and str(site.http) in words and "hint" in words, words
