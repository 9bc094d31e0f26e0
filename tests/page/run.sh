#!/usr/bin/env bash
# The status page in a real browser: Debian's chromium, driven by playwright-core, which is installed from npm below target/page.
# LEADSYNC_BIN names the program; without it the debug build is made. SCREENSHOTS=FOLDER keeps pictures of the pages.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/page
there=target/page

if [[ -z "${LEADSYNC_BIN:-}" ]]; then
  cargo build --locked --quiet --all-features
  target="${CARGO_TARGET_DIR:-target}"
  LEADSYNC_BIN="$(cd "$target" && pwd)/debug/leadsync"
fi
export LEADSYNC_BIN
mkdir -p "$there"

if ! cmp -s "$here/package-lock.json" "$there/installed.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$there/"
  (cd "$there" && npm ci --no-audit --no-fund --ignore-scripts --silent)
  cp "$here/package-lock.json" "$there/installed.json"
fi

cp "$here"/*.mjs "$there/"
node "$there/page_test.mjs"
