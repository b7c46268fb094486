"""Interfaces that get another name while they are up: their index stays, and all goes on."""

from __future__ import annotations

from random import Random

from mcast.node.node import Node
from tests.interop.peers import Responder
from tests.network.reactors import ReactorLanTestCase


class RenamedInterfaceTests(ReactorLanTestCase):
    """A browser whose interface is renamed."""

    links = 1

    def setUp(self) -> None:
        super().setUp()
        self.node = Node(self.reactor, hostname="here", rng=Random(1))
        self.node.startService()
        self.addCleanup(lambda: self.wait(self.node.stopService()))
        self.events: list[tuple[str, str]] = []
        browser = self.node.browse("_http._tcp")
        browser.add_listener(lambda change: self.events.append((type(change).__name__, change.service.name)))

    def responder(self, name: str) -> Responder:
        responder = Responder(self.there, "--hostname", "there", "--service", f"{name}:_http._tcp:80")
        self.addCleanup(responder.close)
        return responder

    def sees(self, *event: str) -> None:
        self.until(lambda: event in self.events, f"{event}")

    def rename(self, before: str, after: str) -> None:
        self.here.ip("link", "set", before, "name", after)

    def test_later_arrivals_and_goodbyes_are_seen(self) -> None:
        first = self.responder("First")
        self.sees("Added", "First")
        self.rename("eth0", "lan0")
        self.addCleanup(self.rename, "lan0", "eth0")
        self.until(lambda: {link.interface for link in self.node.links} == {"lan0"}, "the new name")
        self.responder("Second")
        self.sees("Added", "Second")
        first.close()
        self.sees("Removed", "First")
