"""A PostgreSQL cluster of its own, as the Debian package has it."""

import os
import signal
import subprocess
import time
from pathlib import Path

from tools import cpu_of

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))


class Postgres:
    """A cluster of its own with the server's defaults, ended with the block."""

    def __init__(self, folder):
        self.folder = Path(folder) / "postgres"
        self.folder.mkdir()
        self.user = {"user": "nobody"} if os.getuid() == 0 else {}
        if self.user:
            os.chmod(folder, 0o755)
            subprocess.run(["chown", "nobody", self.folder], check=True)
        made = [BIN / "initdb", "--auth=trust", "--username=leadsync", "--encoding=UTF8", "--no-locale", "--pgdata", self.folder / "data"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd="/", **self.user)

    def __enter__(self):
        command = [BIN / "postgres", "-D", self.folder / "data", "-k", self.folder, "-c", "listen_addresses="]
        self.process = subprocess.Popen(command, stderr=open(self.folder.parent / "postgres.log", "w"), cwd="/", **self.user)
        while subprocess.run([BIN / "pg_isready", "-q", "-h", self.folder]).returncode:
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def url(self):
        return f"postgres://leadsync@localhost/postgres?host={self.folder}"

    def ask(self, sql):
        command = [BIN / "psql", "-h", self.folder, "-U", "leadsync", "-d", "postgres", "-qAtc", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def each(self, select, schemas):
        """The same of each of these schemas, one after the other."""
        return self.ask(" UNION ALL ".join(select.replace("$", schema) for schema in schemas)).splitlines()

    def cpu(self):
        """Of the server, of those of its children that have ended, and of those that are there."""
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True).stdout.split()
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        total = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        for pid in children:
            try:
                total += cpu_of(pid)
            except OSError:
                pass
        return total
