from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcast.dns import records as make
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dnssd.service import Service
from mcast.proxy import watching
from mcast.proxy.watching import NotWatched, Watch, Watches
from mcast.unicast import gathering
from tests.node.node_lab import SETTLED
from tests.proxy.proxy_lab import ADMINISTRATION, ProxyTestCase, lines

PTR_QUESTION = "_http._tcp.Building 1.example.com"


class WatchingTests(ProxyTestCase):
    """P-5.6-10: what is asked for is followed until it is wanted no more."""

    def setUp(self) -> None:
        super().setUp()
        self.watches = Watches(self.access, ADMINISTRATION)
        self.told: list[tuple[str, str]] = []

    def watch(self, name: str = PTR_QUESTION, rtype: int = RecordType.PTR) -> Watch:
        watch = self.watches.start(Question(Name.parse(name), rtype), self.changed)
        self.addCleanup(watch.stop)
        self.lan.advance(0)
        return watch

    def changed(self, added: Sequence[Record], removed: Sequence[Record]) -> None:
        self.told += [("+", line) for line in lines(added)] + [("-", line) for line in lines(removed)]

    def test_comes_and_goes(self) -> None:
        """P-5.5.1-3: with the TTL of the device."""
        self.watch()
        self.assertEqual(self.told, [])
        registration = self.register(self.device(), "My Web")
        self.lan.advance(1)
        pointer = f"{PTR_QUESTION}. 4500 IN PTR My Web._http._tcp.Building 1.example.com."
        self.assertEqual(self.told, [("+", pointer)])
        registration.withdraw()
        self.lan.advance(3)
        self.assertEqual(self.told, [("+", pointer), ("-", pointer)])

    def test_what_is_known_is_told_at_once(self) -> None:
        self.watch()
        self.register(self.device(), "My Web")
        self.lan.advance(5)
        self.told.clear()
        self.watch()
        self.assertEqual([sign for sign, _ in self.told], ["+"])

    def test_another_time_to_live(self) -> None:
        """H-6.3.1-24: "a change to the TTL would produce a new update"; the same again does not."""
        self.watch()
        listing, name, host = map(
            Name.parse, ("_http._tcp.local", "My Web._http._tcp.local", "printer.local")
        )
        rest = (make.service(name, 0, 0, 80, host, 120), make.address(host, "10.0.1.9", 120))
        for ttl in (4500, 60, 60, 75):
            self.contradict("lan", make.pointer(listing, name, ttl), *rest)
            self.lan.advance(2)
        line = f"{PTR_QUESTION}. {{}} IN PTR My Web._http._tcp.Building 1.example.com."
        self.assertEqual(self.told, [("+", line.format(ttl)) for ttl in (4500, 60, 75)])

    def test_known_records_have_their_whole_time(self) -> None:
        """P-5.5.1-3: what is left of it in the cache does not matter to a subscriber."""
        self.watch()
        self.register(self.device(), "My Web")
        self.lan.advance(600)
        self.told.clear()
        self.watch()
        self.lan.advance(60)
        pointer = f"{PTR_QUESTION}. 4500 IN PTR My Web._http._tcp.Building 1.example.com."
        self.assertEqual(self.told, [("+", pointer)])

    def test_both_families_tell_one_record(self) -> None:
        """P-8-1: the IPv4 and the IPv6 link are one zone; what one of them has is there."""
        self.watch()
        cases: dict[str, dict[str, Any]] = {"both": {}, "six": {"ipv4": False}, "four": {"ipv6": False}}
        for name, families in cases.items():
            self.register(self.node(name, **families), name)
        self.lan.advance(5)
        self.assertEqual(len(self.told), 3)

    def test_stopped(self) -> None:
        watch = self.watch()
        watch.stop()
        began = self.lan.now
        self.register(self.device(), "My Web")
        self.lan.advance(60)
        self.assertEqual(self.told, [])
        self.assertEqual(self.questions_since(began), [])

    def test_stopped_while_told(self) -> None:
        self.watches.start(
            Question(Name.parse(PTR_QUESTION), RecordType.PTR), lambda added, removed: self.watches.stop()
        )
        self.register(self.device(), "My Web")
        self.lan.advance(5)
        self.assertEqual(len(self.watches), 0)

    def test_administrative_records_are_told_once(self) -> None:
        began = self.lan.now
        self.watch("_dns-push-tls._tcp.Building 1.example.com", RecordType.SRV)
        self.lan.advance(10)
        self.assertEqual(
            self.told,
            [("+", "_dns-push-tls._tcp.Building 1.example.com. 120 IN SRV 0 0 853 proxy.example.com.")],
        )
        self.assertEqual(self.questions_since(began), [])

    def test_all_types(self) -> None:
        self.watch("My Web._http._tcp.Building 1.example.com", RecordType.ANY)
        self.register(self.device(), "My Web")
        self.lan.advance(5)
        self.assertEqual({line.split(" IN ")[1].split()[0] for _, line in self.told}, {"SRV", "TXT"})

    def test_service_of_a_host_that_cannot_be_reached(self) -> None:
        """P-5.5.2-5: it is told once its host has an address that can."""
        self.watch()
        host = self.lan.host("printer")
        host.interface().set_addresses("169.254.1.2/16", "fe80::2/64")
        watch = self.watch("My Web._http._tcp.Building 1.example.com", RecordType.SRV)
        hosts = [self.watch("printer.bldg-1.example.com", rtype) for rtype in (RecordType.A, RecordType.AAAA)]
        self.lan.host("proxy").interface().set_addresses("10.0.1.1/24", "169.254.1.1/16", "fe80::1/64")
        node = self.settled(host)
        self.register(node, "My Web")
        self.lan.advance(SETTLED)
        self.assertEqual([watch.records, *(each.records for each in hosts)], [(), (), ()])
        host.interface().set_addresses("10.0.1.2/24", "fe80::2/64")
        self.lan.advance(30)
        self.assertEqual(len(watch.records), 1)

    def test_too_many_records(self) -> None:
        self.patch(gathering, "MAX_RECORDS", 3)
        self.watch()
        node = self.device()
        for number in range(5):
            node.publish(Service(f"Web {number}", "_http._tcp", 80))
        self.lan.advance(5)
        self.assertEqual(len(self.told), 3)
        # Two, on each of the two links.
        self.assertEqual(self.proxy_node.statistics()["searches"]["records beyond the limit"], 4)

    def test_reconfirm(self) -> None:
        """A record that nobody confirms is removed after ten seconds (RFC 6762 §10.4)."""
        watch = self.watch()
        self.register(self.device(), "My Web")
        self.lan.advance(5)
        self.lan.host("printer").unplug()
        (record,) = watch.records
        self.assertTrue(watch.reconfirm(record))
        self.lan.advance(11)
        self.assertEqual([sign for sign, _ in self.told], ["+", "-"])

    def test_reconfirm_something_else(self) -> None:
        stranger = Record(Name.parse("a.example.net"), 1, 1, 9, b"1234")
        self.assertFalse(self.watches.reconfirm(stranger))
        ours = Record(Name.parse("a.bldg-1.example.com"), 1, 1, 9, b"1234")
        self.assertFalse(self.watches.reconfirm(ours))


class RefusalTests(ProxyTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.watches = Watches(self.access, ADMINISTRATION)

    def why(self, question: Question) -> str:
        error: NotWatched = self.assertRaises(NotWatched, self.watches.start, question, lambda *_: None)
        return error.why

    def test_another_zone(self) -> None:
        self.assertEqual(self.why(Question(Name.parse("a.example.net"), 1)), "zone")

    def test_another_class(self) -> None:
        self.assertEqual(self.why(Question(Name.parse(PTR_QUESTION), 1, 3)), "class")

    def test_too_many(self) -> None:
        self.patch(watching, "MAX_WATCHES", 2)
        question = Question(Name.parse(PTR_QUESTION), RecordType.PTR)
        watches = [self.watches.start(question, lambda *_: None) for _ in range(2)]
        self.assertEqual(self.why(question), "limit")
        self.assertEqual(self.watches.counters["watches beyond the limit"], 1)
        watches[0].stop()
        self.watches.start(question, lambda *_: None)
        self.watches.stop()
