#!/usr/bin/env bash
# Plants one defect a promise, each in a copy of the project, and demands that the simulation finds it. Prints how many seeds it took.
# Takes three to five minutes a defect on two cores: run it after a change of the engine or of the simulation. `run.sh 3 7` tries those alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
# A folder of its own: cargo tells checkouts apart by time alone.
export CARGO_TARGET_DIR=$PWD/target/planted RUST_BACKTRACE=0 BRIEF=1
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
missed=0
for patch in tests/planted/*.patch; do
  name=$(basename "$patch" .patch)
  if (($#)) && [[ " $* " != *" ${name%%-*} "* ]]; then continue; fi
  rm -rf "${copy:?}"/*
  git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$copy"
  patch -s -d "$copy" -p1 <"$patch"
  log=$copy/log
  if (cd "$copy" && cargo test --locked --test simulation >"$log" 2>&1); then
    echo "$name: NOT FOUND ($(head -n 1 "$patch"))"
    missed=1
  elif ! grep -q "^running" "$log"; then
    cat "$log"
    exit 1
  else
    seed=$(sed -n 's/^SEED=\([0-9]*\): .*/\1/p' "$log" | sort -n | head -n 1)
    tests=$(sed -n 's/^test \([a-z_:]*\) \.\.\. FAILED/\1/p' "$log" | tr '\n' ' ')
    echo "$name: found${seed:+ after $((seed + 1)) seed(s)}, by $tests"
  fi
done
exit $missed
