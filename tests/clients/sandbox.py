"""A sandbox process for a test, and a way for clients that speak only https to reach it."""

import json
import os
import subprocess
from urllib.request import Request, urlopen

import requests
from requests.adapters import HTTPAdapter


class Sandbox:
    """`leadsync sandbox`, ended with the block."""

    def __init__(self, leads=20):
        self.leads = leads

    def __enter__(self):
        program = os.environ["LEADSYNC_BIN"]
        self.process = subprocess.Popen([program, "sandbox", "--leads", str(self.leads)], stdout=subprocess.PIPE, text=True)
        self.salesforce = json.loads(self.process.stdout.readline())["salesforce"]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=10)

    def control(self, what, body):
        """Acts as the sandbox's owner."""
        request = Request(f"{self.salesforce['login_url']}/_sandbox/{what}", json.dumps(body).encode(), method="POST")
        with urlopen(request) as answer:
            return json.load(answer)

    def session(self):
        """A session whose https requests go to the sandbox, which listens on loopback without TLS. Nothing else is changed."""
        session = requests.Session()
        session.mount("https://", Loopback(self.salesforce["login_url"]))
        return session


class Loopback(HTTPAdapter):
    def __init__(self, address):
        super().__init__()
        self.address = address

    def send(self, request, **options):
        path = request.url.split("/", 3)[3]
        request.url = f"{self.address}/{path}"
        return super().send(request, **options)
