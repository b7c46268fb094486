"""What the system refuses a node, or does not have: the node goes on with the rest, and says so."""

from __future__ import annotations

from typing import Any, cast

from twisted.logger import ILogObserver, Logger, capturedLogs, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from mcast.errors import NotFound
from mcast.node.links import RETRY_DELAY
from mcast.node.network import Network
from mcast.node.node import Node
from mcast.node.troubles import AGAIN, Troubles
from tests.node.node_lab import CountingHost, NodeTestCase, drivers


class TellingTests(SynchronousTestCase):
    """An interface that is refused, and changes meanwhile."""

    def told(self, *looks: tuple[float, str], any_link: bool = True) -> int:
        """Look at times at which there is a cause, or none; return how many lines that makes."""
        troubles = Troubles(Logger())
        with capturedLogs() as logged:
            for now, cause in looks:
                troubles.clear()
                if cause:
                    troubles.add(cause)
                troubles.tell(now, any_link=any_link)
        return len(logged)

    def test_once_while_it_lasts(self) -> None:
        self.assertEqual(self.told((0.0, "x"), (1.0, "x"), (2 * AGAIN, "x")), 1)

    def test_once_a_minute(self) -> None:
        """It goes and comes back several times, as an interface does that has just been made."""
        self.assertEqual(self.told((0.0, "x"), (0.1, ""), (0.2, "x"), (0.3, ""), (0.4, "x")), 1)

    def test_again_later(self) -> None:
        self.assertEqual(self.told((0.0, "x"), (0.1, ""), (AGAIN, "x")), 2)

    def test_each_time_that_no_link_works(self) -> None:
        self.assertEqual(self.told((0.0, "x"), (0.1, ""), (0.2, "x"), any_link=False), 2)


class TroubleTests(NodeTestCase):
    """What the system refuses."""

    def setUp(self) -> None:
        super().setUp()
        host = self.lan.host("kitchen", "one", "two")
        self.network = CountingHost(host)
        network: Network = self.network
        self.subject = Node(self.lan.clock, network=network, hostname="kitchen", rng=host.rng)

    def test_refused_join(self) -> None:
        """M-B-1: a join over the limit is told, and the other interfaces go on."""
        self.network.refused = {"eth0"}
        self.subject.startService()
        self.lan.advance(3.0)
        self.assertEqual({packet.link for packet in self.lan.packets}, {"two"})
        self.assertEqual([str(link) for link in self.subject.links], ["eth1/IPv4", "eth1/IPv6"])

    def test_join_is_tried_again(self) -> None:
        self.network.refused = {"eth0"}
        self.subject.startService()
        self.lan.advance(3.0)
        self.network.refused = set()
        self.lan.advance(RETRY_DELAY)
        self.assertEqual(len(self.subject.links), 4)

    def test_one_family_refused(self) -> None:
        self.network.refused_families = {True}
        self.subject.startService()
        self.assertEqual([str(link) for link in self.subject.links], ["eth0/IPv4", "eth1/IPv4"])

    def test_both_families_refused(self) -> None:
        self.network.refused_families = {False, True}
        self.assertRaises(OSError, self.subject.startService)
        self.assertFalse(self.subject.running)
        self.lan.advance(0.1)
        self.assertEqual(self.lan.clock.getDelayedCalls(), [])

    def test_unsent_question_is_no_goodbye(self) -> None:
        """A node that only asks stops at once, and without a warning."""
        host = self.lan.host("asking")
        node = self.node(host, None)
        for driver in drivers(node):
            self.patch(driver.port, "send", lambda payload, interface, destination: False)
        node.resolve_host("nobody", timeout=0.3).addErrback(lambda failure: failure.trap(NotFound))
        self.lan.advance(0.35)
        stopped = node.stopService()
        self.lan.advance(0)
        self.assertIsNone(self.successResultOf(stopped))

    def test_unsendable_link_claims_nothing(self) -> None:
        """What cannot be probed for is not claimed (RFC 6762 §8.1), and tried again."""
        self.subject.startService()
        port = drivers(self.subject)[0].port
        send = port.send
        port.send = lambda payload, interface, destination: False  # type: ignore[method-assign]
        self.lan.advance(10.0)
        working = [str(link) for link in self.subject.working_links]
        self.assertEqual(working, ["eth0/IPv6", "eth1/IPv6"])
        port.send = send  # type: ignore[method-assign]
        self.lan.advance(60.0)
        self.assertEqual(self.subject.working_links, self.subject.links)
        self.assertTrue(self.subject.registrations[0].is_claimed)


class SilentNodeTests(NodeTestCase):
    """A node that can do nothing says why: in the log, in `statistics`, in each `NotFound`."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.lan.host("kitchen", "one", "two")
        self.logged: list[str] = []
        observe = cast(ILogObserver, lambda event: self.logged.append(formatEvent(event)))
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def warnings(self) -> list[str]:
        """What was logged of troubles since the last call."""
        told = [line for line in self.logged if "no link works" in line or "left out" in line]
        self.logged.clear()
        return told

    def reason(self, node: Node, **details: Any) -> str:
        found = node.resolve_host("nobody", **details)
        self.lan.advance(4)
        return str(self.failureResultOf(found, NotFound).value)

    def test_interface_that_is_not_there(self) -> None:
        node = self.node(self.host, interfaces=["eth9"])
        self.assertEqual(self.warnings(), ["no link works: eth9 does not exist; waiting for one"])
        self.assertEqual(node.statistics()["trouble"], "no link works: eth9 does not exist")
        self.assertEqual(self.reason(node), "nobody.local.: no link works: eth9 does not exist")

    def test_one_of_two_interfaces_is_not_there(self) -> None:
        node = self.node(self.host, interfaces=["eth9", "eth0"])
        self.assertEqual(self.warnings(), ["eth9 does not exist; left out until that changes"])
        self.assertIsNone(node.statistics()["trouble"])
        self.assertIn("no answer within 3 s", self.reason(node))

    def test_search_on_an_interface_that_is_not_used(self) -> None:
        node = self.node(self.host, interfaces=["eth0"])
        self.assertEqual(self.reason(node, interfaces=["eth1"]), "nobody.local.: no link works on eth1")

    def test_not_started(self) -> None:
        node = Node(self.lan.clock, network=self.host)
        self.assertEqual(node.trouble, "no link works: the node is not started")
        self.assertIn("no link works: the node is not started", self.reason(node))

    def test_no_interface_at_all(self) -> None:
        """A machine boots before its network: the node waits, and says so once."""
        for name in ("eth0", "eth1"):
            self.host.interface(name).set_up(False)
        node = self.node(self.host)
        self.assertEqual(
            self.warnings(), ["no link works: no interface is up and does multicast; waiting for one"]
        )
        self.lan.advance(100)
        self.assertEqual(self.warnings(), [])
        self.host.interface("eth0").set_up(True)
        self.lan.advance(1)
        self.assertIsNone(node.trouble)

    def test_interface_without_cable(self) -> None:
        """Beside one that works nobody misses it."""
        self.host.interface("eth0").unplug()
        node = self.node(self.host)
        self.assertEqual(self.warnings(), [])
        self.host.interface("eth1").unplug()
        self.lan.advance(1)
        self.assertEqual(node.trouble, "no link works: eth0 has no carrier; eth1 has no carrier")
        self.assertEqual(
            self.warnings(),
            ["no link works: eth0 has no carrier; eth1 has no carrier; waiting for one"],
        )

    def test_port_that_is_held(self) -> None:
        network = CountingHost(self.host)
        network.refused_families = {False, True}
        node = Node(self.lan.clock, network=network, hostname="kitchen", rng=self.host.rng)
        self.assertRaises(OSError, node.startService)
        self.assertEqual(self.warnings(), [])
