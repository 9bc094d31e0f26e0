#!/usr/bin/env bash
# Third-party Salesforce clients, unchanged and pinned, against `leadsync sandbox`. LEADSYNC_BIN names the program; without it
# the debug build is made. What is installed goes below target/clients, so that a second run is quick.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/clients
there=target/clients

if [[ -z "${LEADSYNC_BIN:-}" ]]; then
  cargo build --locked --quiet --all-features
  target="${CARGO_TARGET_DIR:-target}"
  LEADSYNC_BIN="$(cd "$target" && pwd)/debug/leadsync"
fi
export LEADSYNC_BIN
mkdir -p "$there/js"

if ! cmp -s "$here/requirements.txt" "$there/py/installed.txt"; then
  rm -rf "$there/py"
  python3 -m venv "$there/py"
  "$there/py/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
  cp "$here/requirements.txt" "$there/py/installed.txt"
fi
if ! cmp -s "$here/package-lock.json" "$there/js/installed.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$there/js/"
  (cd "$there/js" && npm ci --no-audit --no-fund --ignore-scripts --silent)
  cp "$here/package-lock.json" "$there/js/installed.json"
fi

"$there/py/bin/python" -B "$here/simple_salesforce_test.py"
cp "$here/jsforce_test.mjs" "$there/js/"
node "$there/js/jsforce_test.mjs"
