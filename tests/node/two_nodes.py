"""Two nodes on a simulated link, for the tests of what is found."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dnssd.service import Service
from mcast.node.node import Node
from mcast.node.registrations import ServiceRegistration
from mcast.testing import SimulatedLan


class TwoNodes(SynchronousTestCase):
    """One node that publishes, one that finds."""

    def setUp(self) -> None:
        self.lan = SimulatedLan(seed=1)
        self.there = self.node("there")
        self.here = self.node("here")

    def node(self, name: str, *links: str) -> Node:
        host = self.lan.host(name, *links)
        node = Node(self.lan.clock, network=host, hostname=name, rng=Random(name))
        node.startService()
        self.addCleanup(lambda: self.lan.result(node.stopService()))
        return node

    def publish(self, name: str = "Web", port: int = 80, **more: object) -> ServiceRegistration:
        described = Service(name, "_http._tcp", port, **more)  # type: ignore[arg-type]  # the tests know
        return self.lan.result(self.there.publish(described).when_claimed())
