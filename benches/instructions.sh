#!/usr/bin/env bash
# Counts under callgrind what the core takes for a lead, and fails where that is over 5 % more instructions than
# benches/instructions.txt says; 25 % where another compiler is here than there. `--update` writes the file anew. The development
# profile is counted, which the tests have compiled already.
set -euo pipefail
cd "$(dirname "$0")/.."
# What is built to be changed is built otherwise.
export CARGO_INCREMENTAL=0
kept=benches/instructions.txt
program=$(benches/built.sh instructions --all-features)
counted=$(mktemp)
trap 'rm -f "$counted"' EXIT
for name in $("$program"); do
  # Counted is what happens in one function; its own name is all that callgrind is given of it.
  said=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no --toggle-collect='instructions::measured*' \
    "$program" "$name" 2>&1) || { echo "$said"; exit 1; }
  count=$(sed -n 's/^==[0-9]*== Collected : \([0-9]*\)$/\1/p' <<< "$said")
  [[ ${count:-0} -gt 0 ]] || { echo "$name: nothing was counted"; echo "$said"; exit 1; }
  echo "$name $count" >> "$counted"
done
compiler="$(rustc --version), $(uname -m)"
if [[ ${1:-} == --update ]]; then
  { echo "# $compiler"; cat "$counted"; } > "$kept"
  exit
fi
python3 - "$kept" "$counted" "$compiler" <<'PYTHON'
import sys

def read(path):
    lines = [line.split() for line in open(path) if not line.startswith("#")]
    return {name: int(count) for name, count in lines}

kept, counted, compiler = read(sys.argv[1]), read(sys.argv[2]), sys.argv[3]
made_by = open(sys.argv[1]).readline().strip("# \n")
# Another compiler makes other instructions of the same program: then only what is far off is a finding.
allowed = 0.05 if made_by == compiler else 0.25
for name, count in counted.items():
    print(f"{name:30} {count:>12,} {count / kept[name] - 1:+7.1%}" if name in kept else f"{name:30} {count:>12,}     new")
worse = [name for name, count in counted.items() if count > (1 + allowed) * kept.get(name, 0)]
if worse or kept.keys() - counted.keys():
    sys.exit(f"{', '.join(worse) or 'a case is gone'}: over {allowed:.0%} more than was counted with {made_by}. If it is meant: benches/instructions.sh --update")
PYTHON
