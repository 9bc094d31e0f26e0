#!/usr/bin/env bash
# Builds a bench program and says where it is: built.sh NAME [OPTIONS OF CARGO].
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
shift
cargo build --locked --quiet --bench "$name" "$@" --message-format json | python3 -c '
import json, sys
said = [json.loads(line) for line in sys.stdin]
print(next(each["executable"] for each in said if each.get("executable") and each["target"]["name"] == sys.argv[1]))' "$name"
