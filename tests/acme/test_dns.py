"""Names shown to be ours by records in the DNS: by a program, and by signed updates of a real server."""

import json
import sys
import time
from pathlib import Path

import pytest
from ground import DOMAIN, FAILED, NAMES, OBTAINED, SERVED, Site, count, wait_for
from nameserver import NameServer

HOOK = Path(__file__).with_name("hook.py")


def names_of(site, trust):
    with site.connect(f"anything.{DOMAIN}", trust) as stream:
        return sorted(value for _, value in stream.getpeercert()["subjectAltName"])


def hooked(folder, more="", **authority):
    """A site whose records are written by the hook; its resolver's port is known only once the site is made."""
    site = Site(folder, "dns", acme="wildcard: true\n@dns@", **authority)
    notes, resolver = folder / "notes", site.authority.resolver_port
    hook = [sys.executable, str(HOOK), str(notes), str(resolver)]
    site.config = site.config.replace("@dns@", (
        f"dns {{ hook: {json.dumps(hook)}, resolvers: [\"127.0.0.1:{site.authority.dns}\"], hook_timeout: 30s\n{more} }}"))
    return site, notes


def test_a_hook_shows_names_for_a_wildcard(tmp_path):
    site, notes = hooked(tmp_path)
    with site.authority as authority, site.proxy() as proxy:
        wait_for(proxy, SERVED)
        assert names_of(site, authority.root()) == [f"*.{DOMAIN}", DOMAIN]
        for name in NAMES:
            assert site.certificate(name, authority.root())
    calls = [json.loads(line) for line in notes.read_text().splitlines()]
    record = f"_acme-challenge.{DOMAIN}"
    assert [each["call"][:3] for each in calls] == (
        [["present", DOMAIN, record]] * 2 + [["cleanup", DOMAIN, record]] * 2)
    values = [each["call"][3] for each in calls]
    assert len(set(values)) == 2 and sorted(values[:2]) == sorted(values[2:]), "two records of one name, each taken back"
    assert all(each["environment"] == each["call"] and each["socket"] is None for each in calls)
    assert not (site.state() / "dns-records.json").exists()


def test_a_hook_that_says_no_or_nothing_is_told(tmp_path):
    site, notes = hooked(tmp_path)
    (tmp_path / "notes.refuse").touch()
    with site.authority as authority:
        with site.proxy() as proxy:
            event = wait_for(proxy, FAILED)
            assert "did not present" in event["error"] and "exit status: 3" in event["error"], event
            assert "quota \\u{1b}[31mexceeded" in event["error"] and "acme.dns.hook" in event["hint"], event
            assert site.issued_locally()
            # What may have been written is taken back.
            assert "cleanup" in notes.read_text()
            (tmp_path / "notes.refuse").unlink()
            wait_for(proxy, SERVED)
            assert site.certificate(NAMES[1], authority.root())


@pytest.mark.parametrize("hook, words", [
    (["/nowhere/hook"], "/nowhere/hook cannot be run"),
    (["sh", "-c", "echo still at it; sleep 600"], "took too long to present"),
])
def test_a_hook_that_cannot_be_run_or_hangs_is_told(tmp_path, hook, words):
    site = Site(tmp_path, "dns", acme=f"dns {{ hook: {json.dumps(hook)}, hook_timeout: 1s }}")
    with site.authority, site.proxy() as proxy:
        event = wait_for(proxy, FAILED)
        assert words in event["error"] and event["hint"], event
        assert site.issued_locally()


def test_records_that_nobody_shows_do_not_cost_an_attempt_at_the_authority(tmp_path):
    site = Site(tmp_path, "dns", acme="@dns@")
    site.config = site.config.replace("@dns@", (
        f'dns {{ hook: ["true"], resolvers: ["127.0.0.1:{site.authority.dns}"], propagation_timeout: 2s }}'))
    with site.authority as authority, site.proxy() as proxy:
        event = wait_for(proxy, FAILED)
        assert "not seen" in event["error"] and f"_acme-challenge.{NAMES[0]}" in event["error"], event
        assert f"127.0.0.1:{authority.dns}" in event["error"] and "it shows no record" in event["error"], event
        assert "attempting to validate" not in authority.log().lower()


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "hmac-sha512"])
def test_signed_updates_show_names_for_a_wildcard(tmp_path, algorithm):
    with NameServer(tmp_path / "dns", DOMAIN, algorithm=algorithm) as server:
        acme = f'wildcard: true, dns {{ servers: ["127.0.0.1:1", "{server.address}"], key_file: "{server.key}" }}'
        site = Site(tmp_path, "auto", acme=acme, dns=server.port)
        with site.authority as authority, site.proxy() as proxy:
            wait_for(proxy, SERVED)
            assert names_of(site, authority.root()) == [f"*.{DOMAIN}", DOMAIN]
        log = server.log()
        assert log.count("adding an RR") == 2 and log.count("deleting an RR") == 2, log


def test_updates_follow_an_alias_into_the_zone_that_takes_them(tmp_path):
    server = NameServer(tmp_path / "dns", DOMAIN, "dynamic.test")
    with (tmp_path / "dns" / f"{DOMAIN}.zone").open("a") as zone:
        zone.writelines(f"_acme-challenge.{label} CNAME {label}.dynamic.test.\n" for label in ("app", "api", "files"))
    with server:
        acme = f'dns {{ servers: ["{server.address}"], key_file: "{server.key}" }}'
        site = Site(tmp_path, "dns", acme=acme, dns=server.port)
        with site.authority as authority, site.proxy() as proxy:
            wait_for(proxy, SERVED)
            assert site.certificate(NAMES[2], authority.root())
        assert server.log().count("updating zone 'dynamic.test/IN': adding an RR") == 3, server.log()


def test_updates_that_are_refused_say_why(tmp_path):
    with NameServer(tmp_path / "dns", DOMAIN) as server:
        acme = f'dns {{ servers: ["{server.address}"], key_file: "{server.other_key()}" }}'
        site = Site(tmp_path, "dns", acme=acme, dns=server.port)
        with site.authority, site.proxy() as proxy:
            event = wait_for(proxy, FAILED)
            assert "refused the update" in event["error"] and "another secret" in event["error"], event
            assert site.issued_locally()
            # A key that the server knows nothing of.
            server.other_key().write_text('key "nobody" { algorithm hmac-sha256; secret "AAAAAAAAAAAAAAAAAAAAAA=="; };')
            event = wait_for(proxy, FAILED, times=count(proxy, FAILED) + 1)
            if "does not know this key" not in event["error"]:
                event = wait_for(proxy, FAILED, times=count(proxy, FAILED) + 1)
            assert "does not know this key" in event["error"], event
            # The right one: tried again by itself.
            server.other_key().write_text(server.key.read_text())
            wait_for(proxy, SERVED)


def test_records_that_a_killed_process_left_behind_are_removed(tmp_path):
    with NameServer(tmp_path / "dns", DOMAIN) as server:
        acme = f'dns {{ servers: ["{server.address}"], key_file: "{server.key}", propagation_delay: 20m }}'
        site = Site(tmp_path, "dns", acme=acme, dns=server.port)
        with site.authority:
            with site.proxy() as proxy:
                # Written, and waiting for the delay.
                deadline = time.monotonic() + 60
                while server.log().count("adding an RR") < 3:
                    assert time.monotonic() < deadline, server.log()
                    time.sleep(0.05)
                proxy._child.kill()
                proxy._child.wait()
            site.config = site.config.replace("20m", "0s")
            with site.proxy() as proxy:
                wait_for(proxy, SERVED)
            assert server.log().count("deleting an RR") == 6, server.log()
            assert count(proxy, OBTAINED) == 1
