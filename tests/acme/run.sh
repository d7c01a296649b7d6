#!/usr/bin/env bash
# Drives the real binary against a real certificate authority on loopback: Debian's pebble, with its own resolver
# or BIND.
# Needs pebble, BIND's named, openssl and python3 with venv; .ci/run installs them. Arguments go to pytest.
#   CLEARWAY_BIN  the binary (default: target/debug/clearway, built when it is not there)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
venv=$target/acme-venv
export PYTHONDONTWRITEBYTECODE=1
export CLEARWAY_BIN=${CLEARWAY_BIN:-$target/debug/clearway}

[ -x "$CLEARWAY_BIN" ] || cargo build --locked
[ -x "$venv/bin/python" ] || { mkdir -p "$target" && python3 -m venv "$venv"; }
"$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/acme/requirements.txt
# They wait more than they work; each has an authority of its own.
exec "$venv/bin/python" -m pytest -c tests/acme/pytest.ini -n 4 tests/acme "$@"
