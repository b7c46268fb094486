"""`mcast.watching`: a node on a simulated network feeds the model."""

from __future__ import annotations

import errno
import struct
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

import mcast.watching.watcher as watcher_module
from mcast.dns import records as make
from mcast.dns.codes import RESPONSE_FLAGS
from mcast.dns.messages import Message, encode
from mcast.dns.names import Name
from mcast.errors import NotFound
from mcast.live.documents import apply_delta, empty_snapshot
from mcast.node.node import Node
from mcast.oneshot import OneShotReply
from mcast.watching import neighbour_table
from mcast.watching.neighbour_table import Neighbour, Vendors, neighbours, read_neighbours
from mcast.watching.round_trips import ASK_INTERVAL, MAX_ASKED
from mcast.watching.watcher import EARLY_DELAY, TABLE_INTERVAL, Watcher
from tests.node.node_lab import NodeTestCase


class WatcherTestCase(NodeTestCase):
    """A watcher on one host of a simulated network, a responder on another."""

    def setUp(self) -> None:
        super().setUp()
        self.there = self.settled("there")
        self.here = self.settled("here", None)
        self.asked: list[tuple[str, str, Deferred[OneShotReply]]] = []
        self.table: list[Neighbour] | OSError = []
        self.watcher = Watcher(
            self.lan.clock,
            self.here,
            asker=self.ask_host,
            table=self.neighbours,
            own=self.lan.host("here").interfaces,
        )
        self.state = empty_snapshot()
        self.watcher.add_observer(lambda delta: apply_delta(self.state, delta))
        self.watcher.startService()
        self.addCleanup(self.watcher.stopService)

    def ask_host(
        self, reactor: Any, name: str, type: str, *, server: str, timeout: float
    ) -> Deferred[OneShotReply]:
        answered: Deferred[OneShotReply] = Deferred()
        self.asked.append((name, server, answered))
        return answered

    def neighbours(self) -> list[Neighbour]:
        if isinstance(self.table, OSError):
            raise self.table
        return self.table

    def names(self, collection: str, **fields: object) -> list[str]:
        return sorted(
            each["name"] or each["addresses"][0]
            for each in self.state[collection].values()
            if all(each[field] == value for field, value in fields.items())
        )


class WatcherTests(WatcherTestCase):
    """What a node hears and finds becomes the model."""

    def test_service_comes_changes_and_goes(self) -> None:
        registration = self.register(self.there, "Web", 80)
        self.lan.advance(2.0)
        self.assertEqual(self.names("services", gone=None), ["Web"])
        self.assertEqual(self.names("services", port=80), ["Web"])
        self.lan.result(registration.update(port=81))
        self.lan.advance(1.0)
        self.assertEqual(self.names("services", port=81), ["Web"])
        self.lan.result(registration.withdraw())
        self.lan.advance(2.0)
        self.assertEqual(self.names("services", gone=None), [])

    def test_told_soon(self) -> None:
        """A service is told a quarter of a second after it was announced, not at the next full second."""
        self.register(self.there, "First")
        self.lan.advance(3.0)
        registration = self.register(self.there, "Second")
        self.assertTrue(registration.is_claimed)
        self.lan.advance(2 * EARLY_DELAY)
        self.assertIn("Second", self.names("services"))

    def test_a_type_that_is_not_announced(self) -> None:
        """A responder may announce a service and not its type, as python-zeroconf does (RFC 6763 §9)."""
        self.lan.advance(100.0)
        name = Name.parse("Odd._odd._udp.local")
        target = Name.parse("odd.local")
        records = (
            make.pointer(Name.parse("_odd._udp.local"), name, 4500),
            make.service(name, 0, 0, 9, target, 120),
            make.text(name, [], 4500),
            make.address(target, "10.0.1.77", 120),
        )
        self.multicast("lan", Message(0, RESPONSE_FLAGS, (), records))
        self.lan.advance(1.0)
        self.assertEqual(self.names("services"), ["Odd"])

    def test_heard_types_are_bounded(self) -> None:
        self.patch(watcher_module, "MAX_HEARD_TYPES", 10)
        for number in range(30):
            pointer = make.pointer(Name.parse(f"x{number}.local"), Name.parse("y.local"), 4500)
            self.multicast("lan", Message(0, RESPONSE_FLAGS, (), (pointer,)))
        self.lan.advance(1.0)
        self.assertLessEqual(len(self.watcher._heard_types), 10)

    def invent(self, number: int) -> None:
        kind = Name.parse(f"_x{number}._tcp.local")
        pointer = make.pointer(kind, kind.prefixed("No such service"), 4500)
        self.multicast("lan", Message(0, RESPONSE_FLAGS, (), (pointer,)))

    def test_invented_types(self) -> None:
        """They make us ask little, and leave place for those that there are."""
        self.patch(watcher_module, "MAX_TYPES", 5)
        self.lan.advance(1.0)
        for number in range(50):
            self.invent(number)
        self.assertLessEqual(self.watcher._looked, 51)
        self.lan.advance(1.0)
        self.assertLessEqual(len(self.watcher._browsers), 5)
        self.register(self.there)
        self.lan.advance(2.0)
        self.assertIn("Web", self.names("services"))

    def test_new_types_a_second(self) -> None:
        self.lan.advance(1.2)
        before = len(self.watcher._browsers)
        for number in range(50):
            self.invent(number)
        self.lan.advance(0.5)
        self.assertLessEqual(len(self.watcher._browsers) - before, watcher_module.MAX_NEW_TYPES)

    def test_packets_and_links(self) -> None:
        self.register(self.there)
        self.lan.advance(2.0)
        self.assertEqual(sorted(self.state["links"]), ["eth0/IPv4", "eth0/IPv6"])
        self.assertGreater(self.state["about"]["totals"]["packets"], 3)
        self.assertEqual(self.state["about"]["watcher"]["trouble"], None)
        (there,) = [each for each in self.state["hosts"].values() if each["name"] == "there.local"]
        self.assertEqual(there["links"], ["eth0/IPv4", "eth0/IPv6"])

    def test_a_link_that_fails(self) -> None:
        host = self.lan.host("here")
        self.lan.advance(2.0)
        host.interface().unplug()
        self.lan.advance(2.0)
        self.assertEqual({each["working"] for each in self.state["links"].values()}, {False})
        self.assertIn("no link works", self.state["about"]["watcher"]["trouble"])
        host.interface().remove()
        self.lan.advance(2.0)
        self.assertEqual(self.state["links"], {})

    def test_stop(self) -> None:
        self.register(self.there)
        self.lan.advance(2.0)
        self.watcher.stopService()
        seq = self.state["seq"]
        self.register(self.there, "Later")
        self.lan.advance(5.0)
        self.assertEqual(self.state["seq"], seq)
        self.watcher.startService()
        self.lan.advance(5.0)
        self.assertEqual(self.names("services", gone=None), ["Later", "Web"])

    def test_an_observer_that_fails(self) -> None:
        self.watcher.add_observer(lambda delta: 1 // 0)
        self.register(self.there)
        self.lan.advance(2.0)
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))
        self.assertEqual(self.names("services"), ["Web"])

    def test_neighbour_table(self) -> None:
        self.register(self.there)
        index = self.lan.host("here").interface().index
        address = self.lan.host("there").interface().source_for("224.0.0.251")
        self.table = [
            Neighbour(address, index, "02:00:00:00:00:09"),
            Neighbour(address, index + 7, "02:00:00:00:00:01"),
        ]
        self.lan.advance(TABLE_INTERVAL + 2.0)
        self.assertEqual(
            [each["mac"] for each in self.state["hosts"].values() if each["mac"]], ["02:00:00:00:00:09"]
        )
        self.table = OSError(errno.EMFILE, "too many open files")
        self.lan.advance(TABLE_INTERVAL)

    def test_connect_to_nothing(self) -> None:
        self.assertEqual(self.successResultOf(self.watcher.connect("s99")), "unknown")


class RoundTripTests(WatcherTestCase):
    """Hosts are asked sparingly, and only while somebody looks."""

    def setUp(self) -> None:
        super().setUp()
        self.register(self.there)
        self.lan.advance(5.0)

    def rtt(self) -> Any:
        return next(each["rtt"] for each in self.state["hosts"].values() if each["name"] == "there.local")

    def test_nobody_looks(self) -> None:
        self.lan.advance(60.0)
        self.assertEqual(self.asked, [])

    def test_asked_and_answered(self) -> None:
        self.watcher.watchers = 1
        self.lan.advance(1.5)
        ((name, server, answered),) = self.asked
        self.assertEqual(
            (name, server), ("there.local.", self.lan.host("there").interface().source_for("224.0.0.251"))
        )
        answered.callback(OneShotReply(Message(0, RESPONSE_FLAGS), server))
        self.lan.advance(1.0)
        self.assertEqual((self.rtt()["asked"], self.rtt()["lost"]), (1, 0))
        self.lan.advance(ASK_INTERVAL - 3.0)
        self.assertEqual(len(self.asked), 1)
        self.lan.advance(3.0)
        self.assertEqual(len(self.asked), 2)

    def test_not_off_the_link(self) -> None:
        """A forged source address: a question to it would leave by the router."""
        record = make.address(Name.parse("forged.local"), "198.51.100.7", 120, cache_flush=True)
        datagram = encode(Message(0, RESPONSE_FLAGS, (), (record,)))
        self.watcher._heard(self.here.links[0], datagram, ("198.51.100.7", 5353), True)
        self.watcher.watchers = 1
        self.lan.advance(5.0)
        self.assertEqual([name for name, _, _ in self.asked], ["there.local."])

    def test_no_answer(self) -> None:
        self.watcher.watchers = 1
        self.lan.advance(1.5)
        self.asked[0][2].errback(NotFound("there.local", "no answer"))
        self.lan.advance(1.0)
        self.assertEqual((self.rtt()["asked"], self.rtt()["lost"], self.rtt()["mean"]), (1, 1, None))

    def test_few_at_once(self) -> None:
        for number in range(MAX_ASKED + 5):
            self.settled(f"host{number}")
        for node in self._nodes():
            self.register(node, f"Web on {node.hostname}")
        self.watcher.watchers = 1
        self.lan.advance(10.0)
        self.assertEqual(len(self.asked), MAX_ASKED)

    def _nodes(self) -> list[Node]:
        return self.nodes

    def node(self, *arguments: Any, **settings: Any) -> Node:
        node = super().node(*arguments, **settings)
        self.nodes = [*getattr(self, "nodes", []), node]
        return node


class OverhearTests(NodeTestCase):
    """`Node.overhear`: what arrives, before the node takes it in."""

    def test_heard_and_ended(self) -> None:
        there, here = self.settled("there"), self.settled("here")
        heard: list[tuple[str, bytes, str, bool]] = []
        end = here.overhear(
            lambda link, datagram, source, multicast: heard.append(
                (str(link), datagram, source[0], multicast)
            )
        )
        self.register(there)
        self.assertEqual({each[0] for each in heard}, {"eth0/IPv4", "eth0/IPv6"})
        self.assertTrue(all(each[3] for each in heard))
        end()
        end()
        heard.clear()
        self.register(there, "Other")
        self.assertEqual(heard, [])

    def test_also_on_links_that_come(self) -> None:
        there, here = self.settled("there"), self.settled("here")
        heard: list[bytes] = []
        here.overhear(lambda link, datagram, source, multicast: heard.append(datagram))
        self.lan.host("here").interface().unplug()
        self.lan.advance(3.0)
        self.lan.host("here").interface().plug()
        self.lan.advance(3.0)
        heard.clear()
        self.register(there)
        self.assertNotEqual(heard, [])

    def test_a_listener_that_fails(self) -> None:
        there, here = self.settled("there"), self.settled("here")
        here.overhear(lambda link, datagram, source, multicast: 1 // 0)
        browser = here.browse("_http._tcp")
        self.register(there)
        self.lan.advance(2.0)
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))
        self.assertEqual([each.name for each in browser.snapshot()], ["Web"])


class NeighbourTableTests(SynchronousTestCase):
    """The messages of rtnetlink(7), and the list of the IEEE."""

    def message(self, kind: int, family: int, *attributes: tuple[int, bytes]) -> bytes:
        body = struct.pack("=BxxxiHBB", family, 3, 2, 0, 1)
        for number, value in attributes:
            body += struct.pack("=HH", len(value) + 4, number) + value + bytes(-len(value) % 4)
        return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body

    def test_read(self) -> None:
        mac = bytes([2, 0, 0, 0, 0, 9])
        datagram = self.message(28, 2, (1, bytes([10, 0, 1, 2])), (2, mac))
        datagram += self.message(28, 10, (1, bytes.fromhex("fe80" + "00" * 13 + "02")), (2, mac))
        datagram += self.message(28, 2, (1, bytes([10, 0, 1, 3])))
        found: list[Neighbour] = []
        self.assertTrue(read_neighbours(datagram, found))
        self.assertEqual(
            found,
            [Neighbour("10.0.1.2", 3, "02:00:00:00:00:09"), Neighbour("fe80::2", 3, "02:00:00:00:00:09")],
        )
        self.assertFalse(read_neighbours(self.message(3, 0), found))

    def test_cut_short(self) -> None:
        whole = self.message(28, 2, (1, bytes([10, 0, 1, 2])), (2, bytes([2, 0, 0, 0, 0, 9])))
        for length in range(len(whole)):
            read_neighbours(whole[:length], [])
        read_neighbours(bytes(64), [])

    def test_vendors(self) -> None:
        path = Path(self.mktemp())
        path.write_text(
            "OUI/MA-L\n00-22-72   (hex)\t\tAmerican Micro-Fuel Device Corp.\r\n002272 (base 16)\n"
        )
        vendors = Vendors(path)
        self.assertIsNone(vendors.of("00:22:72:01:02:03"))
        vendors.load()
        self.assertEqual(vendors.of("00:22:72:01:02:03"), "American Micro-Fuel Device Corp.")
        self.assertIsNone(vendors.of("02:22:72:01:02:03"))
        Vendors(Path("/nowhere")).load()

    def test_a_long_list(self) -> None:
        self.patch(neighbour_table, "VENDOR_LIMIT", 60)
        path = Path(self.mktemp())
        path.write_text("00-22-72   (hex)\t\tFirst\n" + "\n" * 60 + "00-22-73   (hex)\t\tSecond\n")
        vendors = Vendors(path)
        vendors.load()
        self.assertEqual((vendors.of("00:22:72:1:1:1"), vendors.of("00:22:73:1:1:1")), ("First", None))

    def test_many(self) -> None:
        self.patch(neighbour_table, "MAX_NEIGHBOURS", 0)
        self.assertEqual(neighbours(), [])
