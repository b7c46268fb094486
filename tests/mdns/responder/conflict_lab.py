"""A host and a web service whose names another host claims, for the tests of conflicts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.records import address, service, text
from tests.mdns.lab import (
    HOST,
    HOST_GROUP,
    WEB,
    WEB_GROUP,
    Lab,
    flushed,
)

RIVAL_A = flushed(address(HOST, "192.168.1.77", 120))
RIVAL_SRV = flushed(service(WEB, 0, 0, 99, HOST, 120))
RIVAL_TXT = flushed(text(WEB, [b"path=/rival"], 4500))


class ConflictCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = Lab(point=0.0)
        self.host, self.web = self.lab.settle(HOST_GROUP, WEB_GROUP)
        self.lab.now = 100.0
