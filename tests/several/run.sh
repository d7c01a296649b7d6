#!/usr/bin/env bash
# Two proxies without shared state, each in a network namespace of its own, behind one address that moves as keepalived
# would move it; one is killed under load. Needs root, iproute2 and python3; makes and removes namespaces of its own.
# Checks: clients go on by the other proxy, what was acknowledged is on the target once, and TLS tickets of one proxy are
# taken by the other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

binary=$(realpath "${CLEARWAY_BIN:-target/debug/clearway}")
if [ "$(id -u)" -ne 0 ] || ! command -v ip >/dev/null; then
  echo "skipped: network namespaces need root and iproute2" >&2
  exit 0
fi
name=cw$$
if ! ip netns add "$name-c" 2>/dev/null; then
  echo "skipped: this machine does not let root make network namespaces" >&2
  exit 0
fi
folder=$(mktemp -d)
processes=()

clean() {
  for process in "${processes[@]}"; do
    kill -9 "$process" 2>/dev/null || true
  done
  for space in c 1 2; do
    ip netns del "$name-$space" 2>/dev/null || true
  done
  rm -rf "$folder"
}
trap clean EXIT

# One bridge in the clients' namespace, which is also where the target is.
ip -n "$name-c" link set lo up
ip -n "$name-c" link add br0 type bridge
ip -n "$name-c" link set br0 up
ip -n "$name-c" addr add 10.77.0.254/24 dev br0
for proxy in 1 2; do
  ip netns add "$name-$proxy"
  ip link add "v$proxy-$$" netns "$name-c" type veth peer name eth0 netns "$name-$proxy"
  ip -n "$name-c" link set "v$proxy-$$" master br0 up
  ip -n "$name-$proxy" link set lo up
  ip -n "$name-$proxy" link set eth0 up
  ip -n "$name-$proxy" addr add "10.77.0.$proxy/24" dev eth0
done
# The address that clients know.
ip -n "$name-1" addr add 10.77.0.100/24 dev eth0

openssl rand -base64 32 >"$folder/tickets"
chmod 600 "$folder/tickets"
for proxy in 1 2; do
  mkdir -p "$folder/$proxy"
  cat >"$folder/$proxy/proxy.conf" <<CONF
domain: clearml.test
workers: 1
listeners { https { bind: ["0.0.0.0:443"] }, http { enabled: false } }
certificate_folder: "$folder/certs"
tls.ticket_keys: "$folder/tickets"
log.format: json
access_log.enabled: false
timeouts.hold: 2s
services {
  app.targets: ["10.77.0.254:8081"]
  api.targets: ["10.77.0.254:8081"]
  files.targets: ["10.77.0.254:8081"]
}
CONF
  XDG_RUNTIME_DIR="$folder/$proxy" ip netns exec "$name-$proxy" \
    "$binary" run --config "$folder/$proxy/proxy.conf" 2>"$folder/$proxy/events.log" >/dev/null </dev/null &
  processes+=($!)
  # Its end is part of the test; the shell need not tell of it.
  disown
  for _ in $(seq 300); do
    grep -q '"ready"' "$folder/$proxy/events.log" && break
    sleep 0.1
  done
  grep -q '"ready"' "$folder/$proxy/events.log" || { cat "$folder/$proxy/events.log" >&2; exit 1; }
done

# What keepalived does when the process it tracks is gone: the address goes up on the other machine and is announced.
take_over() {
  kill -9 "${processes[0]}"
  ip -n "$name-1" addr del 10.77.0.100/24 dev eth0
  ip -n "$name-2" addr add 10.77.0.100/24 dev eth0
  ip netns exec "$name-2" python3 tests/several/announce.py eth0 10.77.0.100
}

# exec, so that the number is the client's own.
ip netns exec "$name-c" python3 tests/several/load.py 10.77.0.100 10.77.0.1 10.77.0.2 "$folder" &
client=$!
processes+=("$client")
for _ in $(seq 300); do
  [ -e "$folder/warm" ] && break
  kill -0 "$client" 2>/dev/null || break
  sleep 0.1
done
take_over
touch "$folder/moved"
if ! wait "$client"; then
  for proxy in 1 2; do
    tail -20 "$folder/$proxy/events.log" >&2
  done
  exit 1
fi
