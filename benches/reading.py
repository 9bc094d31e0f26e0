"""What is measured: reading everything from either side, beside what people use today; a first linking; an idle daemon; a restart."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

from tools import FIELDS, HERE, Ran, Server, configuration, cpu_of, memory_of

SECRET = {"BENCH_SECRET": "bench"}


def once(program, config):
    return Ran([program, "--config", config, "once"], SECRET)


def fresh(folder):
    for name in ("leadsync.db", "leadsync.db-wal", "leadsync.db-shm", "leadsync.db.lock"):
        Path(folder, name).unlink(missing_ok=True)


def counted(folder, query):
    connection = sqlite3.connect(f"file:{folder}/leadsync.db?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchone()
    finally:
        connection.close()


def read(tools, folder, side, leads):
    """All leads of one side, and none on the other. Gives the queries that the side was asked, too."""
    with Server(tools.server, **{"salesforce": 0, "operate": 0, side: leads}) as server:
        fresh(folder)
        ran = once(tools.program, configuration(folder, server.address)).must(0, 3)
        (seen,) = counted(folder, f"SELECT count(*) FROM lead WHERE side = '{side}'")
        assert seen == leads, seen
        return ran, server.requests()[side]


def simple(tools, leads):
    with Server(tools.server, salesforce=leads, operate=0) as server:
        names = ",".join(["Id", "SystemModstamp", *(name for _, name, _ in FIELDS)])
        ran = Ran([tools.python, str(HERE / "simple.py"), server.address, names]).must()
        assert int(ran.out) == leads, ran.out
        return ran


def tap(tools, folder, leads):
    with Server(tools.server, salesforce=leads, operate=0) as server:
        config = Path(folder, "tap.json")
        config.write_text(json.dumps({
            "refresh_token": "bench", "client_id": "bench", "client_secret": "bench", "start_date": "2000-01-01T00:00:00Z",
            "api_type": "REST", "select_fields_by_default": "true",
        }))
        command = [tools.python, str(HERE / "tap.py"), server.address, "--config", str(config)]
        catalog = json.loads(Ran([*command, "--discover"]).must().out)
        for stream in catalog["streams"]:
            for entry in stream["metadata"]:
                if not entry["breadcrumb"]:
                    entry["metadata"]["selected"] = True
        properties = Path(folder, "catalog.json")
        properties.write_text(json.dumps(catalog))
        ran = Ran([*command, "--properties", str(properties)]).must()
        assert sum(line.startswith('{"type": "RECORD"') for line in ran.out.splitlines()) == leads
        return ran


def link(tools, folder, leads):
    """Both systems have the same leads: all are read, found by their e-mail addresses, compared and linked."""
    with Server(tools.server, leads=leads) as server:
        fresh(folder)
        config = configuration(folder, server.address)
        ran = once(tools.program, config).must()
        linked, writes = counted(folder, "SELECT count(*) FILTER (WHERE state = 'in_step'), (SELECT count(*) FROM push) FROM link")
        assert (linked, writes) == (leads, 0), (linked, writes)
        return ran, server.requests()


def idle(tools, folder, leads, cycles):
    """A daemon on the store that `link` left, with a cycle a second: processor time and requests of a cycle, memory, time to the first poll."""
    with Server(tools.server, leads=leads) as server:
        config = configuration(folder, server.address, schedule='overlap = "5s"')
        began = time.monotonic()
        with open(Path(folder, "log"), "w") as log:
            daemon = subprocess.Popen([tools.program, "--config", config, "run"], env={**os.environ, **SECRET}, stderr=log)
        while not server.requests()["operate"]:
            time.sleep(0.005)
        first = time.monotonic() - began
        # The sweep that is due at once, and until changes cannot come late any more.
        time.sleep(20)
        before = (counted(folder, "SELECT count(*) FROM cycle")[0], server.requests(), cpu_of(daemon.pid))
        time.sleep(cycles)
        after = (counted(folder, "SELECT count(*) FROM cycle")[0], server.requests(), cpu_of(daemon.pid))
        memory = memory_of(daemon.pid)
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)
        ran = after[0] - before[0]
        each = {side: (after[1][side] - before[1][side]) / ran for side in after[1]}
        return first, (after[2] - before[2]) / ran, each, memory
