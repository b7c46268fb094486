"""One node for a reactor, started by the first who wants it and stopped by the last."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorCore
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from mcast.dnssd.service import Service
from mcast.node.node import Node
from mcast.node.shared import NodeLease, provide_node, shared_node
from mcast.testing import SimulatedLan
from tests.endpoints.endpoint_lab import LanReactor


class SharedTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.lan = SimulatedLan(seed=1)
        self.reactor = LanReactor(self.lan)
        self.host = self.lan.host("here")

    def lease(self, **settings: Any) -> NodeLease:
        return shared_node(self.reactor, network=self.host, **settings)


class SharingTests(SharedTestCase):
    def test_first_starts_it(self) -> None:
        self.assertTrue(self.lease().node.running)

    def test_second_has_the_same(self) -> None:
        self.assertIs(self.lease().node, self.lease().node)

    def test_last_stops_it(self) -> None:
        first, second = self.lease(), self.lease()
        self.lan.result(first.release())
        self.assertTrue(first.node.running)
        self.lan.result(second.release())
        self.assertFalse(first.node.running)

    def test_release_waits_for_goodbyes(self) -> None:
        lease = self.lease(hostname="kitchen")
        self.lan.result(lease.node.publish(Service("Web", "_http._tcp", 80)).when_claimed())
        self.lan.advance(5)
        self.lan.result(lease.release())
        self.assertIn("Web._http._tcp.local.", {str(one.name) for one in self.lan.packets.goodbyes})

    def test_released_twice_counts_once(self) -> None:
        first, second = self.lease(), self.lease()
        self.lan.result(first.release())
        self.lan.result(first.release())
        self.assertTrue(second.node.running)

    def test_new_one_after_the_last(self) -> None:
        first = self.lease()
        self.lan.result(first.release())
        second = self.lease()
        self.assertIsNot(first.node, second.node)
        self.assertTrue(second.node.running)

    def test_other_settings_other_node(self) -> None:
        plain, named = self.lease(), self.lease(hostname="kitchen")
        self.assertIsNot(plain.node, named.node)
        self.assertEqual(named.node.hostname, "kitchen")

    def test_interfaces(self) -> None:
        self.host.connect(self.lan.link("second"))
        lease = self.lease(interfaces=("eth1",))
        self.assertEqual({link.interface for link in lease.node.links}, {"eth1"})

    def test_unknown_interface(self) -> None:
        error = self.assertRaises(ValueError, self.lease, interfaces=("nosuch",))
        self.assertIn("nosuch", str(error))

    def test_reactors_share_nothing(self) -> None:
        other = shared_node(LanReactor(self.lan), network=self.lan.host("there"))
        self.assertIsNot(self.lease().node, other.node)


class ShutdownTests(SharedTestCase):
    """A reactor that shuts down stops the node."""

    def setUp(self) -> None:
        super().setUp()
        self.triggers: list[Any] = []
        alsoProvides(self.reactor, IReactorCore)
        reactor: Any = self.reactor
        reactor.addSystemEventTrigger = self.add_trigger
        reactor.removeSystemEventTrigger = self.triggers.remove

    def add_trigger(self, phase: str, event: str, call: Any) -> Any:
        self.triggers.append(call)
        return call

    def shut_down(self) -> None:
        while self.triggers:
            self.lan.result(self.triggers.pop()())

    def test_forgotten_lease(self) -> None:
        """M-10.1-1: the goodbyes are sent though nobody released the node."""
        lease = self.lease()
        self.lan.result(lease.node.publish(Service("Web", "_http._tcp", 80)).when_claimed())
        self.lan.advance(5)
        self.shut_down()
        self.assertFalse(lease.node.running)
        self.assertIn("Web._http._tcp.local.", {str(one.name) for one in self.lan.packets.goodbyes})

    def test_release_after_it(self) -> None:
        lease = self.lease()
        self.shut_down()
        self.assertIsNone(self.lan.result(lease.release()))

    def test_reactor_that_runs_again(self) -> None:
        self.lease()
        self.shut_down()
        self.assertTrue(self.lease().node.running)


class ProvidedTests(SharedTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.node = Node(self.lan.clock, network=self.host, hostname="own", rng=self.host.rng)
        self.node.startService()
        self.withdraw = provide_node(self.reactor, self.node)

    def test_used_by_all(self) -> None:
        self.assertIs(self.lease().node, self.node)

    def test_not_stopped(self) -> None:
        self.lan.result(self.lease().release())
        self.assertTrue(self.node.running)

    def test_not_for_other_settings(self) -> None:
        self.assertIsNot(self.lease(hostname="kitchen").node, self.node)

    def test_withdrawn(self) -> None:
        self.withdraw()
        self.assertIsNot(self.lease().node, self.node)
