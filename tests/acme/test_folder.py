"""The folder of an authority: broken, in the way, full, or shared. Nothing of that takes a certificate away."""

import json
import os
import subprocess

import pytest
from ground import FAILED, NAMES, NEW_ACCOUNT, SERVED, Site, count, wait_for

UNUSABLE = "certificates cannot be looked after"


def test_broken_files_are_told_and_made_anew(tmp_path):
    site = Site(tmp_path, "http")
    with site.authority as authority:
        with site.proxy() as proxy:
            wait_for(proxy, SERVED)
            good = site.certificate()
        state = site.state()
        for name in ("attempts.json", "ledger.json"):
            (state / name).write_bytes(b"\xff{[" * 100)
        (state / "dns-records.json").write_text('[{"domain": 4}, 7]')
        with site.proxy() as proxy:
            assert site.certificate(NAMES[0], authority.root()) == good
        assert authority.orders() == 1, "what only slows us down or is told costs no order"
        (state / "account.json").write_text('{"id": "https://127.0.0.1/x", "key_pkcs8": "AAAA", "directory": "x"')
        (state / "certificate.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        with site.proxy() as proxy:
            event = wait_for(proxy, "the certificate from the authority cannot be served; another one is asked for")
            assert "certificate.pem" in event["error"], event
            wait_for(proxy, SERVED)
            assert site.certificate(NAMES[1], authority.root()) != good
            assert count(proxy, NEW_ACCOUNT) == 1 and (state / "account-unreadable.json").exists()
        assert authority.orders() == 2


def test_a_broken_file_takes_nothing_from_a_proxy_that_runs(tmp_path):
    site = Site(tmp_path, "http", certificateValidityPeriod=60)
    with site.authority as authority, site.proxy() as proxy:
        wait_for(proxy, SERVED)
        good = site.certificate(NAMES[0], authority.root())
        authority.__exit__()
        (site.state() / "certificate.pem").write_text("")
        event = wait_for(proxy, FAILED)
        assert "there is no certificate that can be served" in event["reason"], event
        assert site.certificate() == good


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    site = Site(tmp_path, "http")
    (tmp_path / "proxy" / "certs").mkdir()
    (tmp_path / "proxy" / "certs" / "acme").write_text("in the way")
    with site.authority as authority, site.proxy() as proxy:
        event = wait_for(proxy, UNUSABLE)
        assert "certificate_folder" in event["hint"] and event["error"], event
        assert site.issued_locally()
        assert authority.orders() == 0, "without a memory there would be no limit"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk that is full")
def test_a_disk_that_is_full_is_told_and_takes_nothing_away(tmp_path):
    site = Site(tmp_path, "http", certificateValidityPeriod=20)
    disk = tmp_path / "proxy" / "certs"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with site.authority as authority, site.proxy() as proxy:
            wait_for(proxy, SERVED)
            good = site.certificate(NAMES[0], authority.root())
            try:
                with (disk / "filler").open("wb", buffering=0) as filler:
                    while True:
                        filler.write(bytes(4096))
            except OSError:
                pass
            event = wait_for(proxy, UNUSABLE)
            assert "space" in event["error"] and "full" in event["hint"], event
            orders = authority.orders()
            assert site.certificate() == good
            (disk / "filler").unlink()
            wait_for(proxy, SERVED, times=2)
            assert authority.orders() == orders + 1, "nothing was asked for while nothing could be kept"
            assert json.loads((site.state() / "attempts.json").read_text())["failures"] == 0
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
