"""Peer: simple-salesforce reads every lead with the 24 fields, and does nothing with them. Arguments: address, fields."""

import sys

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce


class Loopback(HTTPAdapter):
    """simple-salesforce speaks https alone; the bench server listens on loopback without TLS."""

    def send(self, request, **more):
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, **more)


address, fields = sys.argv[1:]
session = requests.Session()
session.mount("https://", Loopback())
sf = Salesforce(instance_url=address, session_id="bench", session=session)
print(sum(1 for _ in sf.query_all_iter(f"SELECT {fields} FROM Lead")))
