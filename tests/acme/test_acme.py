"""Certificates from a real authority: obtained, kept over a restart, renewed, and what happens when it fails."""

import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request

import pytest
from ground import DOMAIN, FAILED, NAMES, NEW_ACCOUNT, OBTAINED, SERVED, Site, count, wait_for
from proxy import Proxy


@pytest.mark.parametrize("challenge", ["http", "tls_alpn"])
def test_obtains_a_certificate_once(tmp_path, challenge):
    site = Site(tmp_path, challenge)
    with site.authority as authority:
        with site.proxy() as proxy:
            # It was ready, and served, before the order.
            ready = [event["message"] for event in proxy.events].index("ready")
            wait_for(proxy, SERVED)
            assert [event["message"] for event in proxy.events].index(OBTAINED) > ready
            first = {site.certificate(name, authority.root()) for name in NAMES}
            assert len(first) == 1 and authority.orders() == 1
            for file in ("account.json", "certificate.pem", "attempts.json"):
                assert (site.state() / file).stat().st_mode & 0o077 == 0, file
            assert list((site.state() / "challenges").iterdir()) == [], "answers are taken back"
        with site.proxy() as proxy:
            assert {site.certificate(name, authority.root()) for name in NAMES} == first
        assert authority.orders() == 1, "a restart asks for nothing that is there"


def test_renews_without_a_dropped_connection_and_keeps_what_it_has(tmp_path):
    # Two thirds of 15 seconds are over after 10.
    site = Site(tmp_path, "http", certificateValidityPeriod=15, pause="60s")
    with site.authority as authority, site.proxy() as proxy:
        wait_for(proxy, SERVED)
        first, trust = site.certificate(), authority.root()
        connection = http.client.HTTPConnection(NAMES[0], timeout=60)
        connection.sock = site.connect(NAMES[0], trust)

        def ask():
            connection.request("OPTIONS", "*")
            answer = connection.getresponse()
            answer.read()
            return answer.status

        assert ask() == 200
        wait_for(proxy, SERVED, times=2)
        second = site.certificate(NAMES[1], trust)
        assert second != first and authority.orders() >= 2
        assert ask() == 200, "the connection lived through the renewal"
        connection.close()
        authority.__exit__()
        served = site.certificate()
        event = wait_for(proxy, FAILED)
        assert "connect" in event["error"].lower() or "refused" in event["error"].lower(), event
        assert event["next"] and "a pause after 1 failures" in event["reason"], event
        assert site.certificate() == served, "a failed order takes nothing away"
        proxy.stop()


def test_wrong_names_are_told_and_tried_again(tmp_path):
    site = Site(tmp_path, "auto")
    with site.authority as authority:
        authority.point_names_at("127.0.0.9")
        with site.proxy() as proxy:
            event = wait_for(proxy, FAILED)
            assert NAMES[0] in event["error"] and event["hint"] and event["next"], event
            assert site.issued_locally()
            authority.point_names_at("127.0.0.1")
            wait_for(proxy, SERVED)
            assert site.certificate(NAMES[2], authority.root())
            # Answered the other way after the failure.
            assert count(proxy, "a certificate authority looked at a challenge") >= len(NAMES)


def test_serves_while_the_authority_is_down(tmp_path):
    site = Site(tmp_path, "http")
    with site.proxy() as proxy:
        wait_for(proxy, FAILED)
        assert site.issued_locally()
    with site.proxy() as proxy:
        assert site.issued_locally()
        attempts = json.loads((site.state() / "attempts.json").read_text())
        assert len(attempts["begun"]) >= attempts["failures"] >= 1, "a restart forgets no attempt"
        with site.authority as authority:
            wait_for(proxy, SERVED)
            assert site.certificate(NAMES[0], authority.root())
            attempts = json.loads((site.state() / "attempts.json").read_text())
            assert len(attempts["begun"]) >= 2 and attempts["failures"] == 0


def test_an_account_elsewhere_is_bound(tmp_path):
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    (tmp_path / "eab.key").write_text(key + "\n")
    acme = f'external_account {{ id: "kid-1", key_file: "{tmp_path}/eab.key" }}'
    site = Site(tmp_path, "http", acme=acme,
                externalAccountBindingRequired=True, externalAccountMACKeys={"kid-1": key})
    with site.authority as authority, site.proxy() as proxy:
        wait_for(proxy, SERVED)
        assert site.certificate(NAMES[0], authority.root())


def test_a_wrong_key_of_an_account_elsewhere_is_told(tmp_path):
    (tmp_path / "eab.key").write_text("AAAA" * 16)
    acme = f'external_account {{ id: "kid-1", key_file: "{tmp_path}/eab.key" }}'
    site = Site(tmp_path, "http", acme=acme, externalAccountBindingRequired=True,
                externalAccountMACKeys={"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"})
    with site.authority, site.proxy() as proxy:
        event = wait_for(proxy, FAILED)
        assert "external account" in event["error"].lower() and event["hint"], event
        assert site.issued_locally()


def test_an_authority_that_forgot_us_gets_a_new_account(tmp_path):
    site = Site(tmp_path, "http", certificateValidityPeriod=15)
    with site.proxy() as proxy:
        with site.authority:
            wait_for(proxy, SERVED)
        # Started anew, it knows nobody.
        with site.authority as authority:
            wait_for(proxy, SERVED, times=2)
            assert site.certificate(NAMES[0], authority.root())
        assert count(proxy, NEW_ACCOUNT) == 2


def test_instances_share_a_folder(tmp_path):
    site = Site(tmp_path, "http")
    (tmp_path / "other").mkdir()
    config = site.config + f'certificate_folder: "{tmp_path}/proxy/certs"\n'
    other = Proxy(tmp_path / "other", config=config)
    site.config = config
    with site.authority as authority, site.proxy() as proxy, other:
        for each in (proxy, other):
            wait_for(each, SERVED)
        assert authority.orders() == 1
        context = ssl.create_default_context(cadata=authority.root())
        stream = socket.create_connection(("127.0.0.1", other.ports["https"]), 10)
        with context.wrap_socket(stream, server_hostname=NAMES[1]) as stream:
            assert stream.getpeercert(binary_form=True) == site.certificate()
        # What one instance answers, every one does: for any host, and never redirected.
        (site.state() / "challenges" / "tok-en").write_text("tok-en.thumb")
        for each in (proxy, other):
            url = f"http://127.0.0.1:{each.ports['http']}/.well-known/acme-challenge/"
            assert urllib.request.urlopen(url + "tok-en", timeout=10).read() == b"tok-en.thumb"
            for token in ("unknown", "..%2faccount.json", "../account.json"):
                with pytest.raises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(url + token, timeout=10)
                assert refused.value.code in (400, 404), token
