"""What every measurement needs: processes that are watched, the bench server, a configuration, a table."""

import json
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

HERE = Path(__file__).resolve().parent
# Operate's name, Salesforce's, type: as in fields.rs.
FIELDS = re.findall(r'\("(\w+)", "(\w+)", "(\w+)", "', (HERE / "fields.rs").read_text())
TYPES = {"double": "number", "int": "number", "boolean": "boolean"}


class Ran:
    """A program that has ended: seconds, the most memory it held in MiB, what it said."""

    def __init__(self, command, environment=None):
        began = time.monotonic()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=out, stderr=errors)
            # The kernel's own peak of a child counts what its parent had when it was forked, so it is looked at while it runs.
            self.memory, gone = 0.0, 0
            while not gone:
                time.sleep(0.01)
                try:
                    self.memory = max(self.memory, memory_of(process.pid, "VmHWM"))
                except (OSError, StopIteration):
                    pass
                gone, status = os.waitpid(process.pid, os.WNOHANG)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.seconds = time.monotonic() - began
            out.seek(0), errors.seek(0)
            self.out, self.errors = out.read().decode(), errors.read().decode()
        self.code = process.returncode

    def must(self, *codes):
        if self.code not in (codes or (0,)):
            sys.exit(f"ended with {self.code}: {self.errors[-2000:]}{self.out[-1000:]}")
        return self


class Server:
    """The bench server, ended with the block."""

    def __init__(self, program, **options):
        self.command = [program, *(word for name, value in options.items() for word in (f"--{name}", str(value)))]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def requests(self):
        with urlopen(f"{self.address}/requests") as answer:
            return json.load(answer)


def query(store, sql):
    """What a store answers."""
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def cpu_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid, which="VmRSS"):
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(which))
    return int(line.split()[1]) / 1024


def configuration(folder, address, schedule=""):
    """A mapping of the 24 fields, on both systems at one address."""
    text = f"""
[store]
url = "sqlite:{folder}/leadsync.db"
[operate]
base_url = "{address}"
auth = {{ grant = "client_credentials", client_id = "bench", client_secret = "env:BENCH_SECRET" }}
requests_per_second = 1000
[salesforce]
login_url = "{address}"
auth = {{ flow = "client_credentials", client_id = "bench", client_secret = "env:BENCH_SECRET" }}
requests_per_second = 1000
bulk_read = 100000000
[schedule]
poll = "* * * * * *"
sweep = "0 0 3 1 1 *"
{schedule}
[sync]
create = "none"
match = [["email"]]
[ops]
listen = ""
"""
    for operate, salesforce, kind in FIELDS:
        text += f'[[fields]]\nname = "{operate}"\noperate = "{operate}"\nsalesforce = "{salesforce}"\n'
        if kind in TYPES:
            text += f'type = "{TYPES[kind]}"\n'
    path = Path(folder) / "leadsync.toml"
    path.write_text(text)
    return str(path)


def spread(values):
    """Median, and the half-width from the lowest to the highest as a share of it."""
    middle = statistics.median(values)
    return middle, (max(values) - min(values)) / 2 / middle if middle else 0.0
