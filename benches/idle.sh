#!/usr/bin/env bash
# What a daemon costs that has nothing to do: memory and processor time with 10,000 links, a cycle every 30 seconds.
# Builds the release program, fills both simulated systems, lets them come in step, and then measures for SECONDS (120).
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_MEASURED:-120}
cargo build --release --locked --quiet
program=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/release/leadsync
folder=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT

# 7,143 leads in Operate, three fifths of that in Salesforce, one fifth on both: 10,001 links.
"$program" sandbox --leads 7143 >"$folder/systems.json" &
pids+=($!)
until [[ -s $folder/systems.json ]]; do sleep 0.1; done
eval "$(python3 - "$folder/systems.json" <<'PY'
import json, shlex, sys
systems = json.load(open(sys.argv[1]))
operate, salesforce = systems["operate"], systems["salesforce"]
for name, value in {
    "LEADSYNC__OPERATE__BASE_URL": operate["base_url"],
    "LEADSYNC__OPERATE__AUTH__CLIENT_ID": operate["client_id"],
    "OPERATE_CLIENT_SECRET": operate["client_secret"],
    "LEADSYNC__SALESFORCE__LOGIN_URL": salesforce["login_url"],
    "LEADSYNC__SALESFORCE__AUTH__CLIENT_ID": salesforce["client_id"],
    "SALESFORCE_CLIENT_SECRET": salesforce["client_secret"],
}.items():
    print(f"export {name}={shlex.quote(value)}")
PY
)"
# As in the image and in the unit for systemd.
export MIMALLOC_ALLOW_THP=0 MIMALLOC_PURGE_DELAY=0
export LEADSYNC__STORE__URL="sqlite:$folder/leadsync.db" LEADSYNC__OPS__LISTEN=""
# All leads were just written. What is read again for changes that come late is let go of once they cannot come any more.
export LEADSYNC__SCHEDULE__OVERLAP=10s
export LEADSYNC__OPERATE__REQUESTS_PER_SECOND=1000 LEADSYNC__SALESFORCE__REQUESTS_PER_SECOND=1000
echo "first sync …"
"$program" --config config/leadsync.toml once
"$program" --config config/leadsync.toml status | grep '^links'

"$program" --config config/leadsync.toml run 2>"$folder/log" &
daemon=$!
pids+=("$daemon")
# The first cycles, and the first sweep, which is due at once.
sleep 130
python3 benches/idle.py "$daemon" "$seconds" "$folder/leadsync.db"
