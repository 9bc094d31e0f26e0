"""Watches an idle daemon by what Linux tells of its process. Arguments: its process id, for how many seconds, its store."""

import os
import sqlite3
import sys
import time

pid, seconds, store = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]


def processor_seconds():
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(name):
    line = next(line for line in open(f"/proc/{pid}/status") if line.startswith(name))
    return int(line.split()[1]) / 1024


def cycles():
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    return connection.execute("SELECT count(*), coalesce(sum(pushed), 0) FROM cycle").fetchone()


(cycles_before, pushed_before), cpu_before, began = cycles(), processor_seconds(), time.monotonic()
highest = 0.0
while time.monotonic() - began < seconds:
    time.sleep(1)
    highest = max(highest, memory("VmRSS"))
spent, took = processor_seconds() - cpu_before, time.monotonic() - began
cycles_after, pushed_after = cycles()
share = 100 * spent / took
print(f"idle for {took:.0f} s, {cycles_after - cycles_before} cycles, {pushed_after - pushed_before} writes")
print(f"memory (RSS)     {memory('VmRSS'):.1f} MiB at the end, {highest:.1f} MiB at most     goal: under 40 MiB")
print(f"processor        {share:.2f} % of a core                       goal: under 1 %")
sys.exit(0 if highest < 40 and share < 1 and cycles_after > cycles_before else 1)
