"""Peer: tap-salesforce, unchanged but for where it signs in. Arguments: the bench server's address, then tap-salesforce's own."""

import sys

from tap_salesforce import main
from tap_salesforce.salesforce import Salesforce

address = sys.argv.pop(1)


def login(self):
    self.access_token, self.instance_url = "bench", address


Salesforce.login = login
main()
