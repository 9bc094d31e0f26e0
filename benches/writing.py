"""What writes cost, against the project's own sandbox: requests of a first load and of 1,000 changes beside their floor, echoes, and the time
from an edit to its arrival on the other side. Arguments: the program, leads of the first load (20000). Prints the tables of
docs/performance.md."""

import math
import random
import secrets
import socket
import sys
import tempfile
import threading
import time

from sandbox import Sandbox
from tools import memory_of


def since(before, after):
    return {side: {key: after[side][key] - before[side][key] for key in after[side]} for side in after}


def first_load(program, folder, leads, empty=None):
    """Until nothing is left to be written. Where one system is empty, the other has all the leads."""
    with Sandbox(program, folder, leads, ["--empty", empty] if empty else []) as systems:
        began = time.monotonic()
        ran = systems.once()
        while systems.query("SELECT count(*) FROM push WHERE state IN ('due', 'sent')")[0][0]:
            systems.once()
        took, used = time.monotonic() - began, systems.used()
    operate, salesforce = used["operate"], used["salesforce"]
    print(f"\n{leads:,} leads, {empty or 'neither system'} empty: {took:.1f} s, {ran.memory:.0f} MiB, reads {operate['read']} + {salesforce['read']}\n")
    print("| leads | made | changed | requests | floor |\n| --- | --- | --- | --- | --- |")
    # As many a request as there may be: one in Operate, 200 in Salesforce.
    for system, of, most in (("Salesforce", salesforce, 200), ("Operate", operate, 1)):
        floor = math.ceil(of["created"] / most) + math.ceil(of["updated"] / most)
        over = f" ({of['write'] / floor - 1:+.1%})" if floor else ""
        print(f"| {system} | {of['created']:,} | {of['updated']:,} | {of['write']:,} | {floor:,}{over} |", flush=True)


def changes(program, folder, count):
    print("| 1,000 changes in | written | requests to read, to write | floor | writes a lead |\n| --- | --- | --- | --- | --- |")
    for guarded in (True, False):
        with Sandbox(program, folder, 3 * count, LEADSYNC__SALESFORCE__GUARDED_UPDATES="1000000" if guarded else "0") as systems:
            systems.once(), time.sleep(2), systems.once()
            pairs = systems.links()[:count]
            time.sleep(12)  # past the overlap
            systems.once()
            for side, place in (("operate", 0), ("salesforce", 1)) if guarded else (("operate", 0),):
                for pair in pairs:
                    field = {"operate": "phone", "salesforce": "Phone"}[side]
                    systems.ask(side, "edit", {"id": pair[place], "fields": {field: f"020 7946 {random.randrange(10**6):06}"}})
                time.sleep(2)
                before = systems.used()
                systems.once()
                used = since(before, systems.used())
                other = "salesforce" if side == "operate" else "operate"
                write = math.ceil(count / (25 if guarded else 200)) if other == "salesforce" else count
                how = {"operate": "one by one"}.get(other, "guarded" if guarded else "compared")
                read = sum(each["read"] for each in used.values())
                print(f"| {side} | {how} | {read}, {used[other]['write']} | 1 + {math.ceil(count / 2000) if side == 'salesforce' else 1}, {write} | "
                      f"{used[other]['updated'] / count:.2f} |", flush=True)
            if guarded:
                before = systems.used()
                with systems.daemon(LEADSYNC__SCHEDULE__POLL="* * * * * *"):
                    began = systems.query("SELECT max(cycle_id) FROM cycle")[0][0]
                    while systems.query("SELECT max(cycle_id) FROM cycle")[0][0] < began + 50:
                        time.sleep(1)
                used = since(before, systems.used())
                echoes = sum(each[what] for each in used.values() for what in ("created", "updated", "deleted"))
                print(f"\nechoes in 50 quiet cycles after that: {echoes}\n", flush=True)


def arrivals(systems, pairs, side, other, edits, found):
    """How long edits of one side take to be seen on the other."""
    waiting, took, over = {}, [], threading.Event()
    names = {"operate": ("leadid", "jobtitle"), "salesforce": ("Id", "Title")}

    def watch():
        key, field = names[other]
        while not over.is_set():
            now = {str(lead[key]): lead.get(field) for lead in systems.ask(other, "leads")}
            seen = time.monotonic()
            for lead, (value, since) in list(waiting.items()):
                if now.get(lead) == value:
                    took.append(seen - since)
                    del waiting[lead]
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(edits):
        pair = pairs[number % len(pairs)]
        ours, theirs = pair if side == "operate" else pair[::-1]
        value = f"Edit {number}"
        waiting[theirs] = (value, time.monotonic())
        systems.ask(side, "edit", {"id": ours, "fields": {names[side][1]: value}})
        time.sleep(random.uniform(0.1, 0.9))
    end = time.monotonic() + 10
    while waiting and time.monotonic() < end:
        time.sleep(0.1)
    over.set(), watcher.join()
    took.sort()
    at = lambda share: took[min(len(took) - 1, int(share * len(took)))]
    print(f"| {side} to {other}, {found} | {len(took)} of {edits} | {at(0.5):.2f} s | {at(0.99):.2f} s | {took[-1]:.2f} s |", flush=True)


def latency(program, folder, edits):
    """Edits at random moments, and a simulated round trip of 50 ms: found by a poll every second, or by one every five minutes and Operate's
    messages."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    secret = secrets.token_hex(24)
    for found, poll, directions in (
        ("polls", "* * * * * *", (("operate", "salesforce"), ("salesforce", "operate"))),
        ("messages", "0 */5 * * * *", (("operate", "salesforce"),)),
    ):
        environment = {"LEADSYNC__SCHEDULE__POLL": poll, "LEADSYNC__OPS__LISTEN": listen, "LEADSYNC__OPS__OPERATE_HOOK": secret}
        with Sandbox(program, folder, 60, **environment) as systems:
            systems.once(), time.sleep(2), systems.once()
            pairs = systems.links()
            for side in systems.address:
                systems.ask(side, "fault", {"match": "any", "times": 0, "latency_ms": 50})
            if found == "messages":
                message = {"url": f"http://{listen}/hooks/operate/{secret}", "on": ["create", "update", "delete"], "body": "leadid={leadid}"}
                systems.ask("operate", "switch", {"outbound": [message]})
            with systems.daemon() as daemon:
                time.sleep(20)
                for side, other in directions:
                    before = systems.used()
                    arrivals(systems, pairs, side, other, edits, found)
                    used = since(before, systems.used())
                    asked = {each: (used[each]["read"] + used[each]["write"]) / edits for each in used}
                    print(f"{asked[side]:.2f} requests an edit to {side}, {asked[other]:.2f} to {other}", flush=True)
                print(f"\n{memory_of(daemon.pid):.0f} MiB")


if __name__ == "__main__":
    program, leads = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    which = sys.argv[3] if len(sys.argv) > 3 else "load changes latency"
    with tempfile.TemporaryDirectory() as folder:
        for empty in (None, "salesforce", "operate") if "load" in which else ():
            first_load(program, folder, leads, empty)
        if "changes" in which:
            changes(program, folder, 1_000)
        if "latency" in which:
            print("| edit | arrived | p50 | p99 | slowest |\n| --- | --- | --- | --- | --- |")
            latency(program, folder, 200)
