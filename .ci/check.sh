#!/usr/bin/env bash
# The fast part, before every commit (`make check`): form, lints, the house rules, the documents. Stops at the first
# failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

run() {
  printf '+ %s\n' "$*"
  "$@"
}

run cargo fmt --check
run cargo clippy --locked --all-targets -- -D warnings
run cargo test --locked --quiet --test architecture
run env RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
run python3 .ci/docs.py
