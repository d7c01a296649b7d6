#!/usr/bin/env bash
# Opens `clearway run --demo` in headless Chromium. Needs node, npm, chromium and certutil (libnss3-tools);
# .ci/run installs them. Leaves a screenshot in target/browser/.
#   CLEARWAY_BIN  the binary (default: target/debug/clearway, built when it is not there)
#   CHROMIUM      the browser (default: the first `chromium` in PATH)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export CLEARWAY_BIN=${CLEARWAY_BIN:-$PWD/target/debug/clearway}
export SCREENSHOT=${CARGO_TARGET_DIR:-$PWD/target}/browser/demo.png
CHROMIUM=${CHROMIUM:-$(command -v chromium)}
export CHROMIUM

[ -x "$CLEARWAY_BIN" ] || cargo build --locked
npm ci --prefix tests/browser --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error
mkdir -p "$(dirname "$SCREENSHOT")"
exec node --test --test-reporter=spec tests/browser/*.test.js
