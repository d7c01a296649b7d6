#!/usr/bin/env bash
# Drives the real binary with real clients: curl, requests, httpx, websockets, ClearML's SDK, and the parsers of metrics.
# Needs python3 with venv, and curl; .ci/run installs them. Arguments go to pytest.
#   CLEARWAY_BIN  the binary (default: target/debug/clearway, built when it is not there)
#   PROMTOOL      promtool of Prometheus (default: on the PATH, else taken out of Debian's package; nothing is installed)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
venv=$target/clients-venv
export PYTHONDONTWRITEBYTECODE=1
export CLEARWAY_BIN=${CLEARWAY_BIN:-$target/debug/clearway}

[ -x "$CLEARWAY_BIN" ] || cargo build --locked
[ -x "$venv/bin/python" ] || { mkdir -p "$target" && python3 -m venv "$venv"; }
"$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
if [ -z "${PROMTOOL:=$(command -v promtool)}" ]; then
  PROMTOOL=$target/promtool/usr/bin/promtool
  if [ ! -x "$PROMTOOL" ]; then
    rm -rf "$target/promtool" && mkdir -p "$target/promtool"
    (cd "$target/promtool" && apt-get download -q prometheus && dpkg-deb -x prometheus_*.deb .)
    rm -f "$target/promtool"/prometheus_*.deb "$target/promtool/usr/bin/prometheus"
  fi
fi
export PROMTOOL
exec "$venv/bin/python" -m pytest -c tests/clients/pytest.ini tests/clients "$@"
