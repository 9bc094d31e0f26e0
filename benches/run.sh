#!/usr/bin/env bash
# Measures leadsync beside its peers, and prints the tables of docs/performance.md. Takes about 40 minutes and three gigabytes of disk, 25 where
# PostgreSQL is not installed.
# LEADS (100000) for the peers, MOST (LEADS) for the growth, RUNS (3), HISTORY (5000000) writes of the past.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet --bin leadsync
server=$(benches/built.sh server --release)
floor=$(benches/built.sh floor --release)
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
if [[ ! -x $target/peers/bin/python ]]; then
  python3 -m venv "$target/peers"
  "$target/peers/bin/pip" install --quiet --requirement benches/requirements.txt
fi
python3 -B benches/measure.py "$target/release/leadsync" "$server" "$floor" "$target/peers/bin/python"
python3 -B benches/writing.py "$target/release/leadsync"
if compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  python3 -B benches/databases.py "$target/release/leadsync" "$server"
  python3 -B benches/pairs.py "$target/release/leadsync" "$server"
fi
exec cargo bench --locked --quiet --bench core
