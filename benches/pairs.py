"""Many pairs of systems in two replicas on PostgreSQL: memory, processor time, connections, and how long it takes until all are led.
Arguments: the program, the bench server. PAIRS, and PAIR_LEADS on each side of each, say how many."""

import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from postgres import Postgres
from tools import Server, configuration, cpu_of, memory_of

PAIRS = int(os.environ.get("PAIRS", "200"))
LEADS = int(os.environ.get("PAIR_LEADS", "5000"))
IDLE = int(os.environ.get("IDLE", "60"))
SCHEMAS = [f"pair_{number:03}" for number in range(PAIRS)]


def configure(folder, url, server):
    pairs = Path(folder) / "pairs"
    pairs.mkdir()
    for number in range(PAIRS):
        file = Path(configuration(folder, server.address))
        text = file.read_text().replace(f'url = "sqlite:{folder}/leadsync.db"', f'url = "{url}"\nschema = "{SCHEMAS[number]}"')
        (pairs / f"pair-{number:03}.toml").write_text(text.replace('"* * * * * *"', '"*/30 * * * * *"'))
    return pairs


class Replica:
    def __init__(self, program, pairs, name):
        environment = {**os.environ, "BENCH_SECRET": "bench"}
        log = open(pairs.parent / f"{name}.log", "w")
        self.process = subprocess.Popen([program, "run", "--config-dir", str(pairs)], env=environment, stderr=log)
        self.holder = f"{platform.node()} process {self.process.pid}"

    def pairs(self, postgres):
        holders = postgres.each("SELECT holder FROM $.lease", SCHEMAS)
        return [schema for schema, holder in zip(SCHEMAS, holders) if holder == self.holder]

    def leads(self, postgres):
        return len(self.pairs(postgres))


def until(what, is_so, most=600):
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > most:
            sys.exit(f"still not: {what}")
        time.sleep(0.2)
    return time.monotonic() - began


def idle(postgres, server, replicas, what):
    used = lambda: ([cpu_of(replica.process.pid) for replica in replicas], postgres.cpu(), server.requests())
    before = used()
    time.sleep(IDLE)
    after = used()
    cpu = ", ".join(f"{(later - earlier) / IDLE:.1%}" for earlier, later in zip(before[0], after[0]))
    memory = ", ".join(f"{memory_of(replica.process.pid):.0f} MiB" for replica in replicas)
    requests = {side: (after[2][side] - before[2][side]) / IDLE for side in after[2]}
    connections = postgres.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'leadsync'")
    print(
        f"{what}: {cpu} of a processor and {memory}; PostgreSQL {(after[1] - before[1]) / IDLE:.1%} of a processor, {connections} connections; "
        f"{requests['operate']:.1f} + {requests['salesforce']:.1f} requests a second",
        flush=True,
    )


program, server_program = sys.argv[1:3]
print(f"{platform.machine()}, {os.cpu_count()} processors; {PAIRS} pairs of {LEADS:,} leads on each side, polls every 30 seconds\n")
with tempfile.TemporaryDirectory() as folder, Postgres(folder) as postgres, Server(server_program, leads=LEADS) as server:
    pairs = configure(folder, postgres.url(), server)
    began = time.time()
    first = Replica(program, pairs, "first")
    most = 0.0
    while True:
        most = max(most, memory_of(first.process.pid))
        try:
            if sum(map(int, postgres.each("SELECT count(*) FROM $.link WHERE state = 'in_step'", SCHEMAS))) == PAIRS * LEADS:
                break
        except subprocess.CalledProcessError:
            pass
        time.sleep(2)
        if first.process.poll() is not None or time.time() - began > 3_000:
            sys.exit("the first synchronisation does not come to its end")
    print(f"all linked at first by one replica: {time.time() - began:.0f} s, {most:.0f} MiB at most", flush=True)
    idle(postgres, server, [first], "idle, one replica")
    second = Replica(program, pairs, "second")
    shared = until("both lead as many", lambda: abs(first.leads(postgres) - second.leads(postgres)) <= 1)
    print(f"a second replica leads half of them after {shared:.1f} s", flush=True)
    idle(postgres, server, [first, second], "idle, two replicas")
    for name, which in (("SIGKILL", signal.SIGKILL), ("SIGTERM", signal.SIGTERM)):
        # Whoever takes over is not in the middle of its own start.
        time.sleep(IDLE)
        left = first.pairs(postgres)
        first.process.send_signal(which)
        moment = postgres.ask("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
        led = until("the other one leads all", lambda: second.leads(postgres) == PAIRS)
        cycles = lambda: min(postgres.each("SELECT max(ended_at) FROM $.cycle", left)) > moment
        worked = led + until("each has had a cycle", cycles)
        print(f"after {name} of one the other leads all after {led:.1f} s, and each that changed hands has had a cycle after {worked:.1f} s", flush=True)
        first.process.wait()
        first, second = second, Replica(program, pairs, "third")
        until("both lead as many", lambda: abs(first.leads(postgres) - second.leads(postgres)) <= 1)
    for replica in (first, second):
        replica.process.send_signal(signal.SIGTERM)
        replica.process.wait()
