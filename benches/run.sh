#!/usr/bin/env bash
# Measures leadsync beside its peers, and prints the table of docs/performance.md. Takes about ten minutes and half a gigabyte of disk.
# LEADS (100000) for the peers, MOST (LEADS) for the growth, RUNS (3).
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet --bin leadsync
server=$(cargo build --release --locked --bench server --message-format json | python3 -c '
import json, sys
print(next(said["executable"] for said in map(json.loads, sys.stdin) if said.get("executable") and said["target"]["name"] == "server"))')
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
if [[ ! -x $target/peers/bin/python ]]; then
  python3 -m venv "$target/peers"
  "$target/peers/bin/pip" install --quiet --requirement benches/requirements.txt
fi
exec python3 benches/measure.py "$target/release/leadsync" "$server" "$target/peers/bin/python"
