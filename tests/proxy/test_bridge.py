"""The bridge between two links: services cross, and nothing else."""

from __future__ import annotations

from ipaddress import ip_address
from random import Random
from typing import Any

from twisted.python.usage import UsageError

from mcast.dns.codes import RecordType
from mcast.dnssd.found import Removed
from mcast.dnssd.hosts import Host
from mcast.dnssd.service import Service
from mcast.mdns.constants import MDNS_PORT
from mcast.node.node import Node
from mcast.proxy.bridge import MARK, Bridge, BridgeSettings
from mcast.proxy.choosing import Choice, Pattern, Quota
from mcast.proxy.lost_names import ATTEMPTS, COUNTED
from mcast.sockets.interface import Interface
from mcast.tap.bridge import Options
from mcast.testing import SimulatedHost
from tests.node.node_lab import NodeTestCase

IPP = "_ipp._tcp"


class BridgeTestCase(NodeTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.left, self.right = self.lan.link("left"), self.lan.link("right")
        self.device = self.settled(self.lan.host("printer", self.left))
        self.bridges: list[Bridge] = []
        self.random = Random(3)

    def bridge(self, name: str = "bridge", **settings: Any) -> Bridge:
        host: SimulatedHost = self.lan.host(name, self.left, self.right)
        first, second = host.interfaces()
        made = Bridge(
            self.lan.clock,
            BridgeSettings(first.name, second.name, **{"types": (IPP,), **settings}),
            (host, host),
            self.random,
        )
        made.startService()
        self.bridges.append(made)
        return made

    def print_service(self, name: str = "Printer", node: Node | None = None, **details: Any) -> Any:
        service = Service(name, IPP, 631, txt={"rp": "q"}, **details)
        return self.lan.result((node or self.device).publish(service).when_claimed())

    def seen(self, link: str) -> list[str]:
        """Return the instances that a fresh host on a link finds."""
        watcher = self.node(self.lan.host(f"watcher {len(self.bridges)} {self.lan.now}", link), hostname=None)
        browser = watcher.browse(IPP)
        self.lan.advance(5.0)
        found = sorted(one.name for one in browser.snapshot())
        self.lan.result(watcher.stopService())
        return found


class CrossingTests(BridgeTestCase):
    def test_a_service_with_its_host(self) -> None:
        self.print_service()
        self.bridge()
        self.lan.advance(5.0)
        watcher = self.node(self.lan.host("watcher", "right"), hostname=None)
        service = self.lan.result(watcher.resolve("Printer", IPP))
        self.assertEqual((str(service.host), service.port), ("printer.local.", 631))
        self.assertEqual(service.txt["rp"], b"q")
        self.assertIn(MARK, service.txt)
        own = {one.address for one in self.lan.host("printer").interface().current.addresses}
        found = {one.address for one in service.addresses}
        self.assertTrue(found)
        self.assertLessEqual(found, own)
        self.assertFalse(any(one.is_link_local for one in found))

    def test_subtypes(self) -> None:
        """Those that are named; a list of instances does not tell which subtypes they have."""
        printer = self.print_service(subtypes=("_universal",))
        self.bridge(types=(IPP, f"{IPP},_universal"))
        self.lan.advance(5.0)
        watcher = self.node(self.lan.host("watcher", "right"), hostname=None)
        browser = watcher.browse(f"{IPP},_universal")
        self.lan.advance(2.0)
        self.assertEqual([one.name for one in browser.snapshot()], ["Printer"])
        self.lan.result(printer.update(subtypes=()))
        self.lan.advance(5.0)
        self.assertEqual(browser.snapshot(), ())
        self.assertEqual(self.seen("right"), ["Printer"])

    def test_gone_with_a_goodbye(self) -> None:
        registration = self.print_service()
        self.bridge()
        self.lan.advance(5.0)
        self.lan.packets.clear()
        self.lan.result(registration.withdraw())
        self.lan.advance(3.0)
        goodbyes = [one for one in self.lan.packets.on("right").records(RecordType.PTR) if one.ttl == 0]
        self.assertIn("Printer._ipp._tcp.local.", [str(one.data) for one in goodbyes])
        self.assertEqual(self.seen("right"), [])

    def test_changes_follow(self) -> None:
        registration = self.print_service()
        self.bridge()
        self.lan.advance(5.0)
        self.lan.result(registration.update(port=632))
        self.lan.advance(3.0)
        watcher = self.node(self.lan.host("watcher", "right"), hostname=None)
        self.assertEqual(self.lan.result(watcher.resolve("Printer", IPP)).port, 632)

    def test_a_name_that_is_taken_there(self) -> None:
        other = self.settled(self.lan.host("other", "right"))
        self.print_service(node=other)
        self.print_service()
        self.bridge(both_ways=True)
        self.lan.advance(10.0)
        self.assertEqual(self.seen("right"), ["Printer", "Printer (2)"])
        self.assertEqual(self.seen("left"), ["Printer", "Printer (2)"])

    def test_what_another_bridge_carried_goes_no_further(self) -> None:
        """Else bridges in a ring would keep alive, among themselves, what is gone."""
        carried = Service("Carried", IPP, 631, txt={"rp": "q", MARK: None})
        self.lan.result(self.device.publish(carried).when_claimed())
        self.print_service()
        self.bridge()
        self.lan.advance(5.0)
        self.assertEqual(self.seen("right"), ["Printer"])

    def test_no_question_crosses(self) -> None:
        """What is asked on one side is answered there, and not asked on the other."""
        self.bridge()
        self.lan.advance(120.0)
        self.lan.packets.clear()
        self.ask("right", "secret._ipp._tcp.local", RecordType.SRV)
        asked = [
            str(question.name)
            for packet in self.lan.packets.on("left")
            for question in packet.message.questions
        ]
        self.assertNotIn("secret._ipp._tcp.local.", asked)
        self.assertEqual(MDNS_PORT, 5353)


class SideBySideTests(BridgeTestCase):
    """Two bridges do not echo each other."""

    def setUp(self) -> None:
        super().setUp()
        self.registration = self.print_service()
        self.bridge("one", both_ways=True)
        self.bridge("two", both_ways=True)
        self.lan.advance(20.0)

    def test_one_name_on_each_side(self) -> None:
        self.assertEqual(self.seen("left"), ["Printer"])
        self.assertEqual(self.seen("right"), ["Printer"])

    def test_nothing_stays_alive(self) -> None:
        self.lan.result(self.registration.withdraw())
        self.lan.advance(10.0)
        self.assertEqual((self.seen("left"), self.seen("right")), ([], []))

    def test_quiet_afterwards(self) -> None:
        """Five minutes without a probe: nobody renames anything."""
        self.lan.packets.clear()
        self.lan.advance(300.0)
        probes = [packet for packet in self.lan.packets if packet.message.authorities]
        self.assertEqual(probes, [])


class ApartTests(BridgeTestCase):
    """Two bridges that know different things of a device for a while publish one service in the end."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.device.publish(Host("press", (ip_address("10.0.1.50"),)))
        self.lan.result(self.host.when_claimed())
        self.print_service(host="press.local")

    def addresses(self) -> list[str]:
        watcher = self.node(self.lan.host("watcher", "right"), hostname=None)
        service = self.lan.result(watcher.resolve("Printer", IPP))
        self.assertEqual(str(service.host), "press.local.")
        return sorted(str(each.address) for each in service.addresses)

    def count(self, counter: str) -> int:
        return sum(one.counters[counter] for bridge in self.bridges for one in bridge._crossings)

    def test_addresses_that_one_hears_of_first(self) -> None:
        """However often, nobody on the other side loses the service for a moment."""
        self.bridge("one", both_ways=True)
        self.bridge("two", both_ways=True)
        self.lan.advance(20.0)
        watcher = self.node(self.lan.host("viewer", "right"), hostname=None)
        watched: list[Any] = []
        watcher.browse(IPP).add_listener(watched.append)
        self.lan.advance(2.0)
        for number in range(51, 55):
            self.left.partition((self.lan.host("printer"), self.lan.host("one")))
            self.host.update(addresses=(ip_address(f"10.0.1.{number}"),))
            self.lan.advance(0.9)
            self.left.heal()
            self.lan.advance(COUNTED + 1)
        self.assertEqual(self.seen("right"), ["Printer"])
        self.assertEqual(self.seen("left"), ["Printer"])
        self.assertEqual(self.addresses(), ["10.0.1.54"])
        self.assertTrue(watched)
        self.assertFalse([change for change in watched if isinstance(change, Removed)])
        self.assertEqual(self.count("left to another bridge"), 1)

    def start_one_that_knows_less(self) -> Bridge:
        """A responder may send its addresses of each family by themselves, in packets of their own."""
        addresses = (ip_address("10.0.1.50"), ip_address("fd00::50"))
        self.lan.result(self.host.update(addresses=addresses))
        self.bridge("one")
        self.lan.advance(5.0)
        two = self.bridge("two")
        crossing = two._crossings[0]
        carry = crossing._carry
        self.patch(crossing, "_carry", lambda found, wanted, _: carry(found, wanted, addresses[1:]))
        self.lan.advance(20.0)
        return two

    def test_one_that_starts_later_and_knows_less(self) -> None:
        two = self.start_one_that_knows_less()
        self.assertEqual(len(two._crossings[0]), 0)
        self.assertEqual((self.count("names lost"), self.count("left to another bridge")), (1, 1))
        self.assertEqual(self.seen("right"), ["Printer"])
        self.assertEqual(self.addresses(), ["10.0.1.50", "fd00::50"])

    def test_takes_over(self) -> None:
        two = self.start_one_that_knows_less()
        self.lan.result(self.bridges[0].stopService())
        self.lan.advance(5.0)
        self.assertEqual(len(two._crossings[0]), 1)
        self.assertEqual(self.seen("right"), ["Printer"])
        self.assertEqual(self.addresses(), ["fd00::50"])

    def test_both_lose(self) -> None:
        """They do not try again at the same time, and nobody takes another name."""
        self.test_one_that_starts_later_and_knows_less()
        for crossing in (bridge._crossings[0] for bridge in self.bridges):
            for name in tuple(crossing._carried):
                crossing._drop(name)
                crossing.lost(name)
        self.lan.advance(20.0)
        self.assertGreaterEqual(sum(len(bridge._crossings[0]) for bridge in self.bridges), 1)
        self.assertEqual(self.seen("right"), ["Printer"])

    def test_a_name_of_somebody_else(self) -> None:
        """The next one is taken soon."""
        other = self.settled(self.lan.host("other", "right"))
        self.print_service(node=other)
        self.bridge()
        self.lan.advance(6.0)
        self.assertEqual(self.seen("right"), ["Printer", "Printer (2)"])
        self.assertEqual((self.count("names lost"), self.count("left to another bridge")), (1, 0))

    def test_a_host_name_of_somebody_else(self) -> None:
        """Nothing tells that it is no bridge's, so it is tried some times."""
        other = self.settled(self.lan.host("other", "right"))
        self.lan.result(other.publish(Host("press", (ip_address("10.0.2.9"),))).when_claimed())
        self.bridge()
        self.lan.advance(20.0)
        self.assertEqual(self.seen("right"), ["Printer"])
        self.assertEqual(self.count("names lost"), ATTEMPTS)
        watcher = self.node(self.lan.host("watcher", "right"), hostname=None)
        self.assertEqual(str(self.lan.result(watcher.resolve("Printer", IPP)).host), "press-2.local.")

    def test_gone_while_it_waits(self) -> None:
        other = self.settled(self.lan.host("other", "right"))
        self.print_service(node=other)
        self.patch(self.random, "uniform", lambda _, most: most)
        made = self.bridge()
        self.lan.advance(1.0)
        self.assertEqual((self.count("names lost"), len(made._crossings[0])), (1, 0))
        self.lan.result(self.device.stopService())
        self.lan.advance(10.0)
        self.assertEqual(self.count("names lost"), 1)
        self.assertEqual(self.seen("right"), ["Printer"])
        self.lan.result(made.stopService())


class ChoiceTests(BridgeTestCase):
    def test_denied(self) -> None:
        self.print_service("A")
        self.print_service("B")
        self.bridge(choice=Choice(deny=(Pattern.parse("instance=a"),)))
        self.lan.advance(5.0)
        self.assertEqual(self.seen("right"), ["B"])

    def test_limits(self) -> None:
        for number in range(4):
            self.print_service(f"P{number}")
        made = self.bridge(quota=Quota(total=3, of_host=2))
        self.lan.advance(5.0)
        self.assertEqual(len(self.seen("right")), 2)
        self.assertEqual(made._crossings[0].counters["names beyond the limit"], 2)


class OptionTests(BridgeTestCase):
    def test_mistakes(self) -> None:
        self.refused("--from is missing")
        self.refused("--type is missing", "--from", "eth0", "--to", "eth1")
        self.refused("two ends", "--from", "eth0", "--to", "eth0", "--type", IPP)
        self.refused("--allow x: it has the form", "--allow", "x")
        self.refused("--max 0", "--max", "0")
        self.refused("--type", "--type", "http")
        self.refused("--type", "--type", "_longer-than-15-octets._tcp")
        self.refused("subtype ''", "--type", f"{IPP},")

    def refused(self, pattern: str, *words: str) -> None:
        error = self.assertRaises(UsageError, Options().parseOptions, list(words))
        self.assertIn(pattern, str(error))

    def test_two_names_of_one_interface(self) -> None:
        options = Options()
        options.parseOptions(["--from", "eth0", "--to", "7", "--type", IPP])
        error = self.assertRaises(UsageError, options.check_ends, [Interface("eth0", 7)])
        self.assertIn("are both eth0", str(error))
        options.check_ends([Interface("eth0", 6), Interface("eth1", 7)])

    def test_all(self) -> None:
        options = Options()
        words = ["--from", "eth0", "--to", "eth1", "--type", IPP, "--both-ways", "--deny", "host=x*"]
        options.parseOptions([*words, "--max", "10"])
        settings = options.settings()
        self.assertTrue(settings.both_ways)
        self.assertEqual(settings.quota, Quota(10, 1))
