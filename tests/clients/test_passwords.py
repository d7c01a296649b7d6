"""Passwords hashed here are read by the server's own way of reading them, and the other way round."""

import base64
import os
import subprocess

import bcrypt
import pytest


def clearway(*arguments, text):
    return subprocess.run([os.environ["CLEARWAY_BIN"], "hash-password", *arguments], input=text, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("password", ["123456", "pässwörd ☃", "with spaces ", "x" * 72])
def test_python_reads_our_hash(password):
    """As apiserver does: base64, then bcrypt.checkpw."""
    done = clearway("--cost", "10", text=password + "\n")
    assert done.returncode == 0, done.stderr
    assert bcrypt.checkpw(password.encode(), base64.b64decode(done.stdout.strip()))
    assert not bcrypt.checkpw(b"other", base64.b64decode(done.stdout.strip()))


@pytest.mark.parametrize("prefix", [b"2a", b"2b"])
def test_we_read_the_documented_one_liner(prefix):
    """The command of ClearML's documentation prints a bytes literal."""
    printed = str(base64.b64encode(bcrypt.hashpw(b"123456", bcrypt.gensalt(10, prefix))))
    assert printed.startswith("b'")
    assert clearway("--verify", printed, text="123456\n").returncode == 0
    assert clearway("--verify", printed, text="1234567\n").returncode == 1
