"""What a daemon costs that has nothing to do, by what Linux tells of its process. Arguments: the program, for how many seconds."""

import sys
import tempfile
import time

from sandbox import Sandbox
from tools import cpu_of, memory_of

program, seconds = sys.argv[1], float(sys.argv[2])

# 7,143 leads in Operate, three fifths of that in Salesforce, one fifth on both: 10,001 links.
with tempfile.TemporaryDirectory() as folder, Sandbox(program, folder, 7143) as systems:
    print("first sync …", flush=True)
    systems.once()
    print(f"{len(systems.links()):,} links in step", flush=True)
    cycles = lambda: systems.query("SELECT count(*), coalesce(sum(pushed), 0) FROM cycle")[0]
    with systems.daemon() as daemon:
        # The first cycles, and the first sweep, which is due at once.
        time.sleep(130)
        (cycles_before, pushed_before), cpu_before, began = cycles(), cpu_of(daemon.pid), time.monotonic()
        highest = 0.0
        while time.monotonic() - began < seconds:
            time.sleep(1)
            highest = max(highest, memory_of(daemon.pid))
        spent, took = cpu_of(daemon.pid) - cpu_before, time.monotonic() - began
        (cycles_after, pushed_after), held = cycles(), memory_of(daemon.pid)
share = 100 * spent / took
print(f"idle for {took:.0f} s, {cycles_after - cycles_before} cycles, {pushed_after - pushed_before} writes")
print(f"memory (RSS)     {held:.1f} MiB at the end, {highest:.1f} MiB at most     goal: under 40 MiB")
print(f"processor        {share:.2f} % of a core                       goal: under 1 %")
sys.exit(0 if highest < 40 and share < 1 and cycles_after > cycles_before else 1)
