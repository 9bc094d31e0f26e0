"""What is measured: reading everything from either side, beside what people use today; a first linking; an idle daemon; a restart."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

from tools import FIELDS, HERE, Ran, Server, configuration, cpu_of, memory_of, query

# What the configuration names.
SECRET = {"BENCH_SECRET": "bench"}


def once(program, config):
    return Ran([program, "--config", config, "once"], SECRET)


def fresh(folder):
    for name in ("leadsync.db", "leadsync.db-wal", "leadsync.db-shm", "leadsync.db.lock"):
        Path(folder, name).unlink(missing_ok=True)


def counted(folder, sql):
    return query(f"{folder}/leadsync.db", sql)[0]


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


def floor(tools, folder, leads):
    """A bare parse of Operate's answer as it comes, and an insert a lead."""
    with Server(tools.server, salesforce=0, operate=leads) as server:
        return bare(tools, folder, server, leads)


def floor_of_links(tools, folder, leads):
    """A bare parse of both sides' answers, an insert a lead, and one a link."""
    with Server(tools.server, leads=leads) as server:
        names = ",".join(["Id", "SystemModstamp", *(name for _, name, _ in FIELDS)])
        return bare(tools, folder, server, leads, f"SELECT {names} FROM Lead")


def bare(tools, folder, server, leads, *more):
    store = Path(folder, "floor.db")
    for name in Path(folder).glob("floor.db*"):
        name.unlink()
    names = ",".join(["leadid", "lastmodified", *(name for name, _, _ in FIELDS)])
    ran = Ran([tools.floor, server.address, f"fields=[{names}]", str(store), *more]).must()
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


def age(folder, rows):
    """Gives the store that `link` left a history of so many writes, as years of use would."""
    connection = sqlite3.connect(f"{folder}/leadsync.db")
    with connection:
        connection.execute(
            """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?), links (count) AS (SELECT count(*) FROM link)
               INSERT INTO push (link_id, side, kind, fields, before, base, state, attempts, due_at, sent_at, created_at, done_at)
               SELECT 1 + i % links.count, iif(i % 2, 'operate', 'salesforce'), 'update', '{"jobtitle":"Keeper"}', '{"jobtitle":"Baker"}',
                      '{"jobtitle":"Keeper"}', 'done', 1, t, t, t, t
               FROM n, links, (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-30 days') AS t)""",
            (rows,),
        )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


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
        while counted(folder, "SELECT count(*) FROM checkpoint WHERE swept_at IS NOT NULL")[0] < 2:
            time.sleep(1)
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


def killed(tools, folder, leads):
    """The same as `link`, killed when half of Salesforce's pages were read, and started again. Gives the requests of all of it."""
    with Server(tools.server, leads=leads) as server:
        fresh(folder)
        config = configuration(folder, server.address)
        first = subprocess.Popen([tools.program, "--config", config, "once"], env={**os.environ, **SECRET}, stderr=subprocess.DEVNULL)
        while server.requests()["salesforce"] < leads // 4_000:
            time.sleep(0.002)
        first.kill()
        first.wait()
        once(tools.program, config).must()
        (linked,) = counted(folder, "SELECT count(*) FROM link WHERE state = 'in_step'")
        assert linked == leads, linked
        return server.requests()
