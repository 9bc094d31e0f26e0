"""Measures what docs/performance.md tells, and prints it as a table. Arguments: the program, the bench server, the floor, a Python with the
peers."""

import os
import platform
import sys
import tempfile
from types import SimpleNamespace

import reading
from tools import spread

RUNS = int(os.environ.get("RUNS", "3"))
LEADS = int(os.environ.get("LEADS", "100000"))
MOST = int(os.environ.get("MOST", str(LEADS)))
HISTORY = int(os.environ.get("HISTORY", "5000000"))

program, server, floor, python = sys.argv[1:5]
tools = SimpleNamespace(program=program, server=server, floor=floor, python=python)


def row(what, seconds, memory, more=""):
    middle, around = spread(seconds)
    print(f"| {what} | {middle:.2f} s \u00b1 {around:.0%} | {max(memory):.0f} MiB | {more} |", flush=True)
    return middle


def idle(folder, links, store):
    first, cpu, requests, held = reading.idle(tools, folder, links, 30)
    print(
        f"\nidle with {links:,} links, {store}: {1000 * cpu:.1f} ms of processor time, {requests['operate']:.2f} + "
        f"{requests['salesforce']:.2f} requests a cycle, {held:.1f} MiB; first request {1000 * first:.0f} ms after the start",
        flush=True,
    )


print(f"{platform.machine()}, {os.cpu_count()} processors; {RUNS} runs of each, in turn; {LEADS:,} leads, 24 fields\n")
print("| what | time | memory | |\n| --- | --- | --- | --- |")
with tempfile.TemporaryDirectory() as folder:
    simple, tap, ours, bare, operate = [], [], [], [], []
    # In turn, so that what else the machine does is spread over all of them.
    for _ in range(RUNS):
        simple.append(reading.simple(tools, LEADS))
        tap.append(reading.tap(tools, folder, LEADS))
        ours.append(reading.read(tools, folder, "salesforce", LEADS))
        bare.append(reading.floor(tools, folder, LEADS))
        operate.append(reading.read(tools, folder, "operate", LEADS))
    seconds = lambda runs: [run.seconds for run in runs]
    memory = lambda runs: [run.memory for run in runs]
    peer = row("simple-salesforce: reads", seconds(simple), memory(simple))
    other = row("tap-salesforce: reads, writes JSON lines", seconds(tap), memory(tap))
    runs = [run for run, _ in ours]
    took = row("leadsync: reads, compares, commits, looks for pairs", seconds(runs), memory(runs), f"{ours[0][1]} requests")
    lowest = row("Operate's answer parsed, and an insert a lead", seconds(bare), memory(bare))
    runs = [run for run, _ in operate]
    whole = row("leadsync: the same from Operate", seconds(runs), memory(runs), f"{operate[0][1]} request")
    print(f"\nleadsync takes {took / peer:.2f} times as long as simple-salesforce, {other / took:.1f} times less than tap-salesforce, and "
          f"{whole / lowest:.2f} times as long as the floor of Operate\n")

    print("| leads on each side | all read from Operate | the floor of links | all linked at first | memory | of it by lead | store |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    leads = 1_000
    while leads <= MOST:
        operate, requests = reading.read(tools, folder, "operate", leads)
        lowest = reading.floor_of_links(tools, folder, leads)
        linked, made = reading.link(tools, folder, leads)
        size = os.path.getsize(f"{folder}/leadsync.db") / 2**20
        print(
            f"| {leads:,} | {operate.seconds:.2f} s, {operate.memory:.0f} MiB, {requests} request | {lowest.seconds:.2f} s | {linked.seconds:.2f} s, "
            f"{linked.seconds / lowest.seconds:.2f} times as long, {made['operate']} + {made['salesforce']} requests, 0 writes | {linked.memory:.0f} MiB | "
            f"{linked.seconds / leads * 1e6:.0f} \u00b5s | {size:.0f} MiB |",
            flush=True,
        )
        leads *= 10

    idle(folder, leads // 10, "no history")
    reading.link(tools, folder, 10_000)
    idle(folder, 10_000, "no history")
    reading.age(folder, HISTORY)
    idle(folder, 10_000, f"{HISTORY:,} writes of the past")
    made = reading.killed(tools, folder, MOST)
    print(f"\nkilled half way and started again, {MOST:,} leads a side: {made['operate']} + {made['salesforce']} requests in all", flush=True)
