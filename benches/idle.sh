#!/usr/bin/env bash
# What a daemon costs that has nothing to do: memory and processor time with 10,000 links, a cycle every 30 seconds.
# Builds the release program, fills both simulated systems, lets them come in step, and then measures for SECONDS_MEASURED (120).
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet
program=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/release/leadsync
exec python3 -B benches/idle.py "$program" "${SECONDS_MEASURED:-120}"
