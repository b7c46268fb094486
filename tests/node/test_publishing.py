"""`Node.publish`: what a node publishes, where, and what it refuses."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import CancelledError

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record, address, host_info, text
from mcast.dnssd.hosts import Alias, Host
from mcast.dnssd.service import Service
from mcast.errors import NameTaken
from mcast.node.node import Node
from mcast.node.registrations import Claimed, RegistrationEvent, Renamed
from tests.node.node_lab import (
    SETTLED,
    WEB,
    NodeTestCase,
    web,
)

A, CNAME, PTR, SRV, TXT = (
    RecordType.A,
    RecordType.CNAME,
    RecordType.PTR,
    RecordType.SRV,
    RecordType.TXT,
)


RECORD = text(Name.parse("one.local"), [b"a"], 120)

MISTAKES: list[Any] = [
    ("Web", TypeError, "Web"),
    ("'eth0'", TypeError, Service("Web", WEB, 80), ("interfaces", "eth0")),
    ("interface 2", TypeError, Service("Web", WEB, 80), ("interfaces", [2])),
    ("'panic'", ValueError, Service("Web", WEB, 80), ("on_conflict", "panic")),
    ("shared", TypeError, Service("Web", WEB, 80), ("shared", True)),
    ("listener 7", TypeError, Service("Web", WEB, 80), ("listener", 7)),
    ("own host", ValueError, Host(), ("interfaces", ["eth0"])),
    ("own host", ValueError, Host(), ("on_conflict", "fail")),
    ("NSEC", ValueError, Record(Name.parse("one.local"), RecordType.NSEC, RecordClass.IN, 120, b"")),
]
"""Words of the error, its type, what is published, how."""


class PublishTests(NodeTestCase):
    """`Node.publish`."""

    def test_fires_when_claimed_on_all_links(self) -> None:
        node = self.node(self.lan.host("kitchen", "one", "two"))
        registration = self.lan.result(node.publish(Service("Web", WEB, 80)).when_claimed())
        self.assertEqual(registration.name, "Web")
        self.assertEqual(registration.interfaces, ("eth0", "eth1"))
        self.lan.advance(SETTLED)
        for link in ("one", "two"):
            self.assertNotEqual(self.ask(link, web("Web"), SRV), [])

    def test_waits_for_a_link(self) -> None:
        host = self.lan.host("kitchen")
        host.unplug()
        node = self.node(host)
        registered = node.publish(Service("Web", WEB, 80)).when_claimed()
        self.lan.advance(60.0)
        self.assertNoResult(registered)
        host.plug()
        self.lan.advance(SETTLED)
        self.assertEqual(self.successResultOf(registered).name, "Web")

    def test_waits_for_the_start(self) -> None:
        node = Node(self.lan.clock, network=self.lan.host("kitchen"), hostname="kitchen")
        registered = node.publish(Service("Web", WEB, 80)).when_claimed()
        self.lan.advance(10.0)
        self.assertNoResult(registered)
        node.startService()
        self.lan.advance(SETTLED)
        self.assertTrue(self.successResultOf(registered).is_claimed)

    def test_cancelling_the_wait_withdraws_nothing(self) -> None:
        registration = self.settled("kitchen").publish(Service("Web", WEB, 80))
        claimed = registration.when_claimed()
        self.lan.advance(0.4)
        claimed.cancel()
        self.failureResultOf(claimed, CancelledError)
        self.lan.advance(10.0)
        self.assertTrue(registration.is_claimed)

    def test_withdrawn_before_it_is_claimed(self) -> None:
        """Nothing of it has been said, and the wait is over."""
        node = self.settled("kitchen")
        self.lan.packets.clear()
        registration = node.publish(Service("Web", WEB, 80))
        claimed = registration.when_claimed()
        self.lan.advance(0.4)
        self.lan.result(registration.withdraw())
        self.failureResultOf(claimed, CancelledError)
        self.failureResultOf(registration.when_claimed(), CancelledError)
        self.lan.advance(10.0)
        self.assertEqual(len(node.registrations), 1)
        self.assertNotIn(web("Web"), self.lan.packets.responses.owners())

    def test_too_large(self) -> None:
        """M-17-5: what no packet can hold is refused, and nothing of it stays."""
        node = self.settled("kitchen")
        record = text(Name.parse("big.local"), [b"x" * 255] * 40, 120)
        self.assertRaises(ValueError, node.publish, record)
        self.assertEqual(len(node.registrations), 1)

    def test_too_large_before_the_start(self) -> None:
        """M-17-5: it is told at once, although there is no link yet."""
        node = Node(self.lan.clock, network=self.lan.host("kitchen"))
        with self.assertRaisesRegex(ValueError, "big.local"):
            node.publish(text(Name.parse("big.local"), [b"x" * 255] * 40, 120))
        self.assertEqual(node.registrations, ())

    def test_many_share_packets(self) -> None:
        """M-8.1-4: a hundred services are probed for and announced in a few packets, each within the MTU."""
        node = self.settled("kitchen", ipv6=False)
        self.lan.packets.clear()
        for number in range(100):
            node.publish(Service(f"Web {number}", WEB, 80))
        self.lan.advance(SETTLED)
        self.assertTrue(all(one.is_claimed for one in node.registrations))
        self.assertLess(len(self.lan.packets), 60)
        self.assertLessEqual(max(packet.size for packet in self.lan.packets), 1500)

    def test_named_after_the_host(self) -> None:
        node = self.settled("kitchen")
        registration = self.lan.result(node.publish(Service(None, WEB, 80)).when_claimed())
        self.assertEqual(registration.name, "kitchen")

    def test_two_of_ours(self) -> None:
        """A second service of the same name gets another one, although nobody else contests it."""
        node = self.settled("kitchen")
        names = [self.register(node, "Web", port).name for port in (80, 81, 82)]
        self.assertEqual(names, ["Web", "Web (2)", "Web (3)"])

    def test_two_of_ours_that_may_not_be_renamed(self) -> None:
        node = self.settled("kitchen")
        node.publish(Service("Web", WEB, 80))
        with self.assertRaisesRegex(ValueError, "published by this node already"):
            node.publish(Service("Web", WEB, 81), on_conflict="fail")
        self.assertEqual(len(node.registrations), 2)

    def test_some_interfaces(self) -> None:
        """What is published on one interface is not answered for on another, which the host is on."""
        node = self.settled(self.lan.host("kitchen", "one", "two"))
        registration = node.publish(Service("Web", WEB, 80), interfaces=["eth1"])
        self.lan.result(registration.when_claimed())
        self.assertEqual(registration.interfaces, ("eth1",))
        self.assertEqual(self.ask("one", web("Web"), SRV), [])
        self.assertNotEqual(self.ask("two", web("Web"), SRV), [])
        self.assertNotEqual(self.ask("one", "kitchen.local", A), [])

    def test_interface_that_comes_later(self) -> None:
        host = self.lan.host("kitchen")
        node = self.settled(host)
        registration = node.publish(Service("Web", WEB, 80), interfaces=["eth1"])
        self.lan.advance(10.0)
        self.assertFalse(registration.is_claimed)
        host.connect(self.lan.link("two"))
        self.lan.advance(SETTLED)
        self.assertEqual(registration.interfaces, ("eth1",))

    def test_interface_by_an_address_that_goes(self) -> None:
        """A goodbye follows where the address was."""
        host = self.lan.host("kitchen")
        node = self.settled(host)
        registration = node.publish(Service("Web", WEB, 80), interfaces=["10.0.1.1"])
        self.lan.advance(SETTLED)
        self.assertTrue(registration.is_claimed)
        self.lan.packets.clear()
        host.interface().set_addresses("10.0.1.9/24", "fe80::1:1/64")
        self.lan.advance(SETTLED)
        self.assertFalse(registration.is_claimed)
        self.assertIn(web("Web"), {str(each.name) for each in self.lan.packets.goodbyes})

    def test_what_cannot_be_published(self) -> None:
        node = self.node("kitchen")
        anything: Any = node.publish
        for words, error, *arguments in MISTAKES:
            options = dict(arguments[1:])
            with self.subTest(words), self.assertRaisesRegex(error, words):
                anything(arguments[0], **options)
        self.assertEqual(len(node.registrations), 1)

    def test_shows_its_state(self) -> None:
        registration = self.settled("kitchen").publish(Service("Web", WEB, 80))
        self.assertEqual(repr(registration), f"<ServiceRegistration {web('Web')} not claimed yet>")
        self.lan.advance(SETTLED)
        self.assertEqual(repr(registration), f"<ServiceRegistration {web('Web')} claimed>")
        self.lan.result(registration.withdraw())
        self.assertEqual(repr(registration), f"<ServiceRegistration {web('Web')} withdrawn>")

    def test_says_what_it_is(self) -> None:
        registration = self.settled("kitchen").publish(Service("Web", WEB, 80))
        said = (registration.name, str(registration.full_name), str(registration.type))
        self.assertEqual(said, ("Web", web("Web"), WEB))
        self.assertEqual((str(registration.domain), str(registration.host)), ("local.", "kitchen.local."))

    def test_a_free_name_can_be_had_again(self) -> None:
        node = self.settled("kitchen")
        self.lan.result(self.register(node).withdraw())
        self.assertEqual(self.register(node).name, "Web")


class HostTests(NodeTestCase):
    """Host names (RFC 6762 §3)."""

    def test_services_follow_a_renamed_host(self) -> None:
        """M-3-1: the services of a host that lost its name lead to its new one."""
        self.settled("kitchen")
        other = self.node("other", hostname="kitchen")
        registration = self.register(other)
        self.lan.advance(SETTLED)
        self.assertEqual(str(registration.host), "kitchen-2.local.")
        (found,) = self.ask("lan", web("Web"), SRV).records(SRV)
        self.assertEqual(str(found.data.target), "kitchen-2.local.")  # type: ignore[union-attr]

    def test_rename_is_told(self) -> None:
        """M-9-7: also when it is the host's name."""
        told: list[RegistrationEvent] = []
        self.settled("kitchen")
        other = self.node("other", hostname="kitchen")
        host = other.publish(Host(), listener=told.append)
        self.lan.result(host.when_claimed())
        self.assertEqual(told, [Renamed(host, "kitchen", "kitchen-2"), Claimed(host)])

    def test_name_is_remembered(self) -> None:
        """M-9-6: across restarts."""
        state: dict[str, str] = {}
        self.settled("kitchen")
        self.settled("other", hostname="kitchen", state=state)
        again = Node(self.lan.clock, network=self.lan.host("third"), hostname="kitchen", state=state)
        self.assertEqual(again.hostname, "kitchen-2")

    def test_system_name(self) -> None:
        self.patch(socket, "gethostname", lambda: "My PC.example.com")
        node = Node(self.lan.clock, network=self.lan.host("kitchen"))
        self.assertEqual(node.hostname, "My-PC")

    def test_spoken_for(self) -> None:
        """A host that is spoken for has its addresses on every link, and its services lead to it."""
        node = self.settled(self.lan.host("kitchen", "one", "two"))
        self.lan.result(node.publish(Host("printer", [ip_address("10.9.9.9")])).when_claimed())
        registration = self.register(node, host="printer")
        self.assertEqual(str(registration.host), "printer.local.")
        self.lan.advance(SETTLED)
        for link in ("one", "two"):
            self.assertEqual(self.ask(link, "printer.local", A).addresses, {"10.9.9.9"})

    def test_services_follow_a_host_that_is_spoken_for(self) -> None:
        self.settled("kitchen", hostname="printer")
        node = self.settled("other")
        host = self.lan.result(node.publish(Host("printer", [ip_address("10.9.9.9")])).when_claimed())
        registration = self.register(node, host="printer")
        self.assertEqual((host.name, str(registration.host)), ("printer-2", "printer-2.local."))

    def test_other_addresses(self) -> None:
        node = self.settled("kitchen", ipv6=False)
        host = self.lan.result(node.publish(Host("printer", [ip_address("10.9.9.9")])).when_claimed())
        self.lan.advance(SETTLED)
        self.lan.result(host.update(addresses=["10.9.9.8"]))
        self.lan.advance(SETTLED)
        self.assertEqual(self.ask("lan", "printer.local", A).addresses, {"10.9.9.8"})

    def test_alias(self) -> None:
        node = self.settled("kitchen")
        self.lan.result(node.publish(Alias("www")).when_claimed())
        (found,) = self.ask("lan", "www.local", CNAME).records(CNAME)
        self.assertEqual(str(found.data), "kitchen.local.")

    def test_alias_follows_its_host(self) -> None:
        self.settled("kitchen")
        other = self.node("other", hostname="kitchen")
        self.lan.result(other.publish(Alias("www")).when_claimed())
        (found,) = self.ask("lan", "www.local", CNAME).records(CNAME)
        self.assertEqual(str(found.data), "kitchen-2.local.")

    def test_host_is_published_with_the_first_service(self) -> None:
        node = self.node("kitchen", hostname=None)
        self.register(node)
        self.assertEqual(len(node.registrations), 2)

    def test_host_can_be_withdrawn_and_published_again(self) -> None:
        node = self.settled("kitchen")
        self.lan.result(node.registrations[0].withdraw())
        self.lan.advance(0.1)
        self.assertEqual(self.ask("lan", "kitchen.local", A), [])
        self.lan.result(node.publish(Host()).when_claimed())
        self.lan.advance(SETTLED)
        self.assertNotEqual(self.ask("lan", "kitchen.local", A), [])


class RecordTests(NodeTestCase):
    """Single records."""

    def test_shared(self) -> None:
        """M-3-8: a shared record is published without probing."""
        node = self.settled("kitchen")
        self.lan.packets.clear()
        self.lan.result(node.publish(self._record("one.local"), shared=True).when_claimed())
        self.lan.advance(SETTLED)
        self.assertEqual(self.lan.packets.probes, [])
        self.assertEqual({each.cache_flush for each in self.lan.packets.records(TXT)}, {False})

    def test_unique(self) -> None:
        node = self.settled("kitchen")
        self.lan.packets.clear()
        self.lan.result(node.publish(self._record("one.local")).when_claimed())
        self.assertEqual(len(self.lan.packets.probes), 6)

    def test_of_the_host(self) -> None:
        """A record under the host's own name is no conflict with it."""
        node = self.settled("kitchen")
        record = host_info(Name.parse("kitchen.local"), b"PDP11", b"UNIX", 120)
        self.lan.result(node.publish(record).when_claimed())
        self.assertEqual(node.hostname, "kitchen")

    def test_taken(self) -> None:
        self.settled("kitchen")
        node = self.settled("hall")
        self.assertRaises(
            NameTaken,
            self.lan.result,
            node.publish(address(Name.parse("kitchen.local"), "10.9.9.9", 120)).when_claimed(),
        )
        self.assertEqual([one.name for one in node.registrations], ["hall"])

    def test_update(self) -> None:
        node = self.settled("kitchen")
        registration = self.lan.result(node.publish(self._record("one.local")).when_claimed())
        self.lan.advance(SETTLED)
        self.lan.result(registration.update(record=text(Name.parse("one.local"), [b"new"], 120)))
        self.lan.advance(SETTLED)
        (found,) = self.ask("lan", "one.local", TXT).records(TXT)
        self.assertEqual(found.rdata, b"\x03new")

    def test_update_keeps_the_name(self) -> None:
        node = self.settled("kitchen")
        registration = self.lan.result(node.publish(self._record("one.local")).when_claimed())
        with self.assertRaisesRegex(ValueError, "two.local"):
            registration.update(record=self._record("two.local"))

    def _record(self, name: str) -> Record:
        return text(Name.parse(name), [b"old"], 120)
