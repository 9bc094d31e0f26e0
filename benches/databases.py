"""The same work on a file (SQLite) and on PostgreSQL over a local socket, in turn: a first linking, and a cycle that has nothing to do.
Arguments: the program, the bench server. DATABASE_LEADS on each side, RUNS of each."""

import os
import platform
import signal
import subprocess
import sys
import tempfile
import time

from postgres import Postgres
from reading import SECRET, fresh, once
from tools import Server, configuration, cpu_of, spread

LEADS = int(os.environ.get("DATABASE_LEADS", "20000"))
RUNS = int(os.environ.get("RUNS", "3"))
CYCLES = 30
program, server_program = sys.argv[1:3]


def configured(folder, server, database, name):
    config = configuration(folder, server.address, schedule='overlap = "5s"')
    if database:
        text = open(config).read().replace(f'url = "sqlite:{folder}/leadsync.db"', f'url = "{database.url()}"\nschema = "{name}"')
        open(config, "w").write(text)
    return config


def linked(folder, server, database, name):
    fresh(folder)
    return once(program, configured(folder, server, database, name)).must()


def idle(folder, server, database, name):
    """Processor time of a cycle: the program's, and the database server's."""
    config = configured(folder, server, database, name)
    with open(f"{folder}/log", "w") as log:
        daemon = subprocess.Popen([program, "--config", config, "run"], env={**os.environ, **SECRET}, stderr=log)
    time.sleep(40)
    used = lambda: (cpu_of(daemon.pid), database.cpu() if database else 0.0)
    before = used()
    time.sleep(CYCLES)
    after = used()
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(30)
    return [1000 * (later - earlier) / CYCLES for earlier, later in zip(before, after)]


print(f"{platform.machine()}, {os.cpu_count()} processors; {LEADS:,} leads on each side; {RUNS} runs of each, in turn\n")
with tempfile.TemporaryDirectory() as folder, Postgres(folder) as postgres, Server(server_program, leads=LEADS) as server:
    took = {"a file": [], "PostgreSQL": []}
    for run in range(RUNS):
        took["a file"].append(linked(folder, server, None, ""))
        took["PostgreSQL"].append(linked(folder, server, postgres, f"run_{run}"))
    for name, runs in took.items():
        middle, around = spread([ran.seconds for ran in runs])
        print(f"first linking, {name}: {middle:.2f} s \u00b1 {around:.0%}, {max(ran.memory for ran in runs):.0f} MiB", flush=True)
    ratio = spread([there.seconds / here.seconds for here, there in zip(*took.values())])
    print(f"PostgreSQL takes {ratio[0]:.2f} times as long (\u00b1 {ratio[1]:.0%})", flush=True)
    for name, database in (("a file", None), ("PostgreSQL", postgres)):
        if not database:
            linked(folder, server, None, "")
        own, servers = idle(folder, server, database, f"run_{RUNS - 1}")
        print(f"an idle cycle, {name}: {own:.1f} ms of the program's processor time, {servers:.1f} ms of the database server's", flush=True)
