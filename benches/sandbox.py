"""The project's own sandbox, and the program at work on it with the example's configuration."""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from urllib.request import Request, urlopen

from tools import HERE, Ran, query

CONFIG = str(HERE.parent / "config/leadsync.toml")


class Sandbox:
    """Both simulated systems, and the environment in which the program works on them."""

    def __init__(self, program, folder, leads, options=(), **more):
        self.process = subprocess.Popen([program, "sandbox", "--leads", str(leads), *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        said = json.loads(self.process.stdout.readline())
        self.address = {"operate": said["operate"]["base_url"], "salesforce": said["salesforce"]["login_url"]}
        self.store = f"{folder}/leadsync.db"
        for name in Path(folder).glob("leadsync.db*"):
            name.unlink()
        self.environment = {
            "LEADSYNC__OPERATE__BASE_URL": said["operate"]["base_url"],
            "LEADSYNC__OPERATE__AUTH__CLIENT_ID": said["operate"]["client_id"],
            "OPERATE_CLIENT_SECRET": said["operate"]["client_secret"],
            "LEADSYNC__SALESFORCE__LOGIN_URL": said["salesforce"]["login_url"],
            "LEADSYNC__SALESFORCE__AUTH__CLIENT_ID": said["salesforce"]["client_id"],
            "SALESFORCE_CLIENT_SECRET": said["salesforce"]["client_secret"],
            "LEADSYNC__STORE__URL": f"sqlite:{self.store}",
            "LEADSYNC__OPS__LISTEN": "",
            "LEADSYNC__OPERATE__REQUESTS_PER_SECOND": "1000",
            "LEADSYNC__SALESFORCE__REQUESTS_PER_SECOND": "1000",
            "LEADSYNC__SCHEDULE__OVERLAP": "10s",
            "LEADSYNC__SYNC__MAX_CHANGE": "off",
            **more,
        }
        self.program = program

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, side, path, body=None):
        request = Request(f"{self.address[side]}/_sandbox/{path}", data=None if body is None else json.dumps(body).encode())
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def once(self):
        return Ran([self.program, "--config", CONFIG, "once"], self.environment).must(0, 3)

    @contextlib.contextmanager
    def daemon(self, **more):
        """The program at work until the block ends."""
        with open(Path(self.store).with_name("log"), "w") as log:
            environment = {**os.environ, **self.environment, **more}
            daemon = subprocess.Popen([self.program, "--config", CONFIG, "run"], env=environment, stderr=log)
        try:
            yield daemon
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)

    def links(self):
        return self.query("SELECT operate_id, salesforce_id FROM link WHERE state = 'in_step'")

    def query(self, sql):
        return query(self.store, sql)

    def used(self):
        """Requests and written leads of both systems so far."""
        now = {side: self.ask(side, "requests") for side in self.address}
        return {side: {"read": said["read"], "write": said["write"], **said["leads"]} for side, said in now.items()}
