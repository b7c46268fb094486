"""`mcast.watching.connecting`: whether a service takes a connection."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionRefusedError, TimeoutError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mcast.dnssd.found import Added
from mcast.node.node import Node
from mcast.testing import SimulatedLan
from mcast.watching.connecting import CONNECT_LIMIT, try_connect
from mcast.watching.watcher import MAX_CONNECTS, Watcher
from tests.live.model_lab import found


class ConnectTests(SynchronousTestCase):
    """A person asks, and is told one of a few words."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.connector: Any = None

    def test_refused(self) -> None:
        tried = try_connect(self.reactor, "10.0.1.2", 80)
        factory = self.reactor.tcpClients[0][2]
        factory.clientConnectionFailed(self.connector, Failure(ConnectionRefusedError()))
        self.assertEqual(self.successResultOf(tried), "refused")

    def test_open(self) -> None:
        tried = try_connect(self.reactor, "10.0.1.2", 80)
        host, port, factory = self.reactor.tcpClients[0][:3]
        self.assertEqual((host, port), ("10.0.1.2", 80))
        transport = StringTransport()
        protocol = factory.buildProtocol(None)
        assert protocol is not None
        protocol.makeConnection(transport)
        self.assertEqual(self.successResultOf(tried), "open")
        self.assertTrue(transport.disconnecting)

    def test_no_answer(self) -> None:
        tried = try_connect(self.reactor, "10.0.1.2", 80)
        self.assertEqual(self.reactor.tcpClients[0][3], CONNECT_LIMIT)
        self.reactor.tcpClients[0][2].clientConnectionFailed(self.connector, Failure(TimeoutError()))
        self.assertEqual(self.successResultOf(tried), "timeout")

    def watcher(self) -> Watcher:
        node = Node(self.reactor, network=SimulatedLan(seed=1).host("here"))
        watcher = Watcher(self.reactor, node)
        watcher.model.service(Added(found()), 0.0)
        watcher.model.commit(0.0)
        return watcher

    def test_told(self) -> None:
        watcher = self.watcher()
        tried = watcher.connect("s1")
        factory = self.reactor.tcpClients[0][2]
        factory.clientConnectionFailed(self.connector, Failure(ConnectionRefusedError()))
        self.assertEqual(self.successResultOf(tried), "refused")
        watcher.model.commit(1.0)
        self.assertEqual(watcher.model.snapshot["services"]["s1"]["connect"]["state"], "refused")

    def test_too_many(self) -> None:
        watcher = self.watcher()
        for _ in range(MAX_CONNECTS):
            self.assertNoResult(watcher.connect("s1"))
        self.assertEqual(self.successResultOf(watcher.connect("s1")), "busy")
